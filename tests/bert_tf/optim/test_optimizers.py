import keras
import numpy as np
import pytest
import tensorflow as tf

from bert_tf.layers.elementwise import compilation
from bert_tf.optim.adamw import AdamW
from bert_tf.optim.lamb import Lamb
from tests.reference import optimizers

GENERATOR = np.random.default_rng(0)
KERNEL = GENERATOR.normal(size=(5, 3)).astype("float32")
BIAS = GENERATOR.normal(size=3).astype("float32")
GRADIENTS = [
    (GENERATOR.normal(size=(5, 3)), 100 * GENERATOR.normal(size=3)) for _ in range(7)
]


def moved(optimizer, scale=None, compiled=False):
    """Kernel and bias after a step for each of the gradients."""
    variables = [
        keras.Variable(KERNEL, name="kernel"),
        keras.Variable(BIAS, name="bias"),
    ]
    optimizer.build(variables)
    for gradients in GRADIENTS:
        gradients = [tf.constant(g, tf.float32) for g in gradients]
        with compilation(compiled):
            if scale is None:
                optimizer.apply(gradients)
            else:
                optimizer.apply_scaled(gradients, tf.constant(scale))
    return [np.asarray(variable) for variable in variables]


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("bias_correction", [False, True])
def test_adamw(bias_correction, compiled):
    kernel, bias = moved(AdamW(0.01, bias_correction, weight_decay=0.1), None, compiled)
    expected = [
        optimizers.adamw(start, list(gradients), 0.01, decay, bias_correction)
        for start, gradients, decay in zip(
            (KERNEL, BIAS), zip(*GRADIENTS, strict=True), (0.1, 0), strict=True
        )
    ]
    np.testing.assert_allclose(kernel, expected[0], atol=1e-6)
    np.testing.assert_allclose(bias, expected[1], atol=1e-6)


@pytest.mark.parametrize("compiled", [False, True])
def test_lamb(compiled):
    kernel, bias = moved(Lamb(0.01, weight_decay=0.1), None, compiled)
    kernels, biases = (list(gradients) for gradients in zip(*GRADIENTS, strict=True))
    expected = optimizers.lamb(KERNEL, kernels, 0.01, 0.1, adapt=True)
    np.testing.assert_allclose(kernel, expected, atol=1e-6)
    expected = optimizers.lamb(BIAS, biases, 0.01, 0.0, adapt=False)
    np.testing.assert_allclose(bias, expected, atol=1e-6)


def test_lamb_moves_a_kernel_of_zeros():
    variable = keras.Variable(np.zeros((2, 2), "float32"), name="kernel")
    optimizer = Lamb(0.01)
    optimizer.build([variable])
    optimizer.apply([tf.ones([2, 2])])
    np.testing.assert_allclose(variable, np.full((2, 2), -0.01), rtol=1e-4)


@pytest.mark.parametrize("make", [AdamW, Lamb])
def test_scaled_gradients(make):
    kernel, bias = moved(make(0.01), scale=0.5)
    variables = [
        keras.Variable(KERNEL, name="kernel"),
        keras.Variable(BIAS, name="bias"),
    ]
    optimizer = make(0.01)
    optimizer.build(variables)
    for gradients in GRADIENTS:
        optimizer.apply([tf.constant(0.5 * g, tf.float32) for g in gradients])
    np.testing.assert_allclose(kernel, variables[0], atol=1e-7)
    np.testing.assert_allclose(bias, variables[1], atol=1e-7)


@pytest.mark.parametrize("make", [AdamW, Lamb])
@pytest.mark.parametrize("compiled", [False, True])
def test_a_scale_that_is_no_number_changes_nothing(make, compiled):
    optimizer = make(0.01)
    kernel, bias = moved(optimizer, scale=np.float32("nan"), compiled=compiled)
    np.testing.assert_array_equal(kernel, KERNEL)
    np.testing.assert_array_equal(bias, BIAS)
    assert all(np.all(np.asarray(moment) == 0) for moment in optimizer._first)


@pytest.mark.parametrize("make", [AdamW, Lamb])
def test_config_round_trip(make):
    optimizer = make(0.02, weight_decay=0.3, beta_1=0.8, beta_2=0.9, epsilon=1e-4)
    again = make.from_config(optimizer.get_config())
    for one, other in zip(moved(again), moved(optimizer), strict=True):
        np.testing.assert_array_equal(one, other)


def test_trains_under_fit():
    generator = np.random.default_rng(0)
    x = generator.normal(size=(256, 4)).astype("float32")
    y = x @ np.array([[1.0], [-2], [3], [0.5]], "float32")
    model = keras.Sequential([keras.layers.Dense(1)])
    model.compile(AdamW(0.05, bias_correction=True, weight_decay=0.0), "mse")
    assert model.fit(x, y, epochs=40, verbose=0).history["loss"][-1] < 1e-3
