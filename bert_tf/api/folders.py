"""Dtypes and folders, the same for the task classes and the language model."""

import os
import posixpath
import tempfile
from typing import Any, Literal

from bert_tf.checkpoints import formats, model_dir
from bert_tf.checkpoints.model_dir import Checkpoint, LoadedModel
from bert_tf.serving.saved_model import export as export_folder
from bert_tf.serving.stored_weights import Precision
from bert_tf.training.hardware import POLICIES
from bert_tf.training.seeds import initial_weights
from data_pipelines.files.atomic import new_folder

Dtype = Literal["float32", "bfloat16", "float16"]
Path = str | os.PathLike


def policy_of(dtype: str) -> str:
    """The Keras dtype policy of a dtype.

    Raises:
        ValueError: it is none that a model computes in.
    """
    if dtype not in POLICIES:
        raise ValueError(f"Received dtype={dtype!r}. Expected one of {list(POLICIES)}.")
    return POLICIES[dtype]


def read(source: Path) -> Checkpoint:
    """Reads a model in any format that `bert_tf.convert` reads.

    Raises:
        FileNotFoundError: there is no model.
        ValueError: the model is broken, or of a kind that ours cannot compute.
    """
    with initial_weights(0):
        return formats.read(str(source))[1]


def make(checkpoint: Checkpoint, policy: str) -> LoadedModel:
    """Makes the model of a checkpoint, which computes in a dtype policy."""
    with initial_weights(0):
        return model_dir.from_checkpoint(checkpoint, policy)


def save(
    loaded: LoadedModel,
    folder: Path,
    options: dict[str, Any],
    output_format: str = "bert_tf",
) -> None:
    """Writes a model folder, or a new folder in another format.

    Raises:
        ValueError: the name is that of a Keras file, a weight is not finite, or the
            format cannot hold the model.
        FileExistsError: in another format, and there is such a folder.
    """
    if str(folder).endswith((".keras", ".h5", ".hdf5")):
        raise ValueError(
            f"Received {str(folder)!r}. Expected the name of a folder, which holds the "
            "vocabulary and the labels beside the weights; bert_tf.load reads it."
        )
    model, vocabulary, description = (
        loaded.model,
        loaded.vocabulary,
        loaded.description,
    )
    if output_format == "bert_tf":
        model_dir.save(str(folder), model, vocabulary, description, options)
        return
    weights = model_dir.finite_weights(model, str(folder))
    config = model.encoder.config
    checkpoint = Checkpoint(config, vocabulary, description, weights, options)
    with new_folder(str(folder)) as temporary:
        formats.write(checkpoint, temporary, output_format)


def export(
    loaded: LoadedModel,
    folder: Path,
    version: int | None,
    precision: Precision,
    options: dict[str, Any],
) -> str:
    """Writes a version of a SavedModel, `folder/version`; returns its path."""
    base, name = posixpath.split(str(folder).rstrip("/"))
    with tempfile.TemporaryDirectory() as temporary:
        save(loaded, temporary, options)
        return export_folder(temporary, name, version, base or ".", precision=precision)
