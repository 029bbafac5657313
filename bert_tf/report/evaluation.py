"""The evaluation that a report on a fine-tuned model describes."""

import dataclasses
from collections.abc import Sequence
from typing import Any


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """The answers of a model to labelled examples.

    Attributes:
        kind: the kind of task.
        metrics: metrics of the answers, the most important first.
        examples: labelled examples.
        answers: an answer for each example.
        labels, threshold: see `Task`.
    """

    kind: str
    metrics: dict[str, float]
    examples: Sequence[Any]
    answers: Sequence[Any]
    labels: Sequence[str] | None = None
    threshold: float | None = None
