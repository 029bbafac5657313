import json

import numpy as np
import pytest
import tensorflow as tf

from bert_tf.layers.elementwise import compilation
from bert_tf.optim.layer_rates import LayerRates
from bert_tf.optim.optimizers import AdamW
from bert_tf.tasks.classification import BertClassifier
from tests.bert_tf.small_models import small_config

LAYERS = 3


def classifier(**arguments):
    config = small_config(num_hidden_layers=LAYERS, embedding_size=8)
    return BertClassifier(config, num_outputs=2, name="model", **arguments)


def depths(model):
    rates = LayerRates(LAYERS)
    return {v.path.removeprefix("model/"): rates.depth(v.path) for v in model.weights}


def test_depths_of_all_weights_of_a_model():
    found = depths(classifier())
    tops = {name.split("/")[0 if name.startswith("head") else 1] for name in found}
    assert tops == {"head", "pooler", "embeddings", "block_0", "block_1", "block_2"}
    for name, depth in found.items():
        expected = {"embeddings": 4, "block_0": 3, "block_1": 2, "block_2": 1}
        assert depth == expected.get(name.split("/")[1], 0), name


def test_depths_of_features():
    found = depths(classifier(features="weighted_all", lstm_units=2))
    assert found["mix/mix"] == 0
    assert all(depth == 0 for name, depth in found.items() if "bilstm" in name)


def test_ten_blocks_and_more_are_numbers():
    rates = LayerRates(12)
    assert rates.depth("model/encoder/block_11/attention/output/bias") == 1
    assert rates.depth("model/encoder/block_1/attention/output/bias") == 11


def test_factors():
    rates = LayerRates(LAYERS, decay=0.5, unfreeze_every=10)
    path = "model/encoder/block_1/attention/output/kernel"
    found = [float(rates.factor(path, tf.constant(step))) for step in (0, 19, 20, 99)]
    assert found == [0, 0, 0.25, 0.25]
    assert float(rates.factor("model/head/kernel", tf.constant(0))) == 1
    assert float(LayerRates(LAYERS, 0.5).factor(path, tf.constant(0))) == 0.25


def some_variables():
    """A kernel and a bias of each depth."""
    endings = ("head/kernel", "head/bias", "token_table", "embeddings/norm/offset")
    blocks = ("attention/output/kernel", "attention/output/bias")
    found = [
        variable
        for variable in classifier().trainable_variables
        if variable.path.endswith((*endings, *blocks))
    ]
    assert len(found) == 4 + 2 * LAYERS
    return found


def moved(variables, rates, steps, compiled=False):
    """The weights before, and after each of some steps with gradients of 1."""
    optimizer = AdamW(0.01, bias_correction=True, weight_decay=0.1, layer_rates=rates)
    optimizer.build(variables)

    @tf.function(autograph=False)
    def step():
        with compilation(compiled):
            optimizer.apply([tf.ones(v.shape) for v in variables])

    found = [[v.numpy() for v in variables]]
    for _ in range(steps):
        step()
        found.append([v.numpy() for v in variables])
    return found


@pytest.mark.parametrize("compiled", [False, True])
def test_layers_do_not_move_until_their_step(compiled):
    variables = some_variables()
    rates = LayerRates(LAYERS, unfreeze_every=2)
    found = moved(variables, rates, 10, compiled)
    for index, variable in enumerate(variables):
        begins = 2 * rates.depth(variable.path)
        for step in range(10):
            before, after = found[step][index], found[step + 1][index]
            if step < begins:
                np.testing.assert_array_equal(
                    after, before, err_msg=f"{variable.path} at step {step}"
                )
            else:
                assert (after != before).all(), f"{variable.path} at step {step}"


def test_steps_decay_with_the_depth():
    variables = some_variables()
    rates = LayerRates(LAYERS, decay=0.5)
    before, after = moved(variables, rates, 1)
    for variable, one, other in zip(variables, before, after, strict=True):
        # The first step of Adam is as long as its rate, but for the weight decay.
        plain = variable.path.endswith(("bias", "scale", "offset"))
        length = (
            one
            - other
            - (0 if plain else 0.001 * one * 0.5 ** rates.depth(variable.path))
        )
        expected = 0.01 * 0.5 ** rates.depth(variable.path)
        np.testing.assert_allclose(length, expected, rtol=1e-3, err_msg=variable.path)


@pytest.mark.parametrize("rates", [None, LayerRates(LAYERS, 0.9, 5)])
def test_optimizer_config_round_trip(rates):
    config = AdamW(0.02, layer_rates=rates).get_config()
    again = AdamW.from_config(json.loads(json.dumps(config)))
    assert again.layer_rates == rates
    assert again.get_config() == config
