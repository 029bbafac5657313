"""Text to records of tokenized documents, the input of `bert_tf.pretrain`.

    python -m data_pipelines.create_pretraining_data --input_files='corpus/*.txt' \\
        --vocab_file=vocab.txt --output_dir=records

Records hold whole sentences as ids, in parts of documents; pairs, rows and masks are
made when they are read, anew in each epoch. The work goes in two steps. *Pieces*: some
source files at a time are tokenized, each piece by one process. *Shards*: each
collects its parts from all pieces, in an order given by a hash. So the parts of all
documents are mixed, and the bytes do not depend on how many processes there were, nor
on how often the program was stopped and started again.
"""

import array
import contextlib
import dataclasses
import functools
import hashlib
import itertools
import json
import math
import os
import posixpath
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import tensorflow as tf
from absl import logging

from data_pipelines.corpus import documents as corpus
from data_pipelines.corpus.chunks import batches_of_text
from data_pipelines.files.atomic import complete_file
from data_pipelines.files.json_files import read_json
from data_pipelines.pretraining import parts as parts_of_documents
from data_pipelines.pretraining.record_folder import (
    FORMAT,
    MANIFEST,
    read_manifest,
    require_shards,
)
from data_pipelines.programs import cli, processes
from data_pipelines.rows import features
from data_pipelines.tokenizers.casing import CasingOptions
from data_pipelines.tokenizers.tokenizer import make_tokenizer
from data_pipelines.tokenizers.vocabulary import Vocabulary

_WORK = "unfinished"
_PLAN = "plan.json"

# A piece is at least so many bytes of sources, and there are not many more than so
# many pieces: a shard reads from all of them.
_MIN_PIECE_BYTES = 4 << 20
_MAX_PIECES = 256
# A large source is shared by so many processes at most: each of them reads all of it.
_MAX_STRIPES = 8

# What the index of a piece tells of each record.
_INDEX = np.dtype(
    [
        ("shard", np.int32),
        ("num_tokens", np.int32),
        ("key", np.uint64),
        ("offset", np.int64),
        ("size", np.int64),
    ]
)


@dataclasses.dataclass(frozen=True)
class CreatePretrainingDataOptions(processes.RunnerOptions, CasingOptions):
    """What the program can be told."""

    input_files: tuple[str, ...] = cli.option(
        cli.REQUIRED, "Files of text, or patterns of names such as 'corpus/*.txt'."
    )
    vocab_file: str = cli.option(cli.REQUIRED, "The vocabulary, one piece a line.")
    output_dir: str = cli.option(cli.REQUIRED, "Folder for the records.")
    num_shards: int = cli.option(16, "How many files to write.")
    num_processes: int | None = cli.option(
        None, "How many processes work at once. Default: one for each core."
    )
    holdout_fraction: float = cli.option(
        0.0, "Share of the documents that is kept for evaluation, in files of its own."
    )
    separator: corpus.Separator = cli.option(
        "file", "file: a file is one document. blank_line: empty lines separate them."
    )
    seed: int = cli.option(0, "Decides which documents are held out, and the order.")


