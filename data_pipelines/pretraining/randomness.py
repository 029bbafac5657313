"""Random choices that depend on a seed alone: the same on every machine.

The algorithm is named everywhere, because the automatic choice depends on the device.
"""

from typing import Any

import tensorflow as tf


def as_seed(seed: int) -> tf.Tensor:
    """A seed int64 `(2,)`, as stateless random operations take it."""
    return tf.constant([0, seed], tf.int64)


def fold_in(seed: tf.Tensor, number: Any) -> tf.Tensor:
    """Another seed for each number."""
    return tf.random.fold_in(seed, tf.cast(number, tf.int64), alg="philox")


def split(seed: tf.Tensor, count: int) -> list[tf.Tensor]:
    """Several seeds from one."""
    return tf.unstack(tf.random.split(seed, count, alg="philox"))


def uniform(shape: Any, seed: tf.Tensor) -> tf.Tensor:
    """Numbers float32 in [0, 1)."""
    return tf.random.stateless_uniform(shape, seed, alg="philox")


def permutation(count: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """The numbers int32 `(count,)` below `count`, in random order."""
    return tf.random.experimental.stateless_shuffle(tf.range(count), seed, alg="philox")


def shuffled(elements: tf.data.Dataset, size: int, seed: tf.Tensor) -> tf.data.Dataset:
    """Shuffles the elements of each window of `size`.

    Not `Dataset.shuffle`, which within a flat_map counts as stateful and makes the
    iterator unsaveable.
    """

    @tf.autograph.experimental.do_not_convert
    def shuffle(number: tf.Tensor, window: Any) -> Any:
        count = tf.shape(tf.nest.flatten(window)[0])[0]
        order = permutation(count, fold_in(seed, number))
        return tf.nest.map_structure(lambda values: tf.gather(values, order), window)

    return elements.batch(size).enumerate().map(shuffle).unbatch()
