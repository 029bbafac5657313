"""This project's own model folders as checkpoints."""

import posixpath

from bert_tf.checkpoints import model_dir
from bert_tf.checkpoints.checkpoint import Checkpoint, weight_shapes
from bert_tf.checkpoints.tensors import open_safetensors


def read(path: str) -> Checkpoint:
    """Reads a model folder without making the model.

    Raises:
        FileNotFoundError, ValueError: as `model_dir.load`.
    """
    config, vocabulary, description = model_dir.load_description(path)
    file = posixpath.join(path, model_dir.WEIGHTS)
    weights = open_safetensors(file)
    model_dir.check_weights(weights.shapes, weight_shapes(config, description), file)
    return Checkpoint(config, vocabulary, description, weights)


def write(checkpoint: Checkpoint, path: str) -> None:
    """Writes a model folder."""
    model_dir.write(
        path,
        checkpoint.config,
        checkpoint.vocabulary,
        checkpoint.description,
        checkpoint.options,
        checkpoint.weights,
    )
