"""Units of work: some sources at a time, tokenized by one process, to records."""

import dataclasses
import functools
import hashlib
import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator

import numpy as np
import tensorflow as tf
from absl import logging

from data_pipelines.corpus.chunks import batches_of_text
from data_pipelines.corpus.documents import read_documents
from data_pipelines.corpus.layout import Layout, Lines
from data_pipelines.files.atomic import complete_file
from data_pipelines.files.json_files import read_json, write_json
from data_pipelines.pretraining.parts import tokenize_documents
from data_pipelines.programs import cli
from data_pipelines.rows import features
from data_pipelines.tokenizers.tokenizer import make_tokenizer
from data_pipelines.tokenizers.vocabulary import Vocabulary

# What the index of a unit says of each record: where it goes, what orders it there,
# and where it is among the records of the unit.
INDEX = np.dtype(
    [
        ("shard", np.int32),
        ("num_tokens", np.int32),
        ("key", np.uint64),
        ("offset", np.int64),
        ("size", np.int64),
    ]
)


@dataclasses.dataclass(frozen=True)
class RecordOptions(Layout):
    """Options that decide the records, besides the text and the vocabulary.

    Attributes:
        seed: of the holdout and of the order of the parts.
        holdout_fraction: share of the documents for evaluation. Which ones depends
            on the seed and their text alone: copies of a document stay together.
        num_shards: number of files of training records.
    """

    seed: int = 0
    holdout_fraction: float = 0.0
    num_shards: int = 16

    def __post_init__(self) -> None:
        cli.require_positive(num_shards=self.num_shards)
        if not 0 <= self.holdout_fraction < 1:
            raise ValueError(
                f"Received holdout_fraction={self.holdout_fraction}. Expected 0 or "
                "more, and less than 1."
            )

    @property
    def num_heldout_shards(self) -> int:
        """Number of files of held-out records."""
        share = self.holdout_fraction
        return max(1, round(self.num_shards * share)) if share else 0

    @property
    def shard_names(self) -> list[str]:
        """The files of training records, then the held-out ones."""
        counts = {"train": self.num_shards, "heldout": self.num_heldout_shards}
        return [
            f"{split}-{number:05d}-of-{count:05d}.tfrecord"
            for split, count in counts.items()
            for number in range(count)
        ]

    def is_heldout(self, document_id: int) -> bool:
        """True if a document is kept for evaluation."""
        return _hash(self.seed, document_id)[0] < self.holdout_fraction * 2.0**64

    def shard_and_key(self, document_id: int, number: int) -> tuple[int, int]:
        """The number of the file of a part of a document, and what orders it there."""
        shard, key = _hash(self.seed, document_id, number)
        if self.is_heldout(document_id):
            return self.num_shards + shard % self.num_heldout_shards, key
        return shard % self.num_shards, key


@dataclasses.dataclass(frozen=True)
class WorkUnit:
    """Some sources, whose records are in files of their own until all are written.

    `PATH.records` is a file of TFRecords, `PATH.index` an array of `INDEX`, and
    `PATH.json` counts: where it is, the unit is complete.

    Attributes:
        path: of its files, without the ending.
        stripes: each a source, a number n, and the number of stripes of that source:
            its every n-th document is of this unit.
    """

    path: str
    stripes: tuple[tuple[str, int, int], ...]


def write_unit(
    unit: WorkUnit, vocabulary: Vocabulary, options: RecordOptions
) -> dict[str, Counter[str]]:
    """Writes the files of a unit; returns counts of both splits and of the reading."""
    finished = _finished(unit)
    if finished is not None:
        return finished
    counts = {split: Counter[str]() for split in ("train", "heldout", "reading")}
    with (
        complete_file(f"{unit.path}.records") as records,
        complete_file(f"{unit.path}.index") as index,
        tf.io.TFRecordWriter(records) as record_writer,
        tf.io.gfile.GFile(index, "wb") as index_file,
    ):
        index_file.write(b"")  # Makes the file even where there is no record.
        offset = 0
        for source, stripe, num_stripes in unit.stripes:
            reading: Counter = Counter()
            documents = read_documents(source, options, reading)
            documents = itertools.islice(documents, stripe, None, num_stripes)
            for record, *entry in _records(documents, vocabulary, options, counts):
                record_writer.write(record)
                # How TFRecords are framed: two lengths and two checksums.
                size = len(record) + 16
                index_file.write(np.array((*entry, offset, size), INDEX).tobytes())
                offset += size
            # Each stripe reads the whole source, which is counted once.
            if stripe == 0:
                counts["reading"].update(reading)
    write_json(f"{unit.path}.json", counts)
    return counts


