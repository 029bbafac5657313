"""The objective of training: losses and metrics as sums over a batch."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

import tensorflow as tf
from keras import ops

Batch = Mapping[str, tf.Tensor]


class Objective(Protocol):
    """A training objective, as sums whose means are taken over the global batch."""

    @property
    def losses(self) -> Sequence[str]:
        """Names in `sums` whose means are added up to the loss."""
        ...

    def weights(self, batch: Batch) -> dict[str, tf.Tensor]:
        """The total weight of each sum, from the batch alone."""
        ...

    def sums(self, outputs: Any, batch: Batch) -> dict[str, tf.Tensor]:
        """Weighted sums over a batch, float32 scalars: losses and metrics."""
        ...


def sequence_weights(batch: Any, sequences: Any, group_size: int = 1) -> Any:
    """Returns the weights of the examples of a batch, float32 (examples,).

    Args:
        batch: its `weight`, float32 (sequences,), may be missing: then all weigh 1.
        sequences: a feature of the batch, (sequences, ...), which gives their number.
        group_size: the number of sequences of an example, which share a weight.
    """
    if "weight" in batch:
        return batch["weight"][::group_size]
    return ops.ones((ops.shape(sequences)[0] // group_size,), "float32")


def means_of(results: Iterable[Mapping[str, tuple[Any, Any]]]) -> dict[str, float]:
    """Returns weighted means over batches, from each one's sums and their weights."""
    totals: dict[str, float] = {}
    weights: dict[str, float] = {}
    for result in results:
        for name, (value, weight) in result.items():
            totals[name] = totals.get(name, 0.0) + float(value)
            weights[name] = weights.get(name, 0.0) + float(weight)
    return {name: totals[name] / max(weights[name], 1e-9) for name in totals}