def create_pretraining_data(
    *,
    input_files: Sequence[str],
    vocabulary: Vocabulary,
    output_dir: str,
    num_shards: int = 16,
    num_processes: int | None = None,
    holdout_fraction: float = 0.0,
    separator: corpus.Separator = "file",
    seed: int = 0,
    cluster: str | None = None,
) -> dict[str, Any]:
    """Writes `train-*.tfrecord`, `heldout-*.tfrecord`, and `manifest.json` at last.

    A text `"It rained. We left."` becomes (if it is one document) the record

        {"token_ids": [2009, 15898, 2098, 1012, 2057, 2187, 1012],
         "sentence_lengths": [4, 3], "document_id": 8713…}

    A run that was stopped goes on where it was when started again with the same
    arguments. A folder that is complete is left as it is.

    Args:
        input_files: files or patterns, see `corpus.expand_sources`.
        vocabulary: the pieces, and the casing of the texts.
        output_dir: folder for the records, made if it is missing.
        num_shards: number of files of training records.
        num_processes: how many work at once; None: one for each core.
        holdout_fraction: share of the documents for evaluation. Which ones depends
            on the seed and their text alone: copies of a document stay together.
        separator: what separates the documents of a file, see
            `corpus.read_documents`.
        seed: of the holdout and of the order of the parts.
        cluster: see `processes.pool`; its machines all see the files and the folder.

    Returns:
        The manifest, see `read_manifest`.

    Raises:
        ValueError: an option is wrong, the folder holds records of other options,
            there are no documents, or all of them are held out.
        FileNotFoundError: no file matches.
        OSError, tf.errors.OpError: a file can not be read or written. No file has
            its final name before it is complete.
    """
    if num_shards < 1 or not 0 <= holdout_fraction < 1 or (num_processes or 1) < 1:
        raise ValueError(
            f"Received num_shards={num_shards}, num_processes={num_processes}, "
            f"holdout_fraction={holdout_fraction}. Expected at least one shard and "
            "one process, and a fraction from 0 to less than 1."
        )
    sources = list(corpus.expand_sources(input_files))
    sizes = [_size(source) for source in sources]
    plan = {
        "format": FORMAT,
        "inputs": [
            {"name": posixpath.basename(source), "bytes": size, "begins": _head(source)}
            for source, size in zip(sources, sizes, strict=True)
        ],
        "vocabulary_fingerprint": vocabulary.fingerprint,
        "vocabulary_size": len(vocabulary),
        "lower_case": vocabulary.lower_case,
        "strip_accents": vocabulary.strip_accents,
        "separator": separator,
        "seed": seed,
        "holdout_fraction": holdout_fraction,
        "num_shards": num_shards,
        "max_part_sentences": parts_of_documents.MAX_PART_SENTENCES,
        "max_part_tokens": parts_of_documents.MAX_PART_TOKENS,
        "max_sentence_tokens": parts_of_documents.MAX_SENTENCE_TOKENS,
    }
    work = posixpath.join(output_dir, _WORK)
    manifest = _begin(output_dir, work, plan)
    if manifest is not None:
        logging.info("%s is complete already: nothing to do.", output_dir)
        return manifest

    num_heldout = (
        max(1, round(num_shards * holdout_fraction)) if holdout_fraction else 0
    )
    names = [
        *(f"train-{i:05d}-of-{num_shards:05d}.tfrecord" for i in range(num_shards)),
        *(f"heldout-{i:05d}-of-{num_heldout:05d}.tfrecord" for i in range(num_heldout)),
    ]
    pieces = [
        _Piece(
            work=work,
            name=f"piece-{number:05d}",
            stripes=tuple(stripes),
            separator=separator,
            seed=seed,
            holdout_fraction=holdout_fraction,
            num_shards=num_shards,
            num_heldout=num_heldout,
        )
        for number, stripes in enumerate(_divide(sources, sizes))
    ]
    with processes.pool(num_processes, len(pieces), cluster) as run:
        write_piece = functools.partial(_write_piece, vocabulary=vocabulary)
        counts: dict[str, Counter] = {"train": Counter(), "heldout": Counter()}
        for of_piece in run("tokenize", write_piece, pieces):
            for split, values in of_piece.items():
                counts.setdefault(split, Counter()).update(values)
        _require_documents(counts, sources)
        shards = list(
            run(
                "write shards",
                _write_shard,
                [
                    (posixpath.join(output_dir, name), number, work, pieces)
                    for number, name in enumerate(names)
                ],
            )
        )
    manifest = {
        **plan,
        "counts": dict(sorted(counts["train"].items())),
        "heldout_counts": dict(sorted(counts["heldout"].items())),
        "reading": dict(sorted(counts.get("reading", Counter()).items())),
        "shards": [
            {"name": name, **shard} for name, shard in zip(names, shards, strict=True)
        ],
    }
    _write_json(posixpath.join(output_dir, MANIFEST), work, manifest)
    tf.io.gfile.rmtree(work)
    return manifest


