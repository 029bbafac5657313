"""A file beside a converted model, with what its format has no place for.

Google's checkpoints hold no names of classes, no lengths and no thresholds, and no
format holds all of them. The file holds the description of the model, and the one that
is read without the file: if that is another one, the model has changed since.
"""

import dataclasses
import json
import posixpath
from typing import Any

import tensorflow as tf
from absl import logging

from bert_tf.checkpoints.description import description_from
from bert_tf.checkpoints.model_dir import Checkpoint
from data_pipelines.files.json_files import read_json, write_json

RECORD = "bert_tf_description.json"
_MODEL, _AS_READ = "model", "as_read"


def write(folder: str, checkpoint: Checkpoint, as_read: Checkpoint) -> None:
    """Writes the file, if anything is lost without it.

    Args:
        folder: of the model in the other format.
        checkpoint, as_read: the model, and what the reader of the format finds there.
    """
    model, found = _values(checkpoint), _values(as_read)
    if model != found:
        path = posixpath.join(folder, RECORD)
        write_json(path, {_MODEL: model, _AS_READ: found})


def completed(folder: str, as_read: Checkpoint) -> Checkpoint:
    """The model as the file describes it, if there is one and the model is unchanged.

    Raises:
        ValueError: the file is broken.
    """
    path = posixpath.join(folder, RECORD)
    if not tf.io.gfile.exists(path):
        return as_read
    record = read_json(path)
    found = record.get(_AS_READ) or {}
    if found.get("strip_accents") is None:
        # Earlier files have no value where accents go with capital letters.
        found = {**found, "strip_accents": found.get("lower_case")}
    if found != _values(as_read):
        logging.warning(
            "%s does not match this model, which has changed since; it is ignored.",
            path,
        )
        return as_read
    description, casing = description_from(record.get(_MODEL), path)
    vocabulary = as_read.vocabulary.with_casing(**casing)
    return dataclasses.replace(as_read, description=description, vocabulary=vocabulary)


def _values(checkpoint: Checkpoint) -> dict[str, Any]:
    casing = {
        "lower_case": checkpoint.vocabulary.lower_case,
        "strip_accents": checkpoint.vocabulary.strip_accents,
    }
    description = dataclasses.asdict(checkpoint.description)
    return json.loads(json.dumps({**description, **casing}))
