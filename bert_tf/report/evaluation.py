"""The subject of reports on fine-tuned models."""

import dataclasses
from collections.abc import Sequence
from typing import Any


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """The answers of a model to examples whose right answers are known.

    Attributes:
        kind: of the task.
        metrics: of the answers, the most important first.
        examples: with labels.
        answers: one for each.
        labels: names of classes or tags, in the order of their ids.
        threshold: no-answer score of questions from which there is no answer; None:
            every question is given one.
    """

    kind: str
    metrics: dict[str, float]
    examples: Sequence[Any]
    answers: Sequence[Any]
    labels: Sequence[str] | None = None
    threshold: float | None = None
