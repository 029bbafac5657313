"""Work units: groups of sources that one process tokenizes into records."""

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

# Entry of a unit's index for each record: its shard, its sort key there, and its
# location in the records of the unit.
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
    """Options that determine the records, besides the text and the vocabulary.

    Attributes:
        seed: seed of the holdout and of the order of the parts.
        holdout_fraction: share of the documents for evaluation. The choice depends only
            on the seed and the text, so copies of a document stay together.
        num_shards: number of files of training records.
    """

    seed: int = 0
    holdout_fraction: float = 0.0
    num_shards: int = 16

    def __post_init__(self) -> None:
        cli.require_positive(num_shards=self.num_shards)
        if not 0 <= self.holdout_fraction < 1:
            raise ValueError(
                f"Received holdout_fraction={self.holdout_fraction}. Expected at least "
                "0, and less than 1."
            )

    @property
    def num_heldout_shards(self) -> int:
        """Number of files of held-out records."""
        share = self.holdout_fraction
        return max(1, round(self.num_shards * share)) if share else 0

    @property
    def shard_names(self) -> list[str]:
        """Names of the training files, followed by those of the held-out files."""
        counts = {"train": self.num_shards, "heldout": self.num_heldout_shards}
        return [
            f"{split}-{number:05d}-of-{count:05d}.tfrecord"
            for split, count in counts.items()
            for number in range(count)
        ]

    def is_heldout(self, document_id: int) -> bool:
        """Returns True if a document is held out for evaluation."""
        return _hash(self.seed, document_id)[0] < self.holdout_fraction * 2.0**64

    def shard_and_key(self, document_id: int, number: int) -> tuple[int, int]:
        """Returns the shard of a part of a document, and its sort key there."""
        shard, key = _hash(self.seed, document_id, number)
        if self.is_heldout(document_id):
            return self.num_shards + shard % self.num_heldout_shards, key
        return shard % self.num_shards, key


@dataclasses.dataclass(frozen=True)
class WorkUnit:
    """Some sources, whose records are in separate files until the shards are written.

    `PATH.records` is a TFRecord file, `PATH.index` an array of `INDEX`, and
    `PATH.json` contains the counts; it exists only if the unit is complete.

    Attributes:
        path: path of its files, without the ending.
        stripes: tuples of a source, an index `i` and a count `n`: the unit contains
            every `n`-th document of the source, beginning with number `i`.
    """

    path: str
    stripes: tuple[tuple[str, int, int], ...]


def write_unit(
    unit: WorkUnit, vocabulary: Vocabulary, options: RecordOptions
) -> dict[str, Counter[str]]:
    """Writes the files of a unit; returns the counts of both splits and of reading."""
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
        index_file.write(b"")  # Creates the file even if there are no records.
        offset = 0
        for source, stripe, num_stripes in unit.stripes:
            reading: Counter = Counter()
            documents = read_documents(source, options, reading)
            documents = itertools.islice(documents, stripe, None, num_stripes)
            for record, *entry in _records(documents, vocabulary, options, counts):
                record_writer.write(record)
                # A TFRecord is framed by its length and two checksums: 16 bytes.
                size = len(record) + 16
                index_file.write(np.array((*entry, offset, size), INDEX).tobytes())
                offset += size
            # Every stripe reads the whole source, so only the first is counted.
            if stripe == 0:
                counts["reading"].update(reading)
    write_json(f"{unit.path}.json", counts)
    return counts


def _finished(unit: WorkUnit) -> dict[str, Counter[str]] | None:
    """Returns the counts of a complete unit; None if it must be written."""
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
    """Yields records, each with its shard, its number of tokens and its sort key."""
    tokenize = _tokenize(vocabulary, options.lines)
    number = 0  # Index of the part in its document.
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
    """Returns `tokenize_documents` as a graph, traced once per process."""
    # The GPU is left for training, and has too little memory for many processes.
    with tf.device("CPU"):
        tokenizer = make_tokenizer(vocabulary)

    @tf.function(
        input_signature=[
            tf.TensorSpec([None], tf.string),
            tf.TensorSpec([None], tf.int64),
        ],
        autograph=False,
    )
    def tokenize(texts: tf.Tensor, document_ids: tf.Tensor) -> dict[str, tf.Tensor]:
        with tf.device("CPU"):
            return tokenize_documents(
                texts, document_ids, tokenizer, Layout(lines=lines)
            )

    return tokenize


def _hash(*values: int) -> tuple[int, int]:
    """Returns two 64-bit numbers, the same on every machine."""
    digest = hashlib.blake2b(repr(values).encode(), digest_size=16).digest()
    return int.from_bytes(digest[:8], "little"), int.from_bytes(digest[8:], "little")
