import json

import numpy as np
import pytest
import tensorflow as tf

from bert_tf.layers.scalar_mix import FEATURES
from bert_tf.optim.optimizers import AdamW
from bert_tf.tasks.classification import (
    BertClassifier,
    ClassificationObjective,
    RegressionObjective,
)
from bert_tf.tasks.multiple_choice import BertMultipleChoice
from bert_tf.tasks.span_qa import BertSpanQA, SpanQAObjective
from bert_tf.tasks.token_tagging import BertTagger, TokenTaggingObjective
from bert_tf.training.loop import Trainer
from data_pipelines.finetuning.batches import pack_batch
from tests.bert_tf.packed import (
    ROW_LENGTH,
    alone,
    assert_same_gradients,
    gradients,
    packed,
    random_features,
)
from tests.bert_tf.small_models import VOCABULARY, randomize, small_config
from tests.seeds import set_seed

COUNT = 6


def ragged_words(generator, lengths):
    """Some ascending places in each sequence; none in the last one."""
    places = [
        np.flatnonzero(generator.integers(0, 2, length - 2)) + 1
        for length in lengths[:-1]
    ]
    return tf.ragged.constant([p.tolist() for p in places] + [[]], tf.int32)


def features_of(name, seed=0):
    generator = np.random.default_rng(seed)
    features = random_features(COUNT, seed)
    lengths = features["token_ids"].row_lengths().numpy()
    if name == "tagging":
        words = ragged_words(generator, lengths)
        tags = tf.constant(generator.integers(0, 3, len(words.values)), tf.int32)
        features |= {"word_positions": words, "tags": words.with_values(tags)}
    elif name == "span_qa":
        features["start"] = tf.constant(generator.integers(0, lengths), tf.int32)
        features["end"] = tf.constant(generator.integers(0, lengths), tf.int32)
        features["may_start"] = tf.ones_like(features["token_ids"])
    elif name == "regression":
        features["label"] = tf.constant(generator.normal(size=COUNT), tf.float32)
    else:
        labels = generator.integers(0, 2, COUNT // 2)
        features["label"] = tf.constant(np.repeat(labels, 2), tf.int32)
    if name == "weighted":
        features["weight"] = tf.constant(generator.uniform(0.5, 2, COUNT), tf.float32)
    return features


HEADS = {
    "classification": (BertClassifier, {"num_outputs": 3}, ClassificationObjective()),
    "weighted": (
        BertClassifier,
        {"num_outputs": 3},
        ClassificationObjective(),
    ),
    "regression": (BertClassifier, {"num_outputs": 1}, RegressionObjective()),
    "tagging": (BertTagger, {"num_outputs": 3}, TokenTaggingObjective()),
    "span_qa": (BertSpanQA, {}, SpanQAObjective()),
    "choice": (
        BertMultipleChoice,
        {"num_choices": 2},
        ClassificationObjective(group_size=2),
    ),
}
FROZEN = [
    {"features": "weighted_last_4", "lstm_units": 3},
    {"features": "concat_last_4"},
]


def make(name, config=None, **arguments):
    model_class, own, _ = HEADS[name]
    set_seed(1)
    model = model_class(config or small_config(), **own, **arguments, name="model")
    randomize(model)
    return model


def loss_of(name):
    objective = HEADS[name][2]

    def loss(outputs, batch):
        sums, weights = objective.sums(outputs, batch), objective.weights(batch)
        return sum(sums[key] / weights[key] for key in objective.losses)

    return loss


# A multiple choice and a score come from the same call as a class.
CASES = [(name, {}) for name in HEADS] + [
    (name, frozen) for name in ("weighted", "tagging", "span_qa") for frozen in FROZEN
]


@pytest.mark.parametrize(("name", "frozen"), CASES)
def test_sequences_that_share_a_row_do_not_know_of_each_other(name, frozen):
    model = make(name, **frozen)
    features = features_of(name)
    outputs = []

    def loss(found, batch):
        outputs.append(tf.nest.flatten(found))
        return loss_of(name)(found, batch)

    found_loss, found = gradients(model, loss, packed(features))
    expected_loss, expected = gradients(model, loss, alone(features))
    for one, other in zip(*outputs, strict=True):
        assert one.dtype == tf.float32
        np.testing.assert_allclose(one, other, atol=1e-5)
    assert found_loss == pytest.approx(expected_loss, rel=1e-5)
    assert_same_gradients(expected, found)
    # Tags have no use for the pooler, nor spans; what is added to all logits of a
    # softmax over places changes nothing, but for rounding.
    useless = {n for n, gradient in expected.items() if not gradient.any()}
    known = ("pooler", "table", *["head/bias"] * (name == "span_qa"))
    assert all(any(part in n for part in known) for n in useless), useless


@pytest.mark.parametrize("name", HEADS)
def test_weights_count_examples(name):
    # Without those of weight 0, and with those of weight 2 twice.
    model, features = make(name), features_of(name)
    # Pairs of sequences, as those of a choice belong together.
    weights = np.repeat([2.0, 0.0, 1.0], 2).astype("float32")
    repeated = np.concatenate([[0, 1], np.flatnonzero(weights)])
    once = {n: v for n, v in features.items() if n != "weight"}
    again = {n: tf.gather(v, repeated) for n, v in once.items()}
    loss = loss_of(name)
    expected, gradient = gradients(model, loss, packed(again))
    weighted = packed({**once, "weight": tf.constant(weights)})
    found, found_gradient = gradients(model, loss, weighted)
    assert found == pytest.approx(expected, rel=1e-5)
    assert_same_gradients(gradient, found_gradient)


@pytest.mark.parametrize("name", ["regression", "tagging", "span_qa", "choice"])
def test_config_round_trip(name):
    config = small_config(num_hidden_layers=1)
    arguments = {"features": "weighted_states", "lstm_units": 2, "dropout": 0.25}
    model = make(name, config, **arguments)
    config = json.loads(json.dumps(model.get_config()))
    again = type(model).from_config(config)
    assert [v.path for v in again.weights] == [v.path for v in model.weights]
    assert again.get_config() == model.get_config()
    again.set_weights(model.get_weights())
    batch = packed(features_of(name))
    for one, other in zip(
        tf.nest.flatten(model(batch)), tf.nest.flatten(again(batch)), strict=True
    ):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("features", FEATURES)
def test_features_are_those_of_evaluation(features):
    model = make("classification", features=features, dropout=0.0)
    assert not any("encoder" in v.path for v in model.trainable_variables)
    # Whatever the dropout of the encoder.
    assert model.encoder.config.hidden_dropout_prob > 0
    batch = packed(features_of("classification"))
    np.testing.assert_array_equal(model(batch, training=True), model(batch))


def test_an_encoder_of_features_does_not_move(eager):
    model = make("classification", features="weighted_all", dropout=0.0)
    before = [v.numpy() for v in model.encoder.weights]
    batch = packed(features_of("classification"))
    trainer = Trainer(model, AdamW(0.1), ClassificationObjective(), jit_compile="off")
    losses = [float(trainer.train_step(batch)["loss"]) for _ in range(15)]
    assert losses[-1] < losses[0]
    for variable, value in zip(model.encoder.weights, before, strict=True):
        np.testing.assert_array_equal(variable, value)


@pytest.mark.parametrize(
    ("name", "frozen"),
    [
        ("tagging", {}),
        ("span_qa", {}),
        ("weighted", FROZEN[0]),
        ("weighted", FROZEN[1]),
    ],
)
def test_mixed_precision_is_near_float32(name, frozen):
    exact = make(name, **frozen)
    mixed = make(name, **frozen, dtype="mixed_bfloat16")
    mixed.set_weights(exact.get_weights())
    assert mixed.encoder.compute_dtype == "bfloat16"
    batch = packed(features_of(name))
    outputs = []

    def loss(found, batch):
        outputs.extend(tf.nest.flatten(found))
        return loss_of(name)(found, batch)

    _, found = gradients(mixed, loss, batch)
    for one, other in zip(tf.nest.flatten(exact(batch)), outputs, strict=True):
        assert other.dtype == tf.float32
        np.testing.assert_allclose(other, one, atol=0.3)
    assert all(np.isfinite(gradient).all() for gradient in found.values())
    assert all(v.dtype == "float32" for v in mixed.trainable_variables)


def test_dropout_before_the_head():
    model = make("classification", dropout=0.5)
    batch = packed(features_of("classification"))
    np.testing.assert_array_equal(model(batch), model(batch))
    assert not np.allclose(model(batch, training=True), model(batch))
    assert make("classification").dropout_rate == small_config().hidden_dropout_prob


def test_a_bilstm_needs_features():
    with pytest.raises(ValueError, match="lstm_units=3 without features"):
        make("tagging", lstm_units=3)


def varied_batches(count=3):
    """Batches of as many sequences in different numbers of rows."""
    found = []
    for seed in range(count):
        lengths = np.random.default_rng(seed).integers(2 + seed % 3 * 5, ROW_LENGTH, 8)
        tokens = np.random.default_rng(seed).integers(5, 20, lengths.sum())
        values = tf.constant(tokens, tf.int32)
        features = {
            "token_ids": tf.RaggedTensor.from_row_lengths(values, lengths),
            "second_starts": tf.constant(lengths, tf.int32),
            "label": tf.constant(tokens[:8] % 2, tf.int32),
        }
        found.append(
            pack_batch(features, VOCABULARY, row_length=ROW_LENGTH, pad_to_bucket=True)
        )
    assert len({len(batch["token_ids"]) for batch in found}) > 2
    return found


# XLA compiles its parts anew for each number of rows; the traces are as many.
@pytest.mark.parametrize(
    "jit_compile", ["off", pytest.param("auto", marks=pytest.mark.slow)]
)
def test_two_traces_for_all_numbers_of_rows(jit_compile):
    config = small_config(
        num_hidden_layers=1, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0
    )
    model = make("classification", config)
    objective = ClassificationObjective()
    trainer = Trainer(model, AdamW(1e-3), objective, jit_compile=jit_compile)
    for batch in varied_batches():
        expected = loss_of("classification")(model(batch), batch)
        found = trainer.train_step(batch)
        assert float(found["loss"]) == pytest.approx(float(expected), rel=1e-5)
    assert trainer._train_step.experimental_get_tracing_count() <= 2
