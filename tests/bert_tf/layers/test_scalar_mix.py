import keras
import numpy as np
import pytest
import tensorflow as tf

from bert_tf.layers.scalar_mix import FEATURES, BiLSTM, ScalarMix
from tests.reference.lstm import lstm
from tests.seeds import set_seed

# The embeddings and the output of five blocks.
STATES = np.random.default_rng(0).normal(size=(6, 2, 5, 3)).astype("float32")
SHAPES = [(None, None, 3)] * 6


def mixed(features, dtype=None, weights=None):
    layer = ScalarMix(features, dtype=dtype)
    layer.build(SHAPES)
    if weights is not None:
        layer.set_weights(weights)
    return layer([tf.cast(state, layer.compute_dtype) for state in STATES])


@pytest.mark.parametrize(
    ("features", "expected"),
    [
        ("embeddings", STATES[0]),
        ("second_to_last", STATES[4]),
        ("last", STATES[5]),
        ("concat_last_4", np.concatenate(STATES[2:], axis=-1)),
        # All alike at the start.
        ("weighted_last_4", STATES[2:].mean(0)),
        ("weighted_all", STATES[1:].mean(0)),
    ],
)
def test_features(features, expected):
    np.testing.assert_allclose(mixed(features), expected, atol=1e-6)


def test_weights_of_a_sum():
    scores = np.array([0.5, -1, 2, 0], "float32")
    shares = np.exp(scores) / np.exp(scores).sum()
    found = mixed("weighted_last_4", weights=[scores, np.float32(3)])
    expected = 3 * np.einsum("i,i...", shares, STATES[2:])
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("features", FEATURES)
def test_shapes_and_config(features):
    layer = ScalarMix.from_config(ScalarMix(features, name="mix").get_config())
    layer.build(SHAPES)
    assert layer(list(STATES)).shape == (2, 5, layer.width(3, 6))
    count = {"weighted_last_4": 5, "weighted_all": 6, "weighted_states": 7}.get(
        features, 0
    )
    assert sum(np.prod(w.shape) for w in layer.trainable_variables) == count


def test_models_of_few_layers():
    layer = ScalarMix("weighted_last_4")
    layer.build(SHAPES[:3])
    np.testing.assert_allclose(layer(list(STATES[:3])), STATES[1:3].mean(0), atol=1e-6)
    assert ScalarMix("concat_last_4").width(3, 3) == 6


def test_other_features():
    with pytest.raises(ValueError, match=r"features='first'. Expected one of \['emb"):
        ScalarMix("first")


@pytest.mark.parametrize("features", ["second_to_last", "weighted_all"])
def test_layers_that_there_are_not(features):
    with pytest.raises(ValueError, match="for an encoder of 0 layers"):
        ScalarMix(features).build([(None, None, 8)])


def test_a_sum_in_mixed_precision_is_rounded_once():
    scores = np.array([0.001, 0, 0.002, 0], "float32")
    weights = [scores, np.float32(1.001)]
    found = mixed("weighted_last_4", "mixed_bfloat16", weights)
    assert found.dtype == tf.bfloat16
    narrow = tf.cast(tf.cast(STATES, tf.bfloat16), tf.float32).numpy()
    shares = np.exp(scores) / np.exp(scores).sum()
    expected = tf.cast(1.001 * np.einsum("i,i...", shares, narrow[2:]), tf.bfloat16)
    np.testing.assert_array_equal(found, expected)


def test_bilstm():
    set_seed(0)
    layer = BiLSTM(4)
    layer.build((None, None, 3))
    x = tf.constant(STATES[0])
    mask = tf.constant([[True] * 5, [True, True, False, False, False]])
    whole = layer(x, mask)
    assert whole.shape == (2, 5, 8)
    # Of each row what is not masked, forth and back, twice.
    for row, length in ((0, 5), (1, 2)):
        expected = STATES[0][row, :length]
        for number in (0, 1):
            ahead, back = (
                {
                    w.path.rpartition("/")[2]: np.asarray(w)
                    for w in layer.weights
                    if f"layer_{number}/{direction}" in w.path
                }
                for direction in ("forward", "backward")
            )
            halves = lstm(expected, ahead), lstm(expected[::-1], back)[::-1]
            expected = np.concatenate(halves, axis=1)
        np.testing.assert_allclose(whole[row, :length], expected, atol=1e-6)
    # Two layers in two directions, of four gates with a kernel, one more, and a bias.
    sizes = [2 * 16 * (inputs + 4 + 1) for inputs in (3, 8)]
    assert sum(np.prod(w.shape) for w in layer.trainable_variables) == sum(sizes)


def test_bilstm_without_any_token():
    layer = BiLSTM(4)
    found = layer(tf.constant(STATES[0]), tf.zeros([2, 5], tf.bool))
    assert np.isfinite(found).all()


def test_bilstm_keeps_its_dtype():
    previous = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        layer = BiLSTM(4, dtype="float32")
        found = layer(tf.constant(STATES[0]), tf.ones([2, 5], tf.bool))
    finally:
        keras.config.set_dtype_policy(previous)
    assert found.dtype == tf.float32
    again = BiLSTM.from_config(layer.get_config())
    assert again.units == 4
