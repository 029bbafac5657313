"""Writes text as records of tokenized documents, in several processes and two steps.

First, *work units* of some source files are tokenized, each by one process. Then each
*shard* collects its parts from all units, in an order given by a hash. Thus the parts
of all documents are mixed, and the bytes do not depend on the number of processes or on
interruptions.
"""

import contextlib
import functools
import math
import posixpath
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from absl import logging

from data_pipelines.corpus.documents import expand_sources, files_of
from data_pipelines.files.atomic import complete_file, remove
from data_pipelines.files.json_files import write_json
from data_pipelines.files.locks import locked_folder
from data_pipelines.pretraining import record_plan, work_units
from data_pipelines.pretraining.record_folder import MANIFEST
from data_pipelines.pretraining.work_units import RecordOptions, WorkUnit
from data_pipelines.programs import processes
from data_pipelines.tokenizers.vocabulary import Vocabulary

# Minimum bytes of sources in a unit, and approximate maximum number of units, because
# every shard reads from all of them.
_MIN_UNIT_BYTES = 4 << 20
_MAX_UNITS = 256
# Maximum number of processes that share a large source: each reads all of it.
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
    """Writes `train-*.tfrecord`, `heldout-*.tfrecord`, and finally `manifest.json`.

    A document `"It rained. We left."` becomes the record

        {"token_ids": [2009, 15898, 2098, 1012, 2057, 2187, 1012],
         "sentence_lengths": [4, 3], "document_id": 8713…}

    An interrupted run resumes when it is started again with the same arguments. A
    complete folder is left unchanged.

    Args:
        input_files: files or patterns, see `expand_sources`.
        vocabulary: vocabulary and casing of the texts.
        output_dir: folder of the records; created if it is missing.
        options: options that determine the records.
        num_processes: see `processes.pool`.
        cluster: see `processes.pool`; all machines need access to the files and folder.

    Returns:
        The manifest, see `read_manifest`.

    Raises:
        ValueError: the folder contains records with other options or other text, there
            are no documents, or all of them are held out.
        FileNotFoundError: no file matches, and the folder is incomplete.
        BlockingIOError: another process writes into the folder.
        OSError, tf.errors.OpError: a file cannot be read or written. No file has its
            final name before it is complete.
    """
    if not tf.io.gfile.exists(posixpath.join(output_dir, MANIFEST)):
        expand_sources(input_files)
    tf.io.gfile.makedirs(output_dir)
    with locked_folder(output_dir):
        expected = record_plan.options_of(vocabulary, options)
        work = posixpath.join(output_dir, record_plan.WORK)
        manifest = record_plan.finished(output_dir, input_files, expected)
        if manifest is not None:
            logging.info("%s is already complete: nothing to do.", output_dir)
            remove(work)  # Left if the run ended just after writing the manifest.
            return manifest
        sources = expand_sources(input_files)
        plan = record_plan.begin(output_dir, files_of(input_files), expected)
        pool = functools.partial(processes.pool, num_processes, cluster=cluster)
        manifest = _write(sources, vocabulary, output_dir, options, plan, pool)
        remove(work)
        return manifest


def _write(
    sources: list[str],
    vocabulary: Vocabulary,
    output_dir: str,
    options: RecordOptions,
    plan: dict[str, Any],
    pool: Callable,
) -> dict[str, Any]:
    """Writes the records and their manifest, which begins with the plan."""
    work = posixpath.join(output_dir, record_plan.WORK)
    sizes = [_num_bytes(source) for source in sources]
    units = [
        WorkUnit(posixpath.join(work, f"piece-{number:05d}"), stripes)
        for number, stripes in enumerate(_divide(sources, sizes))
    ]
    names = options.shard_names
    counts = {split: Counter[str]() for split in ("train", "heldout", "reading")}
    with pool(len(units)) as run:
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
    return manifest


def _num_bytes(source: str) -> int:
    # The size of a TFDS dataset is unknown.
    is_file = tf.io.gfile.exists(source)
    return tf.io.gfile.stat(source).length if is_file else 0


def _no_documents(heldout: Counter[str], sources: list[str]) -> str:
    if heldout["parts"]:
        return (
            f"All {heldout['documents']} documents are held out. Expected documents to "
            "train on: choose a smaller holdout_fraction or another seed."
        )
    return (
        f"Found no words in {len(sources)} files: {sources[:3]!s:.80}. Expected text: "
        "check the input files."
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
    # A file with its final name is complete.
    if tf.io.gfile.exists(path) and tf.io.gfile.stat(path).length == summary["bytes"]:
        return summary
    with contextlib.ExitStack() as files:
        records = {
            i: files.enter_context(tf.io.gfile.GFile(f"{units[i].path}.records", "rb"))
            for i in np.unique(unit_of)
        }
        unfinished = files.enter_context(complete_file(path, folder=work))
        output = files.enter_context(tf.io.gfile.GFile(unfinished, "wb"))
        output.write(b"")  # Creates the file even if there are no records.
        for i in order:
            file = records[unit_of[i]]
            file.seek(int(index["offset"][i]))
            # A record with its frame can be copied to any file.
            output.write(file.read(int(index["size"][i])))
    return summary
