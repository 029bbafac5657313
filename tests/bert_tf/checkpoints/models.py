"""Checkpoints with random weights, and the comparison of two."""

import dataclasses

import numpy as np

from bert_tf.checkpoints import model_dir
from tests.bert_tf.small_models import VOCABULARY, randomize, small_config
from tests.seeds import set_seed

# The files of each model that was asked for: they are always the same.
_FILES = {}


def checkpoint_of(description, folder, **changes):
    """A small model of ours, read from its folder."""
    key = repr((description, sorted(changes.items())))
    if key not in _FILES:
        set_seed(0)
        model = model_dir.make_model(small_config(**changes), description)
        randomize(model)
        model_dir.save(str(folder), model, VOCABULARY, description, {})
        _FILES[key] = {path.name: path.read_bytes() for path in folder.iterdir()}
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in _FILES[key].items():
        (folder / name).write_bytes(content)
    return model_dir.read(str(folder))


def our_model(checkpoint, folder):
    """The model of a checkpoint, by way of a model folder, as `convert` goes."""
    model_dir.write(checkpoint, str(folder))
    return model_dir.load(str(folder)).model


def arrays(tensors):
    return {name: tensors.read(name) for name in tensors.shapes}


def assert_same(one, other):
    """Every bit."""
    assert one.config == other.config
    assert one.vocabulary == other.vocabulary
    # Besides what a format may not say.
    said = [
        dataclasses.replace(
            checkpoint.description, encoding={}, head=_without_defaults(checkpoint)
        )
        for checkpoint in (one, other)
    ]
    assert said[0] == said[1]
    assert one.description.labels == other.description.labels
    assert one.weights.shapes == other.weights.shapes
    for name, value in arrays(one.weights).items():
        np.testing.assert_array_equal(other.weights.read(name), value, err_msg=name)


def _without_defaults(checkpoint):
    return {k: v for k, v in checkpoint.description.head.items() if v is not None}
