"""Each layer alone: in a functional model, saved, loaded and cloned, to the bit."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from bert_tf.layers.attention import SelfAttention
from bert_tf.layers.characters import CharacterEmbeddings
from bert_tf.layers.convolution import ConvolutionBranch
from bert_tf.layers.dropout import Dropout
from bert_tf.layers.embeddings import Embeddings
from bert_tf.layers.encoder_block import EncoderBlock
from bert_tf.layers.feed_forward import FeedForward
from bert_tf.layers.head_transform import HeadTransform
from bert_tf.layers.norm import LayerNorm
from bert_tf.layers.relative_positions import RelativeBias, RelativePositions
from bert_tf.layers.scalar_mix import FEATURES, BiLSTM, ScalarMix
from bert_tf.models.masked_lm import MaskedLMHead
from tests.bert_tf.keras_models import assert_equal
from tests.bert_tf.small_models import randomize

_GENERATOR = np.random.default_rng(0)
_IDS = tf.constant(_GENERATOR.integers(0, 9, (2, 5)), tf.int32)
_X = tf.constant(_GENERATOR.normal(size=(2, 5, 8)), tf.float32)
_MASK = tf.constant(_GENERATOR.integers(0, 2, (2, 5, 5)), tf.bool)
_POSITIONS = tf.range(5)[None] + tf.zeros([2, 1], tf.int32)


def _block(rotary=False, use_bias=True, **arguments):
    return EncoderBlock(
        SelfAttention(
            8, 2, 0.1, 0.3, rotary=rotary, use_bias=use_bias, name="attention"
        ),
        FeedForward(8, 12, "gelu", 0.3, use_bias=use_bias, name="feed_forward"),
        use_bias=use_bias,
        dropout=0.1,
        epsilon=1e-6,
        **arguments,
    )


def _embeddings(**changes):
    arguments = {
        "vocab_size": 9,
        "embedding_dim": 8,
        "hidden_dim": 8,
        "num_positions": 6,
        "num_segments": 2,
        "position_embeddings": "learned",
        "position_offset": 1,
        "dropout": 0.1,
        "epsilon": 1e-6,
        "initializer_range": 0.3,
    }
    return Embeddings(**{**arguments, **changes})


# Each layer, and the arguments of a call.
LAYERS = {
    "attention": (SelfAttention(8, 2, 0.1, 0.3), (_X, _MASK)),
    "rotary attention": (
        SelfAttention(8, 2, 0.1, 0.3, rotary=True),
        (_X, _MASK, _POSITIONS),
    ),
    "mixed attention": (
        SelfAttention(
            8, 2, 0.1, 0.3, dtype=keras.dtype_policies.DTypePolicy("mixed_bfloat16")
        ),
        (_X, _MASK),
    ),
    "disentangled attention": (
        SelfAttention(8, 2, 0.1, 0.3, disentangled=True),
        (_X, _MASK, _POSITIONS, tf.random.stateless_normal([9, 8], [0, 1])),
    ),
    "biased attention": (
        SelfAttention(8, 2, 0.1, 0.3),
        (_X, _MASK, _POSITIONS, tf.random.stateless_normal([1, 2, 5, 5], [0, 2])),
    ),
    "convolution": (
        ConvolutionBranch(8, 3, "gelu", 1e-6, 0.3),
        (_X, 2 * _X, _POSITIONS // 3),
    ),
    "relative positions": (RelativePositions(8, 4, 6, 6, 1e-6, 0.3), (_X,)),
    "relative bias": (RelativeBias(2, 8, 6, 0.3), (_X,)),
    "transform": (HeadTransform(8, 1e-6, 0.3, use_bias=False), (_X,)),
    "characters": (CharacterEmbeddings(9, 8), (_IDS,)),
    "dropout": (Dropout(0.5), (_X,)),
    "dropout and residual": (Dropout(0.5), (_X, 2 * _X)),
    "embeddings": (_embeddings(), (_IDS, _IDS % 2, _POSITIONS)),
    "projected embeddings": (
        _embeddings(hidden_dim=6, epsilon=None, position_embeddings="sinusoidal"),
        (_IDS, _IDS % 2, _POSITIONS),
    ),
    "block": (_block(), (_X, _MASK)),
    "pre-LN block": (_block(norm_first=True, rotary=True), (_X, _MASK, _POSITIONS)),
    "block without biases": (
        _block(norm_first=True, rotary=True, use_bias=False, normalizes_input=False),
        (_X, _MASK, _POSITIONS),
    ),
    "feed-forward": (FeedForward(8, 12, "relu", 0.3), (_X,)),
    "gated feed-forward": (FeedForward(8, 12, "geglu", 0.3), (_X,)),
    "norm": (LayerNorm(1e-6, 0.1), (_X,)),
    "norm and residual": (LayerNorm(1e-6, 0.1), (_X, 2 * _X)),
    "bilstm": (BiLSTM(3), (_X, tf.sequence_mask([3, 5]))),
    "masked-LM head": (
        MaskedLMHead(9, 8, "gelu", 1e-6, 0.3),
        (_X, tf.constant(_GENERATOR.normal(size=(9, 8)), tf.float32)),
    ),
    **{f: (ScalarMix(f), ([_X, 2 * _X, -_X, _X + 1],)) for f in FEATURES},
}


def functional(name):
    """The layer between inputs and its output, and a batch for it."""
    layer, arguments = LAYERS[name]
    inputs = tf.nest.map_structure(
        lambda x: keras.Input(x.shape[1:], dtype=x.dtype),
        arguments,
    )
    if "head" in name:  # The table is no batch.
        inputs = (inputs[0], keras.Input(batch_shape=(9, 8)))
    model = keras.Model(inputs, layer(*inputs))
    randomize(model)
    return layer, model, arguments


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_between_inputs_and_outputs(name, tmp_path):
    layer, model, arguments = functional(name)
    expected = layer(*arguments)
    assert_equal(model(arguments), expected)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    clone = keras.models.clone_model(model)
    clone.set_weights(model.get_weights())
    for again in (loaded, clone):
        assert_equal(again(arguments), expected)
        assert again.layers[-1].get_config() == layer.get_config()


@pytest.mark.parametrize("name", LAYERS)
def test_the_config_of_a_layer_is_json(name):
    layer, arguments = LAYERS[name]
    layer(*arguments)
    config = json.loads(json.dumps(layer.get_config()))
    again = type(layer).from_config(config)
    assert json.loads(json.dumps(again.get_config())) == config
    again(*arguments)
    assert [w.shape for w in again.weights] == [w.shape for w in layer.weights]


@pytest.mark.parametrize("name", ["attention", "dropout", "norm and residual", "block"])
def test_the_state_of_dropout_is_saved(name, tmp_path):
    _, model, arguments = functional(name)
    first = model(arguments, training=True)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    second = model(arguments, training=True)
    assert not np.array_equal(first, second)
    assert_equal(loaded(arguments, training=True), second)
