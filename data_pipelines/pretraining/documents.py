"""Reads record files as parts of documents, in a new order in each epoch."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from data_pipelines.pretraining.randomness import (
    as_seed,
    fold_in,
    permutation,
    shuffled,
)
from data_pipelines.rows import features

# Function from epoch, stream and number of streams to a dataset of the parts (see
# `features.parse_part`) of that stream in that epoch.
Documents = Callable[[Any, Any, int], tf.data.Dataset]

_OPEN_FILES = 16


def documents_from_records(
    files: Sequence[str],
    *,
    seed: int = 0,
    shuffle_parts: int = 1024,
    skip_corrupt: bool = False,
) -> Documents:
    """Reads the parts in files written by `create_pretraining_data`.

    Args:
        files: see `record_folder.record_files`.
        seed: seed of the order of files and parts, which differs between epochs.
        shuffle_parts: size of the shuffle buffer of all streams, in parts; 0 keeps the
            order of files and parts.
        skip_corrupt: whether to skip unreadable records.

    Returns:
        See `Documents`. Of `n` streams, each reads every `n`-th file of an epoch.

    Raises:
        ValueError: there are no files.
        FileNotFoundError: one of the files does not exist.
    """
    if not files:
        raise ValueError(
            "Received no record files. Expected at least one: create them with "
            "data_pipelines.create_pretraining_data."
        )
    for file in files:
        if not tf.io.gfile.exists(file):
            raise FileNotFoundError(
                f"There is no record file {file!r}. Expected the files of one folder: "
                "check the name."
            )
    files = list(files)

    def records_of(name: tf.Tensor) -> tf.data.Dataset:
        records = tf.data.TFRecordDataset(name)
        return records.ignore_errors() if skip_corrupt else records

    @tf.autograph.experimental.do_not_convert
    def parts(epoch: Any, stream: Any, num_streams: int) -> tf.data.Dataset:
        epoch_seed = fold_in(as_seed(seed), epoch)
        names = tf.constant(files)
        if shuffle_parts:
            names = tf.gather(names, permutation(len(files), epoch_seed))
        names = tf.data.Dataset.from_tensor_slices(names[stream::num_streams])
        records = names.interleave(
            records_of,
            cycle_length=max(1, min(_OPEN_FILES, len(files) // num_streams)),
            num_parallel_calls=tf.data.AUTOTUNE,
            deterministic=True,
        )
        if shuffle_parts:
            window = max(1, shuffle_parts // num_streams)
            records = shuffled(records, window, fold_in(epoch_seed, stream))
        return records.map(
            features.parse_part, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True
        ).filter(lambda part: tf.size(part["token_ids"]) > 0)

    return parts


def one_epoch(documents: Documents) -> tf.data.Dataset:
    """Returns all parts in one stream, in the order of the first epoch."""
    return documents(tf.constant(0, tf.int64), tf.constant(0, tf.int64), 1)


def stored_texts(files: Sequence[str]) -> Iterator[np.ndarray]:
    """Yields the token ids int32 `(tokens,)` of each part, in the stored order."""
    parts = one_epoch(documents_from_records(files, shuffle_parts=0))
    return (part["token_ids"] for part in parts.as_numpy_iterator())
