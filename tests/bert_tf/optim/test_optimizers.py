import keras
import numpy as np
import pytest
import tensorflow as tf

from bert_tf.layers.elementwise import compilation
from bert_tf.optim.layer_rates import LayerRates
from bert_tf.optim.optimizers import AdamW, Lamb, make_optimizer
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
    moments = [v for v in optimizer.variables if "moment" in v.path]
    assert len(moments) == 4
    for moment in moments:
        np.testing.assert_array_equal(moment, np.zeros(moment.shape), moment.path)


@pytest.mark.parametrize("make", [AdamW, Lamb])
def test_config_round_trip(make):
    optimizer = make(0.02, weight_decay=0.3, beta_1=0.8, beta_2=0.9, epsilon=1e-4)
    again = make.from_config(optimizer.get_config())
    for one, other in zip(moved(again), moved(optimizer), strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_factory():
    plain, original = make_optimizer("adamw", 0.1), make_optimizer("adamw_bert", 0.1)
    assert (plain.bias_correction, original.bias_correction) == (True, False)
    rates = LayerRates(3, decay=0.5)
    lamb = make_optimizer("lamb", 0.1, weight_decay=0.2, beta_2=0.9, layer_rates=rates)
    assert isinstance(lamb, Lamb)
    assert (lamb.decay, lamb.beta_2, lamb.layer_rates) == (0.2, 0.9, rates)


def test_a_config_is_not_changed_by_reading_it():
    config = AdamW(0.02, layer_rates=LayerRates(3, decay=0.5)).get_config()
    before = dict(config)
    AdamW.from_config(config)
    assert config == before


@pytest.mark.parametrize("make", [AdamW, Lamb])
def test_gradients_are_not_summed_over_the_replicas_again(make):
    expected = moved(make(0.01), scale=0.5)
    devices = tf.config.list_logical_devices("CPU")
    strategy = tf.distribute.MirroredStrategy([device.name for device in devices[:2]])
    with strategy.scope():
        variables = [
            keras.Variable(KERNEL, name="kernel"),
            keras.Variable(BIAS, name="bias"),
        ]
        optimizer = make(0.01)
        optimizer.build(variables)

    @tf.function(autograph=False)
    def step(gradients):
        return strategy.run(
            lambda: optimizer.apply_scaled(gradients, tf.constant(0.5), 1.0)
        )

    for gradients in GRADIENTS:
        step([tf.constant(g, tf.float32) for g in gradients])
    assert strategy.num_replicas_in_sync == len(devices[:2])
    for variable, value in zip(variables, expected, strict=True):
        for part in strategy.experimental_local_results(variable.value):
            np.testing.assert_allclose(part, value, atol=1e-7)
    steps = strategy.experimental_local_results(optimizer.iterations.value)
    assert [int(count) for count in steps] == [len(GRADIENTS)] * len(steps)


def test_the_applied_learning_rate_is_returned():
    optimizer = AdamW(0.01)
    optimizer.build([keras.Variable(BIAS, name="bias")])
    rate = optimizer.apply_scaled([tf.ones(3)], tf.constant(1.0), tf.constant(0.5))
    assert float(rate) == pytest.approx(0.005)


def test_trains_under_fit():
    generator = np.random.default_rng(0)
    x = generator.normal(size=(256, 4)).astype("float32")
    y = x @ np.array([[1.0], [-2], [3], [0.5]], "float32")
    model = keras.Sequential([keras.layers.Dense(1)])
    model.compile(AdamW(0.05, bias_correction=True, weight_decay=0.0), "mse")
    assert model.fit(x, y, epochs=40, verbose=0).history["loss"][-1] < 1e-3
