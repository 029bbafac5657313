"""All formats, and how a model in one of them is recognised."""

import posixpath

import tensorflow as tf

from bert_tf import model_dir
from bert_tf.checkpoints import (
    google,
    hugging_face,
    keras_hub,
    model_folder,
    model_garden,
)
from bert_tf.checkpoints.json_file import read_json

# From a path, or a preset's name, to a checkpoint.
READERS = {
    "bert_tf": model_folder.read,
    "google": google.read,
    "model_garden": model_garden.read,
    "hugging_face": hugging_face.read,
    "keras_hub": keras_hub.read,
}
# From a checkpoint to a new folder.
WRITERS = {
    "bert_tf": model_folder.write,
    "google": google.write,
    "hugging_face": hugging_face.write,
    "keras_hub": keras_hub.write,
}

_DOWNLOADS = ("hf://", "kaggle://")


def recognise(source: str) -> str:
    """The format of a folder, of a checkpoint's prefix, or of a preset's name.

    Raises:
        FileNotFoundError: nothing of any format is there.
        ValueError: its config is not JSON.
    """
    if source.startswith(_DOWNLOADS):
        return "keras_hub"
    if tf.io.gfile.exists(posixpath.join(source, model_dir.DESCRIPTION)):
        return "bert_tf"
    config = posixpath.join(source, hugging_face.CONFIG)
    if tf.io.gfile.exists(config):
        is_keras = "registered_name" in read_json(config)
        return "keras_hub" if is_keras else "hugging_face"
    if tf.io.gfile.exists(posixpath.join(source, hugging_face.MODULES)):
        return "hugging_face"
    if tf.io.gfile.exists(posixpath.join(source, model_garden.SAVED_MODEL)):
        return "model_garden"
    is_folder = tf.io.gfile.isdir(source)
    if tf.io.gfile.exists(f"{source}.index") or (
        is_folder and tf.io.gfile.glob(posixpath.join(source, "*.index"))
    ):
        _, prefix = google.find_prefix(source)
        is_tf2 = model_garden.is_object_checkpoint(prefix)
        return "model_garden" if is_tf2 else "google"
    if not is_folder and keras_hub.is_preset(source):
        return "keras_hub"
    raise FileNotFoundError(
        f"Received {source!r}, in which no model was recognised. Expected a folder of "
        "bert_tf, google-research/bert, Model Garden, Hugging Face or KerasHub, or the "
        "name of a preset of KerasHub."
    )
