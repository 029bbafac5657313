"""Dtypes and folders, the same for the task classes and the language model."""

import os
import posixpath
import tempfile
from typing import Any, Literal

from bert_tf.checkpoints import formats, model_dir
from bert_tf.checkpoints.model_dir import Checkpoint, LoadedModel
from bert_tf.serving.saved_model import export
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


class ModelFolder:
    """A model that is written to folders, with everything that is needed to use it."""

    @property
    def _known(self) -> LoadedModel:
        """The model; raises ValueError while it does not exist."""
        raise NotImplementedError

    def _record(self) -> dict[str, Any]:
        """The contents of `options.json`."""
        raise NotImplementedError

    def save(self, folder: Path, output_format: str = "bert_tf") -> None:
        """Writes a model folder, which `bert_tf.load` and all programs read.

        Args:
            folder: its name.
            output_format: "bert_tf", or "hugging_face", "google" or "keras_hub" to
                give the model back, as `bert_tf.convert` does.

        Raises:
            ValueError: the name is that of a Keras file, a weight is not finite, or the
                format cannot hold the model.
            FileExistsError: in another format, and there is such a folder.
        """
        path, known = str(folder), self._known
        if path.endswith((".keras", ".h5", ".hdf5")):
            raise ValueError(
                f"Received {path!r}. Expected the name of a folder, which holds the "
                "vocabulary and the labels beside the weights; bert_tf.load reads it."
            )
        model, vocabulary, description = (
            known.model,
            known.vocabulary,
            known.description,
        )
        if output_format == "bert_tf":
            model_dir.save(path, model, vocabulary, description, self._record())
            return
        weights = model_dir.finite_weights(model, path)
        config = model.encoder.config
        checkpoint = Checkpoint(
            config, vocabulary, description, weights, self._record()
        )
        with new_folder(path) as temporary:
            formats.write(checkpoint, temporary, output_format)

    def export(
        self, folder: Path, version: int | None = None, precision: Precision = "float32"
    ) -> str:
        """Writes a SavedModel that takes strings, as `python -m bert_tf.export` does.

        Args:
            folder: the base path of the served model; its last part is the model's
                name.
            version: a new number; None: one more than the newest.
            precision: the precision of the weights.

        Returns:
            The path of the version, which `tf.saved_model.load` and TF Serving read.
        """
        base, name = posixpath.split(str(folder).rstrip("/"))
        with tempfile.TemporaryDirectory() as temporary:
            self.save(temporary)
            return export(temporary, name, version, base or ".", precision=precision)
