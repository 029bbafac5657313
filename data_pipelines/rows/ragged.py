"""Ragged tensors made with few operations.

A graph spends as long on the dozens of small operations of `tf.concat` of ragged
tensors, or of `tf.RaggedTensor.value_rowids`, as on the tokens of a short text.
"""

import tensorflow as tf


def from_lengths(values: tf.Tensor, lengths: tf.Tensor) -> tf.RaggedTensor:
    """Divides values into rows, without a check that the lengths sum up to them.

    `[7, 8, 9]` with the lengths `[2, 1]` becomes `[[7, 8], [9]]`.

    Args:
        values: any dtype `(values,)`.
        lengths: int32 `(rows,)`.
    """
    splits = tf.pad(tf.cumsum(tf.cast(lengths, tf.int64)), [[1, 0]])
    return tf.RaggedTensor.from_row_splits(values, splits, validate=False)


def rows_and_places(lengths: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Finds the row of each value, and its place in the row.

    The lengths `[2, 0, 1]` give the rows `[0, 0, 2]` and the places `[0, 1, 0]`.

    Args:
        lengths: int32 `(rows,)`.

    Returns:
        Two int32 `(values,)`.
    """
    ends = tf.cumsum(lengths)
    number = tf.range(tf.reduce_sum(lengths))
    # The first row that ends behind the value.
    row = tf.raw_ops.UpperBound(sorted_inputs=ends[None], values=number[None])[0]
    return row, number - tf.gather(ends - lengths, row)