def main(options: CreatePretrainingDataOptions) -> None:
    """Writes the records and prints what is in them."""
    manifest = create_pretraining_data(
        input_files=options.input_files,
        vocabulary=Vocabulary.from_file(
            options.vocab_file, options.lower_case, options.strip_accents
        ),
        output_dir=options.output_dir,
        num_shards=options.num_shards,
        num_processes=options.num_processes,
        holdout_fraction=options.holdout_fraction,
        separator=options.separator,
        seed=options.seed,
        cluster=options.cluster,
    )
    for split in ("counts", "heldout_counts", "reading"):
        values = ", ".join(
            f"{value:,} {name}" for name, value in manifest[split].items()
        )
        print(f"{split}: {values}")


@dataclasses.dataclass(frozen=True)
class _Piece:
    """Some sources, and all that a process needs to know to tokenize them."""

    work: str
    name: str
    # Source, which of how many stripes: every n-th document of a large source.
    stripes: tuple[tuple[str, int, int], ...]
    separator: corpus.Separator
    seed: int
    holdout_fraction: float
    num_shards: int
    num_heldout: int

    @property
    def records(self) -> str:
        return posixpath.join(self.work, f"{self.name}.records")

    @property
    def index(self) -> str:
        return posixpath.join(self.work, f"{self.name}.index")

    @property
    def counts(self) -> str:
        """Written last: where it is, the piece is complete."""
        return posixpath.join(self.work, f"{self.name}.json")


def _begin(output_dir: str, work: str, plan: dict[str, Any]) -> dict[str, Any] | None:
    """Makes the folder ready, or gives the manifest of a complete one."""
    if tf.io.gfile.exists(posixpath.join(output_dir, MANIFEST)):
        manifest = read_manifest(output_dir)
        _require_same_plan(output_dir, manifest, plan)
        require_shards(output_dir, manifest)
        if tf.io.gfile.exists(work):  # Stopped between the manifest and the end.
            tf.io.gfile.rmtree(work)
        return manifest
    plan_file = posixpath.join(work, _PLAN)
    if tf.io.gfile.exists(plan_file):
        _require_same_plan(output_dir, read_json(plan_file), plan)
        logging.info("Going on with the unfinished records in %s.", output_dir)
        return None
    if tf.io.gfile.glob(posixpath.join(output_dir, "*.tfrecord")):
        raise ValueError(
            f"{output_dir} holds records without {MANIFEST}. Nothing is overwritten: "
            "name another folder, or remove them."
        )
    tf.io.gfile.makedirs(work)
    _write_json(plan_file, work, plan)
    return None


def _require_same_plan(
    output_dir: str, found: dict[str, Any], plan: dict[str, Any]
) -> None:
    # As JSON would give it back.
    plan = json.loads(json.dumps(plan))
    different = [name for name in plan if found.get(name) != plan[name]]
    if different:
        values = "; ".join(
            f"{name} was {_short(found.get(name))}, received {_short(plan[name])}"
            for name in different
        )
        raise ValueError(
            f"{output_dir} holds records of other options: {values}. Nothing is "
            "overwritten: name another folder, or remove this one."
        )


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _require_documents(counts: dict[str, Counter], sources: list[str]) -> None:
    if counts["train"]["parts"]:
        return
    if counts["heldout"]["parts"]:
        raise ValueError(
            f"All {counts['heldout']['documents']} documents are held out, none is "
            "left to train on: choose a smaller holdout_fraction or another seed."
        )
    raise ValueError(
        f"Found no document with any words in {len(sources)} files: "
        f"{_short(sources[:3])}. Expected text."
    )


