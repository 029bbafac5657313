"""Encoders, pre-training models and heads as layers of functional models."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.bert_tf.keras_models import (
    ENCODERS,
    HEADS,
    MODELS,
    assert_equal,
    batch_of,
    make_model,
    symbolic,
)
from tests.bert_tf.packed import alone, packed, random_features
from tests.bert_tf.small_models import random_batch


@pytest.mark.parametrize("name", MODELS)
def test_a_functional_model_gives_the_same_outputs(name):
    model, batch = make_model(name), batch_of(name)
    inputs = symbolic(batch)
    functional = keras.Model(inputs, model(inputs))
    assert_equal(functional(batch), model(batch))
    assert len(functional.weights) == len(model.weights)


@pytest.mark.parametrize("name", [name for name in MODELS if "language" not in name])
def test_the_symbolic_inputs_of_a_model(name):
    model, batch = make_model(name), batch_of(name)
    inputs = model.symbolic_inputs()
    # Encoders that cannot tell segments apart do not ask for them.
    assert inputs.keys() | {"segment_ids"} == batch.keys() | {"segment_ids"}
    functional = keras.Model(inputs, model(inputs))
    batch = {key: batch[key] for key in inputs}
    assert_equal(functional(batch), model(batch))


@pytest.mark.parametrize("name", ENCODERS)
def test_segments_are_optional(name):
    model, batch = make_model(name), batch_of(name)
    del batch["segment_ids"]
    inputs = symbolic(batch)
    assert_equal(keras.Model(inputs, model(inputs))(batch), model(batch))


@pytest.mark.parametrize("name", ["bert", "elmo"])
@pytest.mark.parametrize("received", [{}, {"token_ids"}, {"padding_mask"}, None])
def test_a_missing_input_is_named(name, received):
    model, batch = make_model(name), random_batch()
    inputs = batch["token_ids"]
    if received is not None:
        inputs = {key: batch[key] for key in received}
    with pytest.raises(ValueError, match="Expected a dict of token_ids, int32"):
        model(inputs)


def test_hidden_states_in_a_functional_model():
    model, batch = make_model("bert"), batch_of("bert")
    inputs = symbolic(batch)
    states = model(inputs, return_hidden_states=True)["hidden_states"]
    functional = keras.Model(inputs, states[1])
    expected = model(batch, return_hidden_states=True)["hidden_states"]
    assert_equal(functional(batch), expected[1])


@pytest.mark.parametrize("name", HEADS)
def test_rows_of_one_sequence_need_no_places(name):
    """`first_tokens` and `lengths` follow from the mask where rows are not shared."""
    model, plain = make_model(name), batch_of(name)
    length = plain["token_ids"].shape[1]
    packed_rows = {
        **plain,
        "positions": tf.repeat(tf.range(length)[None], 4, axis=0),
        "sequence_ids": tf.repeat(tf.range(4)[:, None], length, axis=1),
        "first_tokens": length * tf.range(4),
        "lengths": tf.reduce_sum(tf.cast(plain["padding_mask"], tf.int32), axis=1),
    }
    for one, other in zip(
        tf.nest.flatten(model(plain)), tf.nest.flatten(model(packed_rows)), strict=True
    ):
        np.testing.assert_allclose(one, other, atol=1e-6)


def test_packed_rows_in_a_functional_model():
    features = random_features()
    names = ("token_ids", "padding_mask", "positions", "sequence_ids", "first_tokens")
    one, other = ({k: rows(features)[k] for k in names} for rows in (packed, alone))
    model = make_model("bert")
    inputs = symbolic(one)
    functional = keras.Model(inputs, model(inputs)["pooled_output"])
    assert_equal(functional(one), model(one)["pooled_output"])
    np.testing.assert_allclose(functional(one), functional(other), atol=1e-5)


def test_training_reaches_the_dropout_of_the_encoder():
    model, batch = make_model("bert"), batch_of("bert")
    inputs = symbolic(batch)
    functional = keras.Model(inputs, model(inputs)["sequence_output"])
    assert not np.allclose(functional(batch, training=True), functional(batch))
