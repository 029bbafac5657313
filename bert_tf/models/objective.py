"""The objective of training: losses and metrics as sums over a batch."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

import tensorflow as tf

Batch = Mapping[str, tf.Tensor]


class Objective(Protocol):
    """The training objective, in sums: means are taken over the global batch."""

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


def means_of(results: Iterable[Mapping[str, tuple[Any, Any]]]) -> dict[str, float]:
    """Returns weighted means over batches, from each one's sums and their weights."""
    totals: dict[str, float] = {}
    weights: dict[str, float] = {}
    for result in results:
        for name, (value, weight) in result.items():
            totals[name] = totals.get(name, 0.0) + float(value)
            weights[name] = weights.get(name, 0.0) + float(weight)
    return {name: totals[name] / max(weights[name], 1e-9) for name in totals}
