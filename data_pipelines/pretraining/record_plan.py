"""The plan of a record folder: the options and the text of its records.

The plan becomes the beginning of the manifest. Until then it is in the work folder,
where a resumed run compares it with its own.
"""

import dataclasses
import posixpath
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import tensorflow as tf
from absl import logging

from data_pipelines.corpus.documents import files_of
from data_pipelines.files.fingerprints import changes, fingerprints, shown
from data_pipelines.files.json_files import read_json_if_any, write_json
from data_pipelines.pretraining import parts, record_folder
from data_pipelines.pretraining.record_folder import MANIFEST, read_manifest
from data_pipelines.pretraining.work_units import RecordOptions
from data_pipelines.tokenizers.vocabulary import Vocabulary

# Work folder within the record folder, until the records are complete.
WORK = "unfinished"


def options_of(vocabulary: Vocabulary, options: RecordOptions) -> dict[str, Any]:
    """Returns everything that determines the records besides the text."""
    return {
        "format": record_folder.FORMAT,
        "vocabulary_fingerprint": vocabulary.fingerprint,
        "vocabulary_size": len(vocabulary),
        "lower_case": vocabulary.lower_case,
        "strip_accents": vocabulary.strip_accents,
        **dataclasses.asdict(options),
        "max_part_sentences": parts.MAX_PART_SENTENCES,
        "max_part_tokens": parts.MAX_PART_TOKENS,
        "max_sentence_tokens": parts.MAX_SENTENCE_TOKENS,
    }


def _check_options(
    output_dir: str, found: dict[str, Any], expected: dict[str, Any]
) -> None:
    different = [
        f"{name} was {found.get(name)!s:.80}, received {value!s:.80}"
        for name, value in expected.items()
        if found.get(name) != value
    ]
    if different:
        raise ValueError(
            f"{output_dir} contains records with other options: "
            f"{'; '.join(different)}. Nothing is overwritten: choose another folder, "
            "or remove this one."
        )


def _check_text(output_dir: str, found: dict[str, Any], files: list[str]) -> None:
    """Raises ValueError if the text has changed since the records were planned."""
    names = _numbered([entry["name"] for entry in found["inputs"]])
    known = dict(zip(names, found["inputs"], strict=True))
    # Older manifests have no TFDS datasets, and the text may have been removed.
    if not known or not files or not all(x["digest"] for x in known.values()):
        return
    names = _numbered([posixpath.basename(path) for path in files])
    different = changes(known, dict(zip(names, files, strict=True)))
    if different:
        raise ValueError(
            f"{output_dir} contains records of other text: {shown(different)}. Nothing "
            "is overwritten: restore the text, choose another folder, or remove this "
            "one."
        )


def _numbered(names: list[str]) -> Iterator[str]:
    """Yields file names without folders, which may move; numbers duplicates."""
    found = Counter[str]()
    for name in names:
        found[name] += 1
        yield name if found[name] == 1 else f"{name} ({found[name]})"


def finished(
    output_dir: str, input_files: Sequence[str], expected: dict[str, Any]
) -> dict[str, Any] | None:
    """Returns the manifest of a complete folder; None if it is incomplete.

    Args:
        output_dir: the folder.
        input_files: see `expand_sources`; text that no longer exists is not compared.
        expected: from `options_of`.

    Raises:
        ValueError: the records have other options or text, or are damaged.
    """
    if not tf.io.gfile.exists(posixpath.join(output_dir, MANIFEST)):
        return None
    manifest = read_manifest(output_dir)
    _check_options(output_dir, manifest, expected)
    _check_text(output_dir, manifest, files_of(input_files))
    record_folder.require_shards(output_dir, manifest)
    return manifest


def begin(
    output_dir: str, files: list[str], expected: dict[str, Any]
) -> dict[str, Any]:
    """Writes the plan of a new run, or checks the plan of a resumed one; returns it.

    Args:
        output_dir: the folder.
        files: files of the text.
        expected: from `options_of`.

    Raises:
        ValueError: the folder contains records, or unfinished ones, with other options
            or other text.
    """
    work = posixpath.join(output_dir, WORK)
    plan_file = posixpath.join(work, "plan.json")
    found = read_json_if_any(plan_file)
    if found:
        found = record_folder.with_later_options(found)
        _check_options(output_dir, found, expected)
        _check_text(output_dir, found, files)
        logging.info("Resuming the unfinished records in %s.", output_dir)
        return {**expected, "inputs": found["inputs"]}
    if tf.io.gfile.glob(posixpath.join(output_dir, "*.tfrecord")):
        raise ValueError(
            f"{output_dir} contains records without {MANIFEST}. Nothing is "
            "overwritten: choose another folder, or remove the records."
        )
    if tf.io.gfile.glob(posixpath.join(work, "*.json")):
        raise ValueError(
            f"{work} contains unfinished records without plan.json, which has their "
            "options. Expected this file: restore it, or remove the folder."
        )
    inputs = [
        {"name": posixpath.basename(path), **fingerprint}
        for path, fingerprint in fingerprints(files).items()
    ]
    plan = {**expected, "inputs": inputs}
    tf.io.gfile.makedirs(work)
    write_json(plan_file, plan)
    return plan