def _divide(
    sources: list[str], sizes: list[int]
) -> Iterator[list[tuple[str, int, int]]]:
    """Pieces of about the same size: lists of source, stripe, number of stripes."""
    piece_bytes = max(_MIN_PIECE_BYTES, sum(sizes) // _MAX_PIECES)
    stripes: list[tuple[str, int, int]] = []
    filled = 0
    for source, size in zip(sources, sizes, strict=True):
        num_stripes = min(_MAX_STRIPES, max(1, math.ceil(size / piece_bytes)))
        if num_stripes > 1:
            yield from ([(source, i, num_stripes)] for i in range(num_stripes))
            continue
        stripes.append((source, 0, 1))
        filled += size
        if filled >= piece_bytes:
            yield stripes
            stripes, filled = [], 0
    if stripes:
        yield stripes


def _write_piece(piece: _Piece, vocabulary: Vocabulary) -> dict[str, dict[str, int]]:
    """Tokenizes some sources; gives the counts of both splits and of the reading."""
    if tf.io.gfile.exists(piece.counts):
        return read_json(piece.counts)
    counts: dict[str, Counter] = {
        split: Counter() for split in ("train", "heldout", "reading")
    }
    columns = {
        name: array.array("Q" if name == "key" else "q") for name in _INDEX.names or ()
    }
    with _complete(piece.records, piece.work) as unfinished:
        offset = 0
        with tf.io.TFRecordWriter(unfinished) as writer:
            for source, stripe, num_stripes in piece.stripes:
                reading: Counter = Counter()
                documents = corpus.read_documents(source, piece.separator, reading)
                documents = itertools.islice(documents, stripe, None, num_stripes)
                for record, entry in _records(documents, piece, vocabulary, counts):
                    writer.write(record)
                    # How TFRecords are framed: two lengths and two checksums.
                    size = len(record) + 16
                    for name, value in (*entry, ("offset", offset), ("size", size)):
                        columns[name].append(value)
                    offset += size
                if stripe == 0:
                    # Each stripe reads the whole source, it is counted once.
                    counts["reading"].update(reading)
    index = np.empty(len(columns["key"]), _INDEX)
    for name, column in columns.items():
        index[name] = np.frombuffer(column, column.typecode)
    with _complete(piece.index, piece.work) as unfinished:
        _write_bytes(unfinished, index.tobytes())
    result = {split: dict(values) for split, values in counts.items()}
    _write_json(piece.counts, piece.work, result)
    return result


def _records(
    documents: Iterable[str],
    piece: _Piece,
    vocabulary: Vocabulary,
    counts: dict[str, Counter],
) -> Iterator[tuple[bytes, list[tuple[str, int]]]]:
    """Records, and what the index tells of each but its place."""
    tokenize, unk_id = _tokenize(vocabulary), vocabulary.unk_id
    number = 0  # Of the part in its document.
    for batch in batches_of_text(documents):
        texts, document_ids, begins = zip(*batch, strict=True)
        is_heldout = [
            _hash(piece.seed, document_id)[0] < piece.holdout_fraction * 2.0**64
            for document_id in document_ids
        ]
        for text, begin, heldout in zip(texts, begins, is_heldout, strict=True):
            of_split = counts["heldout" if heldout else "train"]
            of_split["documents"] += begin
            of_split["bytes"] += len(text)
        tokenized = tokenize(
            tf.constant(texts, tf.string), tf.constant(document_ids, tf.int64)
        )
        tokens, token_bounds, lengths, length_bounds, text_of_part = (
            value.numpy() for value in tokenized
        )
        last_text = -1
        for part, text in enumerate(text_of_part):
            if any(begins[last_text + 1 : text + 1]):
                number = 0
            last_text = text
            heldout, document_id = is_heldout[text], document_ids[text]
            token_ids = tokens[token_bounds[part] : token_bounds[part + 1]]
            sentence_lengths = lengths[length_bounds[part] : length_bounds[part + 1]]
            of_split = counts["heldout" if heldout else "train"]
            of_split["parts"] += 1
            of_split["sentences"] += len(sentence_lengths)
            of_split["tokens"] += len(token_ids)
            of_split["unknown_tokens"] += int(np.count_nonzero(token_ids == unk_id))
            shard, key = _hash(piece.seed, document_id, number)
            number += 1
            shard = (
                piece.num_shards + shard % piece.num_heldout
                if heldout
                else shard % piece.num_shards
            )
            yield (
                features.part_to_example(token_ids, sentence_lengths, document_id),
                [("shard", shard), ("key", key), ("num_tokens", len(token_ids))],
            )
        if any(begins[last_text + 1 :]):
            number = 0


@functools.lru_cache(maxsize=1)
def _tokenize(vocabulary: Vocabulary) -> Callable:
    """The function of the graph; made once in each process."""
    # The GPU is for training, and in many processes its memory would not suffice.
    with tf.device("CPU"):
        tokenizer = make_tokenizer(vocabulary)

    @tf.function(
        input_signature=[
            tf.TensorSpec([None], tf.string),
            tf.TensorSpec([None], tf.int64),
        ]
    )
    def tokenize(texts: tf.Tensor, document_ids: tf.Tensor) -> tuple[tf.Tensor, ...]:
        with tf.device("CPU"):
            parts = parts_of_documents.tokenize_documents(
                texts, document_ids, tokenizer
            )
            token_ids, sentence_lengths = parts["token_ids"], parts["sentence_lengths"]
            return (
                token_ids.values,
                token_ids.row_splits,
                sentence_lengths.values,
                sentence_lengths.row_splits,
                parts["text"],
            )

    return tokenize


def _write_shard(task: tuple[str, int, str, list[_Piece]]) -> dict[str, int]:
    """Copies the records of one shard from all pieces, in the order of their keys."""
    path, shard, work, pieces = task
    indices = []
    for number, piece in enumerate(pieces):
        with tf.io.gfile.GFile(piece.index, "rb") as file:
            index = np.frombuffer(file.read(), _INDEX)
        index = index[index["shard"] == shard]
        indices.append((np.full(len(index), number), index))
    piece_of = np.concatenate([number for number, _ in indices])
    index = np.concatenate([index for _, index in indices])
    order = np.lexsort((index["offset"], piece_of, index["key"]))
    summary = {
        "records": len(index),
        "tokens": int(index["num_tokens"].sum(dtype=np.int64)),
        "bytes": int(index["size"].sum()),
    }
    if tf.io.gfile.exists(path):  # Has its final name, so it is complete.
        return summary
    with contextlib.ExitStack() as files:
        records = {
            number: files.enter_context(tf.io.gfile.GFile(pieces[number].records, "rb"))
            for number in np.unique(piece_of)
        }
        unfinished = files.enter_context(_complete(path, work))
        with tf.io.gfile.GFile(unfinished, "wb") as output:
            output.write(b"")  # Makes the file even where there is no record.
            for i in order:
                file = records[piece_of[i]]
                file.seek(int(index["offset"][i]))
                # A record with its frame is a record of any file.
                output.write(file.read(int(index["size"][i])))
    return summary


def _complete(path: str, work: str) -> AbstractContextManager[str]:
    """A name to write under; the file gets its own name when it is complete.

    The former lies in `work`, so that nothing of it stays when that is removed, and
    belongs to this process, so that a worker of a killed run disturbs nobody.
    """
    name = f"{posixpath.basename(path)}.{os.getpid()}"
    return complete_file(path, posixpath.join(work, name))


def _hash(*values: int) -> tuple[int, int]:
    """Two numbers of 64 bits, the same on every machine."""
    digest = hashlib.blake2b(repr(values).encode(), digest_size=16).digest()
    return int.from_bytes(digest[:8], "little"), int.from_bytes(digest[8:], "little")


def _size(source: str) -> int:
    """Bytes of a file; 0 for a source that is none, a TFDS dataset."""
    return tf.io.gfile.stat(source).length if tf.io.gfile.exists(source) else 0


def _head(source: str) -> str:
    """Tells sources of one name and size apart, mostly."""
    if not tf.io.gfile.exists(source):
        return ""
    with tf.io.gfile.GFile(source, "rb") as file:
        return hashlib.sha256(file.read(1 << 16)).hexdigest()[:16]


def _write_bytes(path: str, content: bytes) -> None:
    with tf.io.gfile.GFile(path, "wb") as file:
        file.write(content)


def _write_json(path: str, work: str, value: dict[str, Any]) -> None:
    with _complete(path, work) as unfinished:
        _write_bytes(unfinished, (json.dumps(value, indent=2) + "\n").encode())


if __name__ == "__main__":
    cli.run(CreatePretrainingDataOptions, main, __doc__ or "")
