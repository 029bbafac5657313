"""Batches rows with a fixed batch size, and sets the options of all datasets."""

import tensorflow as tf


def evaluation_batches(rows: tf.data.Dataset, *, batch_size: int) -> tf.data.Dataset:
    """Batches every row once, in order; pads the last batch with rows of zeros.

    The rows `{"x": 1} {"x": 2} {"x": 3}` with a batch size of 2 become

        {"x": [1, 2], "row_weight": [1, 1]}
        {"x": [3, 0], "row_weight": [1, 0]}

    Args:
        rows: finite dataset of dicts of dense tensors. An existing `row_weight` is
            kept; otherwise it is 1.
        batch_size: rows per batch.

    Returns:
        Batches of the static shape `(batch_size, ...)`, with `row_weight` float32
        `(batch_size,)`.
    """

    def pad(values: tf.Tensor) -> tf.Tensor:
        missing = batch_size - tf.shape(values)[0]
        paddings = [[0, missing]] + [[0, 0]] * (values.shape.rank - 1)
        empty = "" if values.dtype == tf.string else tf.zeros([], values.dtype)
        padded = tf.pad(values, paddings, constant_values=empty)
        return tf.ensure_shape(padded, [batch_size, *values.shape[1:]])

    @tf.autograph.experimental.do_not_convert
    def pad_batch(batch: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        num_rows = tf.shape(tf.nest.flatten(batch)[0])[:1]
        batch = {"row_weight": tf.ones(num_rows, tf.float32), **batch}
        return tf.nest.map_structure(pad, batch)

    batches = rows.batch(batch_size).map(pad_batch)
    return with_options(batches.prefetch(tf.data.AUTOTUNE))


def with_options(dataset: tf.data.Dataset) -> tf.data.Dataset:
    """Fixes the order of the elements, and disables autotuning of tf.data."""
    options = tf.data.Options()
    options.deterministic = True
    # Parallelism then equals the number of cores. The autotuning thread wakes up at
    # growing intervals, and deleting an iterator waits for it, up to a minute.
    options.autotune.enabled = False
    return dataset.with_options(options)
