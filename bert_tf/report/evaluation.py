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
        examples, answers: with labels, and one for each.
        labels, threshold: see `Task`.
    """

    kind: str
    metrics: dict[str, float]
    examples: Sequence[Any]
    answers: Sequence[Any]
    labels: Sequence[str] | None = None
    threshold: float | None = None
