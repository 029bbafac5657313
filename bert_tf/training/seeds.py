"""Seeds of the parts of a run, derived from the seed of the run."""

import contextlib
import random
from collections.abc import Iterator
from typing import Any

import tensorflow as tf


def data_seed(seed: int, *, phase: int = 0, attempt: int = 0) -> int:
    """Returns the seed of the order and the masks of the data in a phase.

    `attempt` is the number of times the run has gone back to a checkpoint, from which
    it continues with other data.
    """
    return seed + phase + 10_007 * attempt


def dropout_seed(
    seed: int, step: tf.Tensor, replica: Any, piece: Any, draws: tuple[int, int]
) -> tf.Tensor:
    """Returns the seed of the dropout masks of a slice of a batch, int32 (2,).

    Args:
        seed: the seed of the run.
        step, replica, piece: the numbers of the step, of the replica among all
            replicas, and of the slice; integer scalars.
        draws: the number of replicas, and of slices of each.
    """
    num_replicas, num_pieces = draws
    draw = tf.cast(step, tf.int32) * (num_replicas * num_pieces)
    draw += tf.cast(replica, tf.int32) * num_pieces + piece
    return tf.stack([tf.constant(seed % (2**31 - 1), tf.int32), draw])


@contextlib.contextmanager
def initial_weights(seed: int) -> Iterator[None]:
    """Makes the weights that are drawn in the block depend on the seed alone.

    Keras draws the seeds of initializers from Python's `random`, whose state is as it
    was after the block.
    """
    state = random.getstate()
    random.seed(seed)
    try:
        yield
    finally:
        random.setstate(state)
