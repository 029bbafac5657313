"""A file beside a converted model, for the facts that its format cannot store.

Google's checkpoints have no class names, lengths or thresholds, and no format has all
of them. The file contains the description of the model, and the description that a
reader finds without the file: if the latter differs, the model has changed since.
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
from data_pipelines.tokenizers.vocabulary import MAX_WORD_CHARACTERS

RECORD = "bert_tf_description.json"
_MODEL, _AS_READ = "model", "as_read"
_LIMIT = "max_word_characters"


def write(folder: str, checkpoint: Checkpoint, as_read: Checkpoint) -> None:
    """Writes the file, if anything would be lost without it.

    Args:
        folder: the folder of the model in the other format.
        checkpoint: the model that was written.
        as_read: the model that the reader of the format finds in the folder.
    """
    model, found = _values(checkpoint), _values(as_read)
    if model != found:
        path = posixpath.join(folder, RECORD)
        write_json(path, {_MODEL: model, _AS_READ: found})


def completed(folder: str, as_read: Checkpoint) -> Checkpoint:
    """The model as the file describes it, if there is one and the model is unchanged.

    Raises:
        ValueError: the file is corrupt.
    """
    path = posixpath.join(folder, RECORD)
    if not tf.io.gfile.exists(path):
        return as_read
    record = read_json(path)
    if not _is_of(record.get(_AS_READ), as_read, path):
        logging.warning(
            "%s does not match this model, which has changed since; it is ignored.",
            path,
        )
        return as_read
    # Before files had a limit, this was the limit of all models.
    return _described(record.get(_MODEL), as_read, path, MAX_WORD_CHARACTERS)


def _is_of(values: Any, as_read: Checkpoint, path: str) -> bool:
    limit = as_read.vocabulary.max_word_characters
    try:
        recorded = _described(values, as_read, path, limit)
    except ValueError:
        return False
    return _values(recorded) == _values(as_read)


def _described(values: Any, like: Checkpoint, path: str, limit: int) -> Checkpoint:
    """A model with the values of a file; `limit` is for files without one.

    Raises:
        ValueError: the values do not describe a model.
    """
    if not isinstance(values, dict):
        raise ValueError(f"{path} contains no description of a model: {values!r}.")
    values = {_LIMIT: limit, **values}
    limit = values.pop(_LIMIT)
    description, casing = description_from(values, path)
    vocabulary = like.vocabulary.with_casing(**casing)
    vocabulary = dataclasses.replace(vocabulary, max_word_characters=limit)
    return dataclasses.replace(like, description=description, vocabulary=vocabulary)


def _values(checkpoint: Checkpoint) -> dict[str, Any]:
    texts = {
        "lower_case": checkpoint.vocabulary.lower_case,
        "strip_accents": checkpoint.vocabulary.strip_accents,
        _LIMIT: checkpoint.vocabulary.max_word_characters,
    }
    description = dataclasses.asdict(checkpoint.description)
    return json.loads(json.dumps({**description, **texts}))
