"""All formats in one table, and how a folder is recognised."""

import dataclasses
import json
import posixpath
from collections.abc import Callable

import tensorflow as tf

from bert_tf import model_dir
from bert_tf.checkpoints import (
    google,
    hugging_face,
    keras_hub,
    model_folder,
    model_garden,
)
from bert_tf.checkpoints.checkpoint import Checkpoint


@dataclasses.dataclass(frozen=True)
class Format:
    """How one format is read and written.

    Attributes:
        read: from a path to a checkpoint.
        write: from a checkpoint, a new folder, and what the source is called; None:
            it is read only.
    """

    read: Callable[[str], Checkpoint]
    write: Callable[[Checkpoint, str, str], None] | None


FORMATS = {
    "bert_tf": Format(model_folder.read, model_folder.write),
    "google": Format(google.read, lambda c, path, _: google.write(c, path)),
    "model_garden": Format(model_garden.read, None),
    "hugging_face": Format(
        hugging_face.read, lambda c, path, _: hugging_face.write(c, path)
    ),
    "keras_hub": Format(keras_hub.read, lambda c, path, _: keras_hub.write(c, path)),
}


def recognise(source: str) -> str:
    """The format of a folder, of a checkpoint's prefix, or of a preset's name.

    Raises:
        FileNotFoundError: nothing of any format is there.
    """
    if tf.io.gfile.exists(posixpath.join(source, model_dir.DESCRIPTION)):
        return "bert_tf"
    config = posixpath.join(source, "config.json")
    if tf.io.gfile.exists(config):
        with tf.io.gfile.GFile(config) as file:
            values = json.loads(file.read())
        return "keras_hub" if "registered_name" in values else "hugging_face"
    if tf.io.gfile.exists(posixpath.join(source, "modules.json")):
        return "hugging_face"
    is_folder = tf.io.gfile.isdir(source)
    if tf.io.gfile.exists(posixpath.join(source, "saved_model.pb")):
        return "model_garden"
    if tf.io.gfile.exists(f"{source}.index") or (
        is_folder and tf.io.gfile.glob(posixpath.join(source, "*.index"))
    ):
        _, prefix = google.find_prefix(source)
        is_tf2 = model_garden.is_object_checkpoint(prefix)
        return "model_garden" if is_tf2 else "google"
    if not is_folder and not source.startswith((".", "/")):
        return "keras_hub"
    raise FileNotFoundError(
        f"Received {source!r}, in which no model was recognised. Expected a folder of "
        "bert_tf, google-research/bert, Model Garden, Hugging Face or KerasHub, or the "
        "name of a preset of KerasHub."
    )
