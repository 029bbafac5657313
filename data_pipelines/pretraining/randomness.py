"""Random choices that depend only on a seed: the same on every machine.

The algorithm is always given, because the automatic choice depends on the device.
"""

from typing import Any

import tensorflow as tf


def as_seed(seed: int) -> tf.Tensor:
    """Returns a seed int64 `(2,)` for stateless random operations."""
    return tf.constant([0, seed], tf.int64)


def fold_in(seed: tf.Tensor, number: Any) -> tf.Tensor:
    """Derives a different seed for each number."""
    return tf.random.fold_in(seed, tf.cast(number, tf.int64), alg="philox")


def split(seed: tf.Tensor, count: int) -> list[tf.Tensor]:
    """Derives several seeds from one."""
    return tf.unstack(tf.random.split(seed, count, alg="philox"))


def uniform(shape: Any, seed: tf.Tensor) -> tf.Tensor:
    """Draws float32 numbers from [0, 1)."""
    return tf.random.stateless_uniform(shape, seed, alg="philox")


def permutation(count: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Returns the integers below `count` in random order, int32 `(count,)`."""
    return tf.random.experimental.stateless_shuffle(tf.range(count), seed, alg="philox")


def shuffled(elements: tf.data.Dataset, size: int, seed: tf.Tensor) -> tf.data.Dataset:
    """Shuffles the elements of each window of `size` elements.

    `Dataset.shuffle` is not used because it counts as stateful within a flat_map, where
    the iterator could not be saved.
    """

    @tf.autograph.experimental.do_not_convert
    def shuffle(number: tf.Tensor, window: Any) -> Any:
        count = tf.shape(tf.nest.flatten(window)[0])[0]
        order = permutation(count, fold_in(seed, number))
        return tf.nest.map_structure(lambda values: tf.gather(values, order), window)

    return elements.batch(size).enumerate().map(shuffle).unbatch()
