"""What a training step minimizes: losses and metrics as sums over a batch."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import tensorflow as tf

Batch = Mapping[str, tf.Tensor]


class Objective(Protocol):
    """What is minimised, in sums, so that means are taken over the global batch."""

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
