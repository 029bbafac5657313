import numpy as np
import pytest
import tensorflow as tf

from bert_tf.layers.dropout import replayable_dropout
from bert_tf.models.replaced_token_detection import (
    ReplacedTokenDetector,
    ReplacedTokenObjective,
    generator_config,
)
from tests.bert_tf.small_models import VOCABULARY, random_batch, randomize, small_config
from tests.seeds import set_seed


def detector(**changes):
    set_seed(0)
    model = ReplacedTokenDetector(
        small_config(**{"pooler": False, **changes}), name="bert"
    )
    randomize(model)
    return model


def read_by_the_encoder(model, batch, **arguments):
    """The tokens that the generator left, and the outputs."""
    seen = []
    call = model.encoder.call
    model.encoder.call = lambda inputs, **more: (
        seen.append(inputs) or call(inputs, **more)
    )
    try:
        outputs = model(batch, **arguments)
    finally:
        model.encoder.call = call
    return np.asarray(seen[-1]["token_ids"]), outputs


def test_what_the_generator_writes_stands_at_the_masked_places_alone():
    model = detector()
    batch = random_batch(batch_size=64)
    written, outputs = read_by_the_encoder(model, batch)
    original = np.array(batch["token_ids"])
    is_replaced = np.zeros(original.shape)
    for row in range(64):
        for place in range(3):
            position = batch["mlm_positions"][row, place]
            if batch["mlm_weights"][row, place]:
                differs = written[row, position] != batch["mlm_ids"][row, place]
                is_replaced[row, position] = differs
                original[row, position] = written[row, position]
    np.testing.assert_array_equal(written, original)
    np.testing.assert_array_equal(outputs["is_replaced"], is_replaced)
    assert is_replaced.any() and not is_replaced.all()


def test_tokens_are_drawn_from_what_the_generator_holds_probable():
    model = detector()
    # Of the same logits everywhere: the bias alone.
    for variable in model.mlm_head.trainable_variables:
        if "/norm/" in variable.path:
            variable.assign(np.zeros(variable.shape))
    logits = np.full(len(VOCABULARY), -30.0)
    logits[5:8] = [0, 1, 2]
    model.mlm_head.output_bias.assign(logits)
    batch = {
        "token_ids": tf.fill([4000, 2], 9),
        "padding_mask": tf.fill([4000, 2], True),
        "mlm_positions": tf.ones([4000, 1], tf.int32),
        "mlm_ids": tf.fill([4000, 1], 7),
        "mlm_weights": tf.ones([4000, 1]),
    }

    def drawn(*seed):
        with replayable_dropout(tf.constant(seed)):
            return read_by_the_encoder(model, batch, training=True)

    written, outputs = drawn(1, 2)
    shares = np.bincount(written[:, 1], minlength=len(VOCABULARY)) / 4000
    expected = np.exp(logits) / np.exp(logits).sum()
    np.testing.assert_allclose(shares, expected, atol=0.03)
    assert shares[5:8].sum() == 1
    # What was there by luck is not replaced.
    replaced = np.asarray(outputs["is_replaced"])[:, 1]
    np.testing.assert_array_equal(replaced, written[:, 1] != 7)
    assert np.array_equal(drawn(1, 2)[0], written)
    assert not np.array_equal(drawn(1, 3)[0], written)


def test_losses_by_hand():
    model = detector()
    batch = random_batch()
    outputs = model(batch)
    objective = ReplacedTokenObjective()
    sums, weights = objective.sums(outputs, batch), objective.weights(batch)
    real = np.asarray(batch["padding_mask"])
    logits = np.asarray(outputs["replaced"], np.float64)
    share = 1 / (1 + np.exp(-logits))
    right = np.asarray(outputs["is_replaced"])
    losses = -np.where(right > 0, np.log(share), np.log(1 - share))[real]
    assert float(sums["replaced_loss"]) == pytest.approx(losses.sum(), rel=1e-5)
    assert float(sums["weighted_replaced_loss"]) == pytest.approx(50 * losses.sum())
    assert float(weights["replaced_loss"]) == pytest.approx(real.sum())
    guessed = (share > 0.5) == (right > 0)
    assert float(sums["replaced_accuracy"]) == guessed[real].sum()


def test_tables_are_shared_and_the_rest_is_not():
    model = detector(hidden_size=32, embedding_size=16)
    small = generator_config(model.encoder.config)
    assert model.generator.embeddings is model.encoder.embeddings
    names = [w.path for w in model.weights]
    assert sum(name.endswith("token_table") for name in names) == 1
    assert len(set(names)) == len(names)
    assert small.num_hidden_layers == 2 and small.intermediate_size == 8
    base = generator_config(small_config(hidden_size=768, num_attention_heads=12))
    assert (base.hidden_size, base.num_attention_heads) == (192, 3)


def test_gradients_of_the_detection_do_not_reach_the_generator():
    model = detector(hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    batch = random_batch()
    with tf.GradientTape() as tape:
        sums = ReplacedTokenObjective().sums(model(batch, training=True), batch)
    variables = [w.value for w in model.generator.blocks[0].trainable_variables]
    found = tape.gradient(sums["replaced_loss"], variables)
    assert all(gradient is None for gradient in found)


def test_without_labels_it_guesses_masked_tokens():
    model = detector()
    batch = random_batch()
    inputs = {n: v for n, v in batch.items() if n not in ("mlm_ids", "mlm_weights")}
    outputs = model(inputs)
    assert set(outputs) == {"mlm"}
    np.testing.assert_array_equal(outputs["mlm"], model(batch)["mlm"])
