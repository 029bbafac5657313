"""Dtypes and folders, the same for the task classes and the language model."""

import posixpath
import tempfile
from typing import Any, Literal

from bert_tf.checkpoints import model_dir
from bert_tf.checkpoints.model_dir import LoadedModel
from bert_tf.export import export as export_folder
from bert_tf.serving.stored_weights import Precision
from bert_tf.training.hardware import POLICIES

Dtype = Literal["float32", "bfloat16", "float16"]


def policy_of(dtype: str) -> str:
    """The Keras dtype policy of a dtype.

    Raises:
        ValueError: it is none that a model computes in.
    """
    if dtype not in POLICIES:
        raise ValueError(f"Received dtype={dtype!r}. Expected one of {list(POLICIES)}.")
    return POLICIES[dtype]


def save(loaded: LoadedModel, folder: str, options: dict[str, Any]) -> None:
    """Writes a model folder.

    Raises:
        ValueError: the name is that of a Keras file, or a weight is not finite.
    """
    if str(folder).endswith((".keras", ".h5", ".hdf5")):
        raise ValueError(
            f"Received {str(folder)!r}. Expected the name of a folder, which holds the "
            "vocabulary and the labels beside the weights; bert_tf.load reads it."
        )
    model_dir.save(
        str(folder), loaded.model, loaded.vocabulary, loaded.description, options
    )


def export(
    loaded: LoadedModel,
    folder: str,
    version: int | None,
    precision: Precision,
    options: dict[str, Any],
) -> str:
    """Writes a version of a SavedModel, `folder/version`; returns its path."""
    base, name = posixpath.split(str(folder).rstrip("/"))
    with tempfile.TemporaryDirectory() as temporary:
        save(loaded, temporary, options)
        return export_folder(temporary, name, version, base or ".", precision=precision)
