"""All formats: how a model in one of them is recognised, read and written."""

import gc
import posixpath

import tensorflow as tf

from bert_tf.checkpoints import (
    google,
    hugging_face,
    keras_hub,
    model_dir,
    model_garden,
    native,
    record,
    word2vec,
)
from bert_tf.checkpoints.checkpoint import Checkpoint
from data_pipelines.files.json_files import read_json

# From a path, or a preset's name, to a checkpoint.
_READERS = {
    "bert_tf": native.read,
    "google": google.read,
    "model_garden": model_garden.read,
    "hugging_face": hugging_face.read,
    "keras_hub": keras_hub.read,
    "word2vec": word2vec.read,
}
# Whose models have more than an encoder and the heads of BERT.
_OWN_OBJECTIVES = ("replaced_tokens", "both_directions")
# From a checkpoint to a new folder.
_WRITERS = {
    "bert_tf": native.write,
    "google": google.write,
    "hugging_face": hugging_face.write,
    "keras_hub": keras_hub.write,
}

_WORDPIECE_ONLY = ("google", "keras_hub")

_DOWNLOADS = ("hf://", "kaggle://")


def read(source: str) -> tuple[str, Checkpoint]:
    """The format of a model, and the model.

    Args:
        source: a folder, a checkpoint's prefix, a file of vectors, or a preset's name.

    Raises:
        FileNotFoundError: nothing of any format is there.
        ValueError: the model is broken, or of a kind that ours cannot compute.
    """
    source_format = recognise(source)
    checkpoint = _READERS[source_format](source)
    folder = source if tf.io.gfile.isdir(source) else posixpath.dirname(source)
    return source_format, record.completed(folder, checkpoint)


def write(checkpoint: Checkpoint, folder: str, output_format: str) -> None:
    """Writes a model into a new folder.

    Raises:
        ValueError: there is no such format, or it cannot hold the model.
    """
    if output_format not in _WRITERS:
        raise ValueError(
            f"Received output_format={output_format!r}. Expected one of "
            f"{list(_WRITERS)}."
        )
    if checkpoint.vocabulary.merges is not None and output_format in _WORDPIECE_ONLY:
        raise ValueError(
            f"Received output_format={output_format} for a model with byte-level BPE. "
            "Expected WordPiece, which alone that format holds: write bert_tf or "
            "hugging_face."
        )
    objective = checkpoint.description.objective
    if objective in _OWN_OBJECTIVES and output_format != "bert_tf":
        raise ValueError(
            f"Received output_format={output_format} for a model with the objective "
            f"{objective}, for whose heads it has no names. Expected --encoder_only: "
            "what is fine-tuned goes over."
        )
    _WRITERS[output_format](checkpoint, folder)
    # Keras' models are cycles: one that was made to be written would stay in memory.
    gc.collect()
    # What was written is read at once: the format holds it, or the record does.
    record.write(folder, checkpoint, _READERS[output_format](folder))


def recognise(source: str) -> str:
    """The format of a folder or file, of a checkpoint's prefix, or a preset's name.

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
    if tf.io.gfile.exists(source) and not is_folder:
        return "word2vec"
    if not is_folder and keras_hub.is_preset(source):
        return "keras_hub"
    raise FileNotFoundError(
        f"Received {source!r}, in which no model was recognised. Expected a folder of "
        "bert_tf, google-research/bert, Model Garden, Hugging Face or KerasHub, the "
        "name of a preset of KerasHub, or a file of word vectors."
    )
