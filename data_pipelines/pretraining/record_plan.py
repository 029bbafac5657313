"""The plan of a folder of records: the options and the text that they are made of.

It is the beginning of the manifest. Until there is one it is in the folder of work, by
which a run that was stopped is known again.
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

# In the folder of records, until they are complete.
WORK = "unfinished"


def options_of(vocabulary: Vocabulary, options: RecordOptions) -> dict[str, Any]:
    """Everything that decides the records besides the text."""
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
    output_dir: str, found: dict[str, Any], asked: dict[str, Any]
) -> None:
    different = [
        f"{name} was {found.get(name)!s:.80}, received {value!s:.80}"
        for name, value in asked.items()
        if found.get(name) != value
    ]
    if different:
        raise ValueError(
            f"{output_dir} holds records of other options: {'; '.join(different)}. "
            "Nothing is overwritten: choose another folder, or remove this one."
        )


def _check_text(output_dir: str, found: dict[str, Any], files: list[str]) -> None:
    """Raises ValueError where the text is not the one that records are made of."""
    names = _numbered([entry["name"] for entry in found["inputs"]])
    known = dict(zip(names, found["inputs"], strict=True))
    # Of datasets of TFDS earlier manifests say nothing; the text may be gone by now.
    if not known or not files or not all(x["digest"] for x in known.values()):
        return
    names = _numbered([posixpath.basename(path) for path in files])
    different = changes(known, dict(zip(names, files, strict=True)))
    if different:
        raise ValueError(
            f"{output_dir} holds records of other text: {shown(different)}. Nothing is "
            "overwritten: restore the text, choose another folder, or remove this one."
        )


def _numbered(names: list[str]) -> Iterator[str]:
    """Names of files, whose folders may have been moved; equal ones get a number."""
    found = Counter[str]()
    for name in names:
        found[name] += 1
        yield name if found[name] == 1 else f"{name} ({found[name]})"


def finished(
    output_dir: str, input_files: Sequence[str], asked: dict[str, Any]
) -> dict[str, Any] | None:
    """The manifest of a complete folder; None if it is not complete.

    Args:
        output_dir: the folder.
        input_files: as of `expand_sources`; text that is gone is not compared.
        asked: of `options_of`.

    Raises:
        ValueError: it was written with other options or text, or is damaged.
    """
    if not tf.io.gfile.exists(posixpath.join(output_dir, MANIFEST)):
        return None
    manifest = read_manifest(output_dir)
    _check_options(output_dir, manifest, asked)
    _check_text(output_dir, manifest, files_of(input_files))
    record_folder.require_shards(output_dir, manifest)
    return manifest


def begin(output_dir: str, files: list[str], asked: dict[str, Any]) -> dict[str, Any]:
    """The plan of the folder of a run, which is new or resumed.

    Args:
        output_dir: the folder.
        files: of the text.
        asked: of `options_of`.

    Raises:
        ValueError: the folder holds records, or a part of them, of other options or
            other text.
    """
    work = posixpath.join(output_dir, WORK)
    plan_file = posixpath.join(work, "plan.json")
    found = read_json_if_any(plan_file)
    if found:
        found = record_folder.with_later_options(found)
        _check_options(output_dir, found, asked)
        _check_text(output_dir, found, files)
        logging.info("Resuming the unfinished records in %s.", output_dir)
        return {**asked, "inputs": found["inputs"]}
    if tf.io.gfile.glob(posixpath.join(output_dir, "*.tfrecord")):
        raise ValueError(
            f"{output_dir} holds records without {MANIFEST}. Nothing is overwritten: "
            "choose another folder, or remove them."
        )
    if tf.io.gfile.glob(posixpath.join(work, "*.json")):
        raise ValueError(
            f"{work} holds a part of the records without plan.json, which says of what "
            "options they are. Expected all of it: restore the file, or remove the "
            "folder."
        )
    inputs = [
        {"name": posixpath.basename(path), **fingerprint}
        for path, fingerprint in fingerprints(files).items()
    ]
    plan = {**asked, "inputs": inputs}
    tf.io.gfile.makedirs(work)
    write_json(plan_file, plan)
    return plan
