"""Writes text as records of tokenized documents, by several processes, in two steps.

First some source files at a time are tokenized, each *unit* of work by one process.
Then each *shard* collects its parts from all units, in an order given by a hash. So the
parts of all documents are mixed, and the bytes do not depend on the number of
processes, nor on how often the program was stopped and started again.
"""

import contextlib
import dataclasses
import functools
import hashlib
import math
import posixpath
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from absl import logging

from data_pipelines.corpus.documents import expand_sources
from data_pipelines.files.atomic import complete_file, remove
from data_pipelines.files.json_files import read_json_if_any, write_json
from data_pipelines.pretraining import parts, record_folder, work_units
from data_pipelines.pretraining.record_folder import MANIFEST, read_manifest
from data_pipelines.pretraining.work_units import RecordOptions, WorkUnit
from data_pipelines.programs import processes
from data_pipelines.tokenizers.vocabulary import Vocabulary

# The least bytes of sources of a unit, and about the most units, as a shard reads from
# all of them.
_MIN_UNIT_BYTES = 4 << 20
_MAX_UNITS = 256
# The most processes that share a large source: each of them reads all of it.
_MAX_STRIPES = 8


def write_records(
    input_files: Sequence[str],
    vocabulary: Vocabulary,
    output_dir: str,
    options: RecordOptions,
    *,
    num_processes: int | None = None,
    cluster: str | None = None,
) -> dict[str, Any]:
    """Writes `train-*.tfrecord`, `heldout-*.tfrecord`, and `manifest.json` at last.

    A text `"It rained. We left."` becomes (if it is one document) the record

        {"token_ids": [2009, 15898, 2098, 1012, 2057, 2187, 1012],
         "sentence_lengths": [4, 3], "document_id": 8713…}

    A run that was stopped resumes when it is started again with the same arguments. A
    folder that is complete is left as it is.

    Args:
        input_files: files or patterns, see `expand_sources`.
        vocabulary: the pieces, and the casing of the texts.
        output_dir: is made if it is missing.
        options: what decides the records besides the text and the vocabulary.
        num_processes: see `processes.pool`.
        cluster: see `processes.pool`; its machines all see the files and the folder.

    Returns:
        The manifest, see `read_manifest`.

    Raises:
        ValueError: the folder holds records of other options, there are no documents,
            or all of them are held out.
        FileNotFoundError: no file matches.
        OSError, tf.errors.OpError: a file cannot be read or written. No file has its
            final name before it is complete.
    """
    sources = expand_sources(input_files)
    plan = _plan(sources, vocabulary, options)
    work = posixpath.join(output_dir, "unfinished")
    manifest = _begin(output_dir, work, plan)
    if manifest is not None:
        logging.info("%s is complete already: nothing to do.", output_dir)
        return manifest

    sizes = [source["bytes"] for source in plan["inputs"]]
    units = [
        WorkUnit(posixpath.join(work, f"piece-{number:05d}"), stripes)
        for number, stripes in enumerate(_divide(sources, sizes))
    ]
    names = options.shard_names
    counts = {split: Counter[str]() for split in ("train", "heldout", "reading")}
    with processes.pool(num_processes, len(units), cluster) as run:
        write = functools.partial(
            work_units.write_unit, vocabulary=vocabulary, options=options
        )
        for of_unit in run("tokenize", write, units):
            for split, values in of_unit.items():
                counts[split].update(values)
        if not counts["train"]["parts"]:
            remove(work)
            raise ValueError(_no_documents(counts["heldout"], sources))
        copy = functools.partial(_write_shard, work=work, units=units)
        paths = [posixpath.join(output_dir, name) for name in names]
        shards = list(run("write shards", copy, list(enumerate(paths))))
    manifest = {
        **plan,
        "counts": dict(sorted(counts["train"].items())),
        "heldout_counts": dict(sorted(counts["heldout"].items())),
        "reading": dict(sorted(counts["reading"].items())),
        "shards": [
            {"name": name, **shard} for name, shard in zip(names, shards, strict=True)
        ],
    }
    write_json(posixpath.join(output_dir, MANIFEST), manifest)
    remove(work)
    return manifest


def _input(source: str) -> dict[str, Any]:
    """Properties that tell a source from most others of its name."""
    size, begins = 0, ""
    if tf.io.gfile.exists(source):  # Or it is a dataset of TFDS.
        size = tf.io.gfile.stat(source).length
        with tf.io.gfile.GFile(source, "rb") as file:
            begins = hashlib.sha256(file.read(1 << 16)).hexdigest()[:16]
    return {"name": posixpath.basename(source), "bytes": size, "begins": begins}


