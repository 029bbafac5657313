"""The table of formats: functions that recognise, read and write their models.

A new format needs one file, a row in `FORMATS`, and tests. The file has `is_there`,
which recognises a source, `read`, from a source to a `Checkpoint`, and optionally
`write`, from a checkpoint to a new folder; its weights are a table of names, see
`weight_table`. `foreign` has the code that formats share. Both functions convert the
whole model or raise: nothing is dropped silently. `record` stores the facts that the
format cannot store in a file of its own.
"""

import gc
import posixpath
from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from bert_tf.checkpoints import (
    google,
    hub,
    keras_hub,
    model_dir,
    model_garden,
    record,
    unrecognised,
    word2vec,
)
from bert_tf.checkpoints.hugging_face import folder as hugging_face
from bert_tf.checkpoints.model_dir import Checkpoint


class Format(NamedTuple):
    """Functions for the models of a format.

    Attributes:
        is_there: returns whether a source (a folder or file, the prefix of a
            checkpoint, or the name of a preset) is a model of this format.
        read: reads a source as a checkpoint.
        write: writes a checkpoint into a new folder; None if the format is only read.
    """

    is_there: Callable[[str], bool]
    read: Callable[[str], Checkpoint]
    write: Callable[[Checkpoint, str], None] | None = None


# In the order in which formats are tried.
FORMATS = {
    "keras_hub": Format(keras_hub.is_there, keras_hub.read, keras_hub.write),
    "bert_tf": Format(model_dir.is_there, model_dir.read, model_dir.write),
    "hugging_face": Format(
        hugging_face.is_there, hugging_face.read, hugging_face.write
    ),
    "model_garden": Format(model_garden.is_there, model_garden.read),
    "google": Format(google.is_there, google.read, google.write),
    "word2vec": Format(word2vec.is_there, word2vec.read),
}
WRITTEN = tuple(sorted(name for name, row in FORMATS.items() if row.write))


def read(source: str) -> tuple[str, Checkpoint]:
    """Reads a model; returns the name of its format, and the model.

    Args:
        source: a folder, a checkpoint's prefix, a file of vectors, the name of a
            KerasHub preset, or `hf://` and the name of a model of the Hub.

    Raises:
        FileNotFoundError: the source is not a model of any format.
        ValueError: the model is corrupt, or of a kind that is not supported.
    """
    if hub.is_there(source):
        source = hub.download(source)
    source_format = recognise(source)
    try:
        checkpoint = FORMATS[source_format].read(source)
    except (AttributeError, IndexError, KeyError, TypeError) as error:
        # Well-formed JSON may still have a list for an object, or text for a number;
        # not every such value is checked.
        raise ValueError(
            f"A file of the model in {source} has an unexpected value "
            f"({type(error).__name__}: {error}). Expected unchanged files of the "
            f"format {source_format}: restore them."
        ) from error
    folder = source if tf.io.gfile.isdir(source) else posixpath.dirname(source)
    return source_format, record.completed(folder, checkpoint)


def write(checkpoint: Checkpoint, folder: str, output_format: str) -> None:
    """Writes a model into a new folder.

    Raises:
        ValueError: there is no such format, or it cannot store the model.
    """
    found = FORMATS.get(output_format)
    if found is None or found.write is None:
        raise ValueError(
            f"Received output_format={output_format!r}. Expected one of "
            f"{', '.join(WRITTEN)}."
        )
    found.write(checkpoint, folder)
    # A Keras model has reference cycles: one made by the writer would stay in memory.
    gc.collect()
    # The folder is read at once: the record stores what the format does not.
    record.write(folder, checkpoint, found.read(folder))


def recognise(source: str) -> str:
    """The format of a folder or file, of a checkpoint's prefix, or a preset's name.

    Raises:
        FileNotFoundError: the source is not a model of any format.
        ValueError: its config is not JSON.
    """
    found = _recognised(source)
    if found is None:
        inner = []
        if tf.io.gfile.isdir(source):
            names = sorted(name.rstrip("/") for name in tf.io.gfile.listdir(source))
            paths = {name: posixpath.join(source, name) for name in names}
            inner = [n for n, p in paths.items() if tf.io.gfile.isdir(p)]
            inner = [name for name in inner if _is_model(paths[name])]
        raise FileNotFoundError(unrecognised.explanation(source, inner))
    return found


def _is_model(source: str) -> bool:
    try:
        return _recognised(source) is not None
    except ValueError:  # A corrupt model is a model.
        return True


def _recognised(source: str) -> str | None:
    return next((name for name, row in FORMATS.items() if row.is_there(source)), None)
