"""Where the documents of pre-training come from: record files, or text."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from data_pipelines.corpus import documents as corpus
from data_pipelines.corpus.chunks import batches_of_text
from data_pipelines.pretraining.parts import tokenize_documents
from data_pipelines.pretraining.randomness import as_seed, fold_in, shuffled
from data_pipelines.rows import features
from data_pipelines.tokenizers.tokenizer import Tokenizer

# From the numbers of an epoch, of a stream, and of all streams to a dataset of the
# parts (`features.PART`) that the stream has in that epoch.
Documents = Callable[[Any, Any, int], tf.data.Dataset]

_OPEN_FILES = 16


def documents_from_records(
    files: Sequence[str],
    *,
    seed: int = 0,
    shuffle_parts: int = 1024,
    skip_corrupt: bool = False,
) -> Documents:
    """The parts in files that `create_pretraining_data` wrote.

    Args:
        files: of TFRecords, see `record_folder.record_files`.
        seed: of the order of the files and of the parts, another in each epoch.
        shuffle_parts: how many parts of all streams are mixed at a time; 0: files and
            parts as they are stored.
        skip_corrupt: whether what can not be read is left out.

    Returns:
        See `Documents`. A stream has every n-th file of each epoch.

    Raises:
        ValueError: there are no files.
        FileNotFoundError: one of the files does not exist.
    """
    if not files:
        raise ValueError(
            "Received no record files. Expected some: make them with "
            "data_pipelines.create_pretraining_data."
        )
    for file in files:
        if not tf.io.gfile.exists(file):
            raise FileNotFoundError(f"There is no record file {file!r}.")
    files = list(files)

    def records_of(name: tf.Tensor) -> tf.data.Dataset:
        records = tf.data.TFRecordDataset(name)
        return records.ignore_errors() if skip_corrupt else records

    def parts(epoch: Any, stream: Any, num_streams: int) -> tf.data.Dataset:
        epoch_seed = fold_in(as_seed(seed), epoch)
        window = max(1, shuffle_parts // num_streams)
        names = tf.constant(files)
        if shuffle_parts > 0:
            names = tf.random.experimental.stateless_shuffle(
                names, epoch_seed, alg="philox"
            )
        names = tf.data.Dataset.from_tensor_slices(names[stream::num_streams])
        records = names.interleave(
            records_of,
            cycle_length=max(1, min(_OPEN_FILES, len(files) // num_streams)),
            num_parallel_calls=tf.data.AUTOTUNE,
            deterministic=True,
        )
        if shuffle_parts > 0:
            records = shuffled(records, window, fold_in(epoch_seed, stream))
        return records.map(
            features.parse_part, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True
        ).filter(lambda part: tf.size(part["token_ids"]) > 0)

    return parts


def one_epoch(documents: Documents) -> tf.data.Dataset:
    """All parts in one stream, as in the first epoch."""
    return documents(tf.constant(0, tf.int64), tf.constant(0, tf.int64), 1)


def stored_texts(files: Sequence[str]) -> Iterator[np.ndarray]:
    """The token ids int32 `(tokens,)` of each part in such files, as they are stored.

    Raises:
        ValueError, FileNotFoundError: as `documents_from_records`.
    """
    parts = one_epoch(documents_from_records(files, shuffle_parts=0))
    for part in parts.as_numpy_iterator():
        yield part["token_ids"]


def documents_from_text(
    sources: Sequence[str],
    tokenizer: Tokenizer,
    *,
    separator: corpus.Separator = "file",
) -> Documents:
    """The parts of the documents in text files, tokenized while they are read.

    The parts are those that `create_pretraining_data` writes, in the order of the
    text. Good for a look at a small corpus: it costs the tokenizing in each epoch,
    and its iterator, being a Python generator, can not be saved.

    Args:
        sources: files, see `corpus.expand_sources`.
        tokenizer: makes ids of sentences.
        separator: what separates the documents of a file, see
            `corpus.read_documents`.
    """
    sources = list(sources)

    def texts() -> Iterator[tuple[list[bytes], list[int]]]:
        for source in sources:
            for batch in batches_of_text(corpus.read_documents(source, separator)):
                document_ids = [document_id for _, document_id, _ in batch]
                yield [text for text, _, _ in batch], document_ids

    def split(tokenized: dict[str, tf.Tensor]) -> tf.data.Dataset:
        numbers = tf.data.Dataset.range(tf.size(tokenized["document_id"], tf.int64))
        return numbers.map(
            lambda number: {name: tokenized[name][number] for name in features.PART}
        )

    def parts(epoch: Any, stream: Any, num_streams: int) -> tf.data.Dataset:
        del epoch, stream  # The text has the same order in each epoch.
        if num_streams > 1:
            raise ValueError(
                f"Received num_streams={num_streams}, but text has one stream. "
                "Expected 1, or records: make them with "
                "data_pipelines.create_pretraining_data."
            )
        batches = tf.data.Dataset.from_generator(
            texts,
            output_signature=(
                tf.TensorSpec([None], tf.string),
                tf.TensorSpec([None], tf.int64),
            ),
        )
        return batches.map(
            lambda texts, ids: tokenize_documents(texts, ids, tokenizer),
            num_parallel_calls=tf.data.AUTOTUNE,
            deterministic=True,
        ).flat_map(split)

    return parts