def _plan(
    sources: list[str], vocabulary: Vocabulary, options: RecordOptions
) -> dict[str, Any]:
    """Everything that decides the records; the manifest begins with it."""
    return {
        "format": record_folder.FORMAT,
        "inputs": [_input(source) for source in sources],
        "vocabulary_fingerprint": vocabulary.fingerprint,
        "vocabulary_size": len(vocabulary),
        "lower_case": vocabulary.lower_case,
        "strip_accents": vocabulary.strip_accents,
        **dataclasses.asdict(options),
        "max_part_sentences": parts.MAX_PART_SENTENCES,
        "max_part_tokens": parts.MAX_PART_TOKENS,
        "max_sentence_tokens": parts.MAX_SENTENCE_TOKENS,
    }


def _begin(output_dir: str, work: str, plan: dict[str, Any]) -> dict[str, Any] | None:
    """Makes the folder ready, or returns the manifest of a complete one."""
    is_complete = tf.io.gfile.exists(posixpath.join(output_dir, MANIFEST))
    plan_file = posixpath.join(work, "plan.json")
    found = read_manifest(output_dir) if is_complete else read_json_if_any(plan_file)
    if found:
        found = record_folder.with_later_options(found)
    different = [
        f"{name} was {found.get(name)!s:.80}, received {value!s:.80}"
        for name, value in plan.items()
        if found and found.get(name) != value
    ]
    if different:
        raise ValueError(
            f"{output_dir} holds records of other options: {'; '.join(different)}. "
            "Nothing is overwritten: choose another folder, or remove this one."
        )
    if is_complete:
        record_folder.require_shards(output_dir, found)
        remove(work)  # The run was stopped between the manifest and the end.
        return found
    if found:
        logging.info("Resuming the unfinished records in %s.", output_dir)
    elif tf.io.gfile.glob(posixpath.join(output_dir, "*.tfrecord")):
        raise ValueError(
            f"{output_dir} holds records without {MANIFEST}. Nothing is overwritten: "
            "choose another folder, or remove them."
        )
    elif tf.io.gfile.glob(posixpath.join(work, "*.json")):
        raise ValueError(
            f"{work} holds a part of the records without plan.json, which says of what "
            "options they are. Expected all of it: restore the file, or remove the "
            "folder."
        )
    else:
        tf.io.gfile.makedirs(work)
        write_json(plan_file, plan)
    return None


def _no_documents(heldout: Counter[str], sources: list[str]) -> str:
    if heldout["parts"]:
        return (
            f"All {heldout['documents']} documents are held out, none is left to train "
            "on: choose a smaller holdout_fraction or another seed."
        )
    return (
        f"Found no document with any words in {len(sources)} files: "
        f"{sources[:3]!s:.80}. Expected text."
    )


def _divide(
    sources: list[str], sizes: list[int]
) -> Iterator[tuple[tuple[str, int, int], ...]]:
    """Yields the stripes of units of about the same size, see `WorkUnit`."""
    unit_bytes = max(_MIN_UNIT_BYTES, sum(sizes) // _MAX_UNITS)
    stripes: list[tuple[str, int, int]] = []
    filled = 0
    for source, size in zip(sources, sizes, strict=True):
        num_stripes = min(_MAX_STRIPES, max(1, math.ceil(size / unit_bytes)))
        if num_stripes > 1:
            yield from (((source, i, num_stripes),) for i in range(num_stripes))
            continue
        stripes.append((source, 0, 1))
        filled += size
        if filled >= unit_bytes:
            yield tuple(stripes)
            stripes, filled = [], 0
    if stripes:
        yield tuple(stripes)


def _write_shard(
    shard: tuple[int, str], work: str, units: Sequence[WorkUnit]
) -> dict[str, int]:
    """Copies the records of one shard from all units, in the order of their keys."""
    number, path = shard
    indices = []
    for unit in units:
        with tf.io.gfile.GFile(f"{unit.path}.index", "rb") as file:
            index = np.frombuffer(file.read(), work_units.INDEX)
        indices.append(index[index["shard"] == number])
    unit_of = np.repeat(np.arange(len(units)), [len(index) for index in indices])
    index = np.concatenate(indices)
    order = np.lexsort((index["offset"], unit_of, index["key"]))
    summary = {
        "records": len(index),
        "tokens": int(index["num_tokens"].sum(dtype=np.int64)),
        "bytes": int(index["size"].sum()),
    }
    # It has its final name, so it was complete.
    if tf.io.gfile.exists(path) and tf.io.gfile.stat(path).length == summary["bytes"]:
        return summary
    with contextlib.ExitStack() as files:
        records = {
            i: files.enter_context(tf.io.gfile.GFile(f"{units[i].path}.records", "rb"))
            for i in np.unique(unit_of)
        }
        unfinished = files.enter_context(complete_file(path, folder=work))
        output = files.enter_context(tf.io.gfile.GFile(unfinished, "wb"))
        output.write(b"")  # Makes the file even where there is no record.
        for i in order:
            file = records[unit_of[i]]
            file.seek(int(index["offset"][i]))
            # A record with its frame is a record of any file.
            output.write(file.read(int(index["size"][i])))
    return summary
