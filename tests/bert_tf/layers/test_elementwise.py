"""Compiled and plain, each function gives the same values and gradients."""

import numpy as np
import pytest
import tensorflow as tf

from bert_tf.layers import elementwise
from bert_tf.layers.elementwise import compilation
from tests.reference.bert import cross_entropy


def normal(*shape, seed=0):
    values = np.random.default_rng(seed).normal(size=shape)
    return tf.constant(values, tf.float32)


SEED = tf.constant([3, 5], tf.int32)
MASK = tf.constant(np.arange(6)[None, None, :] < np.array([6, 4])[:, None, None])
CASES = {
    **{
        f"activation {name}": (
            lambda x, name=name: elementwise.activation(x, name=name),
            [normal(3, 8)],
        )
        for name in ("gelu", "gelu_tanh", "relu", "geglu")
    },
    "normalize": (
        lambda x, s, o: elementwise.normalize(x, s, o, epsilon=1e-12),
        [normal(3, 8), normal(8, seed=1), normal(8, seed=2)],
    ),
    "drop_add_normalize": (
        lambda x, r, s, o: elementwise.drop_add_normalize(
            x, r, s, o, SEED, rate=0.3, epsilon=1e-12
        ),
        [normal(3, 8), normal(3, 8, seed=3), normal(8, seed=1), normal(8, seed=2)],
    ),
    "drop_add": (
        lambda x, r: elementwise.drop_add(x, r, SEED, rate=0.3),
        [normal(3, 8), normal(3, 8, seed=3)],
    ),
    "drop": (lambda x: elementwise.drop(x, SEED, rate=0.3), [normal(3, 8)]),
    "masked_softmax": (
        lambda x: elementwise.masked_softmax(x, MASK, SEED, scale=0.5, rate=0.2),
        [normal(2, 3, 6, 6)],
    ),
}


def value_and_gradients(function, arguments, compiled):
    weights = None
    with compilation(compiled), tf.GradientTape() as tape:
        tape.watch(arguments)
        value = function(*arguments)
        weights = normal(*value.shape, seed=9)
        loss = tf.reduce_sum(value * weights)
    return value, tape.gradient(loss, arguments)


@pytest.mark.parametrize("name", CASES)
def test_compiled_equals_plain(name):
    function, arguments = CASES[name]
    value, gradients = value_and_gradients(function, arguments, compiled=False)
    fast, fast_gradients = value_and_gradients(function, arguments, compiled=True)
    np.testing.assert_allclose(fast, value, atol=2e-6)
    for one, other in zip(fast_gradients, gradients, strict=True):
        np.testing.assert_allclose(one, other, atol=5e-6)


@pytest.mark.parametrize("name", CASES)
def test_gradients_are_slopes(name):
    function, arguments = CASES[name]

    def loss(*values):
        value = function(*values)
        return float(tf.reduce_sum(value * normal(*value.shape, seed=9)))

    _, gradients = value_and_gradients(function, arguments, compiled=True)
    for index, gradient in enumerate(gradients):
        direction = normal(*arguments[index].shape, seed=11)
        step = 1e-2
        moved = [
            loss(
                *arguments[:index],
                arguments[index] + sign * step * direction,
                *arguments[index + 1 :],
            )
            for sign in (1, -1)
        ]
        slope = float(tf.reduce_sum(gradient * direction))
        assert slope == pytest.approx((moved[0] - moved[1]) / (2 * step), abs=0.03)


@pytest.mark.parametrize("compiled", [False, True])
def test_dropout(compiled):
    x = tf.ones([200, 500])
    with compilation(compiled):
        dropped = elementwise.drop(x, SEED, rate=0.1).numpy()
        again = elementwise.drop(x, SEED, rate=0.1).numpy()
        other = elementwise.drop(x, SEED + 1, rate=0.1).numpy()
    np.testing.assert_array_equal(dropped, again)
    assert set(np.unique(dropped)) == {0, np.float32(1 / 0.9)}
    # Three standard deviations of the mean of 100,000 draws.
    assert np.mean(dropped == 0) == pytest.approx(0.1, abs=0.003)
    agreement = np.mean((dropped == 0) & (other == 0))
    assert agreement == pytest.approx(0.01, abs=0.001)


def test_dropout_masks_are_alike_compiled_and_not():
    x = tf.ones([50, 50])
    with compilation():
        compiled = elementwise.drop(x, SEED, rate=0.5)
    np.testing.assert_array_equal(compiled, elementwise.drop(x, SEED, rate=0.5))


def test_bits_are_uniform_and_independent():
    bits = np.asarray(elementwise.random_bits((1 << 16,), SEED)).astype("uint32")
    assert len(np.unique(bits)) > 65_500  # A birthday or two in 2^32.
    for bit in range(32):
        ones = (bits >> bit) & 1
        assert abs(ones.mean() - 0.5) < 0.01
        assert abs(np.mean(ones[1:] == ones[:-1]) - 0.5) < 0.01


def test_softmax_of_a_row_that_may_look_at_nothing_is_uniform():
    mask = tf.zeros([1, 1, 4], tf.bool)
    weights = elementwise.masked_softmax(
        normal(1, 1, 1, 4), mask, SEED, scale=1.0, rate=0.0
    )
    np.testing.assert_allclose(weights, np.full((1, 1, 1, 4), 0.25))


def test_softmax_gives_masked_keys_nothing():
    weights = elementwise.masked_softmax(
        normal(2, 3, 6, 6), MASK, SEED, scale=1.0, rate=0.0
    )
    assert np.all(weights.numpy()[1, ..., 4:] == 0)
    np.testing.assert_allclose(weights.numpy().sum(-1), 1, atol=1e-6)


def test_cross_entropy_of_rows_of_any_length():
    """The classes of a question are the tokens of a row."""
    generator = np.random.default_rng(0)

    @tf.function(
        input_signature=[
            tf.TensorSpec([None, None], tf.float32),
            tf.TensorSpec([None], tf.int32),
        ]
    )
    def found(logits, labels):
        with compilation():
            return elementwise.cross_entropy(logits, labels)

    for length in (3, 7):
        logits = generator.normal(size=(4, length)).astype("float32")
        labels = generator.integers(0, length, 4).astype("int32")
        losses, right = found(logits, labels)
        np.testing.assert_allclose(losses, cross_entropy(logits, labels), rtol=1e-5)
        np.testing.assert_array_equal(right, logits.argmax(-1) == labels)
