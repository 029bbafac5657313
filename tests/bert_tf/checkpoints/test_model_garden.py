"""TF2 checkpoints and SavedModels with the variables of Model Garden's BERT.

Model Garden itself needs an older Keras: the variables are made here under the names
that its models and its published SavedModels have.
"""

import numpy as np
import pytest
import tensorflow as tf

from bert_tf.checkpoints import google, model_garden
from bert_tf.checkpoints.formats import recognise
from bert_tf.checkpoints.model_dir import Description
from tests.bert_tf.checkpoints.models import arrays, assert_same, checkpoint_of
from tests.bert_tf.small_models import VOCABULARY

HEADS, WIDTH = 4, 16
PRETRAINED = Description("pretraining", sentence_task="next_sentence")


def variables(checkpoint, folder):
    """From Google's names, as Model Garden's own converter renames and reshapes."""
    google.write(checkpoint, str(folder))
    reader = tf.train.load_checkpoint(str(folder / "bert_model.ckpt"))
    renames = (
        ("bert/pooler/dense", "pooler_transform"),
        ("bert/embeddings/word_embeddings", "word_embeddings/embeddings"),
        ("bert/embeddings/token_type_embeddings", "type_embeddings/embeddings"),
        ("bert/embeddings/position_embeddings", "position_embedding/embeddings"),
        ("bert/embeddings/LayerNorm", "embeddings/layer_norm"),
        ("bert/encoder/", "transformer/"),
        ("attention/self", "self_attention"),
        ("attention/output/dense", "self_attention/attention_output"),
        ("attention/output/LayerNorm", "self_attention_layer_norm"),
        ("intermediate/dense", "intermediate"),
        ("output/dense", "output"),
        ("output/LayerNorm", "output_layer_norm"),
        ("cls/predictions/output_bias", "bert/cls/predictions/output_bias/bias"),
        ("cls/predictions/transform", "bert/cls/predictions/transform"),
        ("cls/seq_relationship/output_bias", "predictions/transform/logits/bias"),
        ("cls/seq_relationship/output_weights", "predictions/transform/logits/kernel"),
    )
    found = {}
    for name in reader.get_variable_to_shape_map():
        value = reader.get_tensor(name)
        for old, new in renames:
            name = name.replace(old, new)
        if name.endswith(("query/kernel", "key/kernel", "value/kernel")):
            value = value.reshape(WIDTH, HEADS, -1)
        elif name.endswith(("query/bias", "key/bias", "value/bias")):
            value = value.reshape(HEADS, -1)
        elif name.endswith("attention_output/kernel"):
            value = value.reshape(HEADS, -1, WIDTH)
        elif name.endswith("logits/kernel"):
            value = value.T
        found[name] = value
    return found


def module(values):
    root = tf.Module()
    root.layers = [tf.Variable(value, name=name) for name, value in values.items()]
    return root


@pytest.fixture
def checkpoint(tmp_path):
    return checkpoint_of(PRETRAINED, tmp_path / "ours")


def test_a_tf2_checkpoint(tmp_path, checkpoint):
    values = variables(checkpoint, tmp_path / "google")
    folder = tmp_path / "garden"
    optimizer = tf.Module()
    optimizer.step = tf.Variable(3.0, name="optimizer_step")
    tf.train.Checkpoint(model=module(values), optimizer=optimizer).save(
        str(folder / "bert_model.ckpt")
    )
    for name in ("bert_config.json", "vocab.txt"):
        (folder / name).write_bytes((tmp_path / "google" / name).read_bytes())
    assert recognise(str(folder)) == "model_garden"
    assert recognise(str(tmp_path / "google")) == "google"
    assert_same(model_garden.read(str(folder)), checkpoint)


def test_a_saved_model(tmp_path, checkpoint):
    """Without a config: the sizes are those of the variables."""
    values = variables(checkpoint, tmp_path / "google")
    root = module(values)
    (tmp_path / "vocab.txt").write_bytes(VOCABULARY.to_bytes())
    root.vocab_file = tf.saved_model.Asset(str(tmp_path / "vocab.txt"))
    root.do_lower_case = tf.Variable(False, trainable=False)
    folder = str(tmp_path / "saved_model")
    tf.saved_model.save(root, folder)
    assert recognise(folder) == "model_garden"
    found = model_garden.read(folder)
    assert not found.vocabulary.lower_case
    # Rates and ranges are in no variable: they are the original's.
    changes = {"initializer_range": 0.3}
    assert {**found.config.to_dict(), **changes} == checkpoint.config.to_dict()
    for name, value in arrays(checkpoint.weights).items():
        np.testing.assert_array_equal(found.weights.read(name), value, err_msg=name)


def test_weights_of_something_else(tmp_path, checkpoint):
    values = variables(checkpoint, tmp_path / "google")
    (tmp_path / "vocab.txt").write_bytes(VOCABULARY.to_bytes())
    for changed, message in (
        ({**values, "adapter/kernel": np.zeros(3)}, "extra adapter/kernel"),
        (
            {n: v for n, v in values.items() if n != "pooler_transform/bias"},
            "missing pooler_transform/bias",
        ),
        ({"dense/kernel": np.zeros(3)}, "not those of Model Garden's BERT"),
    ):
        root = module(changed)
        root.vocab_file = tf.saved_model.Asset(str(tmp_path / "vocab.txt"))
        folder = str(tmp_path / message[:7].strip() / str(len(changed)))
        tf.saved_model.save(root, folder)
        with pytest.raises(ValueError, match=message):
            model_garden.read(folder)