def _finished(unit: WorkUnit) -> dict[str, Counter[str]] | None:
    """The counts of a unit whose files are whole; None: it is to be written."""
    if not tf.io.gfile.exists(f"{unit.path}.json"):
        return None
    try:
        counts = read_json(f"{unit.path}.json")
        with tf.io.gfile.GFile(f"{unit.path}.index", "rb") as file:
            index = np.frombuffer(file.read(), INDEX)
        num_bytes = tf.io.gfile.stat(f"{unit.path}.records").length
        num_parts = sum(counts[split].get("parts", 0) for split in ("train", "heldout"))
        if (num_parts, num_bytes) == (len(index), index["size"].sum()):
            return {split: Counter(values) for split, values in counts.items()}
    except (ValueError, KeyError, AttributeError, tf.errors.NotFoundError):
        pass
    logging.warning("%s is damaged: its records are written again.", unit.path)
    return None


def _records(
    documents: Iterable[str],
    vocabulary: Vocabulary,
    options: RecordOptions,
    counts: dict[str, Counter[str]],
) -> Iterator[tuple[bytes, int, int, int]]:
    """Records, each with its shard, its number of tokens and its key."""
    tokenize = _tokenize(vocabulary, options.lines)
    number = 0  # Of the part in its document.
    for batch in batches_of_text(documents):
        texts, ids, _ = zip(*batch, strict=True)
        parts = tokenize(tf.constant(texts, tf.string), tf.constant(ids, tf.int64))
        rows = [parts[name].numpy() for name in ("token_ids", "sentence_lengths")]
        pairs = list(zip(*rows, strict=True))
        bounds = np.searchsorted(parts["text"].numpy(), range(len(batch) + 1))
        for place, (text, document_id, begins) in enumerate(batch):
            of_split = counts["heldout" if options.is_heldout(document_id) else "train"]
            of_split["documents"] += begins
            of_split["bytes"] += len(text)
            number = 0 if begins else number
            for token_ids, lengths in pairs[bounds[place] : bounds[place + 1]]:
                of_split["parts"] += 1
                of_split["sentences"] += len(lengths)
                of_split["tokens"] += len(token_ids)
                is_unknown = token_ids == vocabulary.unk_id
                of_split["unknown_tokens"] += int(np.count_nonzero(is_unknown))
                shard, key = options.shard_and_key(document_id, number)
                number += 1
                record = features.part_to_example(token_ids, lengths, document_id)
                yield record, shard, len(token_ids), key


@functools.lru_cache(maxsize=1)
def _tokenize(vocabulary: Vocabulary, lines: Lines) -> Callable:
    """`tokenize_documents` as a graph, which is made once in each process."""
    # The GPU is for training, and in many processes its memory would not suffice.
    with tf.device("CPU"):
        tokenizer = make_tokenizer(vocabulary)

    @tf.function(
        input_signature=[
            tf.TensorSpec([None], tf.string),
            tf.TensorSpec([None], tf.int64),
        ]
    )
    def tokenize(texts: tf.Tensor, document_ids: tf.Tensor) -> dict[str, tf.Tensor]:
        with tf.device("CPU"):
            return tokenize_documents(
                texts, document_ids, tokenizer, Layout(lines=lines)
            )

    return tokenize


def _hash(*values: int) -> tuple[int, int]:
    """Two numbers of 64 bits, the same on every machine."""
    digest = hashlib.blake2b(repr(values).encode(), digest_size=16).digest()
    return int.from_bytes(digest[:8], "little"), int.from_bytes(digest[8:], "little")
