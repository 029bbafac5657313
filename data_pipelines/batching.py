"""Rows to batches, in the one order that is right: shard, shuffle, repeat, map, batch.

Sharding comes before shuffling, so that no two workers ever see one row; shuffling
before repeating, so that each epoch has every row once, in an order of its own; and
repeating before batching, so that no batch but the last of all is cut.
"""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

Map = Callable[..., Any]


def training_batches(
    rows: tf.data.Dataset,
    *,
    batch_size: int,
    seed: int = 0,
    num_epochs: int | None = 1,
    shuffle_rows: int = 10_000,
    shard_index: int = 0,
    num_shards: int = 1,
    map_row: Map | None = None,
    map_batch: Map | None = None,
) -> tf.data.Dataset:
    """Batches of one size, in an order that depends on the seed and the epoch.

    The rows `1 2 3 4 5` with a batch size of 2 and two epochs may become
    `[2 5] [1 3] [4 1] [2 4] [5 3]`.

    Args:
        rows: a finite dataset.
        batch_size: of this worker. What is left at the very end is dropped.
        seed: two runs with one seed, and one `tf.random.set_seed`, give the same
            batches.
        num_epochs: how often to go through the rows; None: without end.
        shuffle_rows: size of the buffer that rows are drawn from; 0: keep the order.
        shard_index: which worker this is.
        num_shards: how many workers share the rows.
        map_row: what to make of each row.
        map_batch: what to make of each batch, often faster than row by row.

    Returns:
        A dataset whose iterator can be saved by `tf.train.Checkpoint`.
    """
    rows = rows.shard(num_shards, shard_index)
    if shuffle_rows > 0:
        rows = rows.shuffle(shuffle_rows, seed=seed)
    rows = rows.repeat(num_epochs)
    if map_row is not None:
        rows = rows.map(map_row, num_parallel_calls=tf.data.AUTOTUNE)
    batches = rows.batch(batch_size, drop_remainder=True)
    if map_batch is not None:
        batches = batches.map(map_batch, num_parallel_calls=tf.data.AUTOTUNE)
    return with_options(batches.prefetch(tf.data.AUTOTUNE))


def evaluation_batches(
    rows: tf.data.Dataset,
    *,
    batch_size: int,
    shard_index: int = 0,
    num_shards: int = 1,
    map_row: Map | None = None,
    map_batch: Map | None = None,
) -> tf.data.Dataset:
    """Every row once, in its order; the last batch is filled up, see `pad_batch`.

    The rows `{"x": 1} {"x": 2} {"x": 3}` with a batch size of 2 become

        {"x": [1, 2], "row_weight": [1, 1]}
        {"x": [3, 0], "row_weight": [1, 0]}

    Args:
        rows: a finite dataset of dicts.
        batch_size: of this worker.
        shard_index: which worker this is.
        num_shards: how many workers share the rows.
        map_row: what to make of each row.
        map_batch: what to make of each batch; it gives a dict of dense tensors.
    """
    rows = rows.shard(num_shards, shard_index)
    if map_row is not None:
        rows = rows.map(map_row, num_parallel_calls=tf.data.AUTOTUNE)
    batches = rows.batch(batch_size)
    if map_batch is not None:
        batches = batches.map(map_batch, num_parallel_calls=tf.data.AUTOTUNE)
    batches = batches.map(lambda batch: pad_batch(batch, batch_size))
    return with_options(batches.prefetch(tf.data.AUTOTUNE))


def pad_batch(batch: dict[str, tf.Tensor], batch_size: int) -> dict[str, tf.Tensor]:
    """Fills a batch up with rows of zeros, whose `row_weight` is 0.

    `{"x": [7]}` becomes `{"x": [7, 0], "row_weight": [1, 0]}` for a batch size of 2.

    Args:
        batch: dense tensors `(rows, ...)` with at most `batch_size` rows. A
            `row_weight` that is there is kept; without one the rows weigh 1.
        batch_size: rows of the result.

    Returns:
        The tensors with the static shape `(batch_size, ...)`, and `row_weight`
        float32 `(batch_size,)`.
    """
    first = tf.nest.flatten(batch)[0]
    num_rows = tf.shape(first)[0]
    batch = {"row_weight": tf.ones([num_rows], tf.float32), **batch}

    def pad(values: tf.Tensor) -> tf.Tensor:
        rank = values.shape.rank
        paddings = [[0, batch_size - num_rows]] + [[0, 0]] * (rank - 1)
        empty = "" if values.dtype == tf.string else tf.zeros([], values.dtype)
        padded = tf.pad(values, paddings, constant_values=empty)
        return tf.ensure_shape(padded, [batch_size, *values.shape[1:]])

    return tf.nest.map_structure(pad, batch)


def with_options(dataset: tf.data.Dataset) -> tf.data.Dataset:
    """The same elements in a fixed order, without the thread that tunes tf.data."""
    options = tf.data.Options()
    options.deterministic = True
    # Parallelism is then that of the cores. The thread that would tune it wakes up at
    # growing intervals, and an iterator's end waits for it: up to a minute.
    options.autotune.enabled = False
    return dataset.with_options(options)
