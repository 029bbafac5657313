"""All that is known of a system, as it is shown and written."""

import dataclasses
from typing import Any

from bert_tf.comparison.measuring import TaskScore
from bert_tf.comparison.training import Trained


@dataclasses.dataclass
class Outcome:
    """What has been found out so far.

    Attributes:
        title: of the system.
        trained: how long, and how much.
        heldout: guesses of masked pieces, perplexity.
        similarities: of static vectors, by the name of the list.
        tasks: by dataset.
        num_weights, num_bytes: of the model.
        texts_per_second: that the model of the first dataset answers.
        failures: what went wrong, a line each.
    """

    title: str
    trained: Trained | None = None
    heldout: dict[str, float] = dataclasses.field(default_factory=dict)
    similarities: dict[str, float] = dataclasses.field(default_factory=dict)
    tasks: dict[str, TaskScore] = dataclasses.field(default_factory=dict)
    num_weights: int | None = None
    num_bytes: int | None = None
    texts_per_second: float | None = None
    failures: list[str] = dataclasses.field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return dataclasses.asdict(self)
