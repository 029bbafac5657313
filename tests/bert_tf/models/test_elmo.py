import numpy as np
import pytest
import tensorflow as tf

from bert_tf.layers.gather import gather_tokens, sequence_layout
from bert_tf.models.bidirectional_lm import (
    BidirectionalLanguageModel,
    BidirectionalObjective,
)
from bert_tf.models.elmo import ElmoEncoder
from tests.bert_tf.packed import alone, packed, random_features
from tests.bert_tf.small_models import VOCABULARY, random_batch, randomize, small_config
from tests.reference import bert
from tests.reference.lstm import lstm
from tests.seeds import set_seed


def elmo_config(**changes):
    return small_config(
        architecture="elmo", type_vocab_size=0, tie_word_embeddings=False, **changes
    )


def small_encoder(**changes):
    set_seed(0)
    model = ElmoEncoder(elmo_config(**changes), name="encoder")
    randomize(model)
    model.embeddings.set_vocabulary(VOCABULARY.tokens)
    return model


def language_model():
    set_seed(0)
    model = BidirectionalLanguageModel(elmo_config(pooler=False), name="bert")
    randomize(model)
    model.encoder.embeddings.set_vocabulary(VOCABULARY.tokens)
    return model


def test_equals_numpy():
    model = small_encoder()
    batch = random_batch()
    outputs = model(batch, return_hidden_states=True)
    embedded = np.asarray(model.embeddings(batch["token_ids"]), np.float64)

    def weights_of(index, direction):
        layer = getattr(model.blocks[index], direction)
        return {w.path.split("/")[-1]: np.asarray(w) for w in layer.weights}

    for row, length in enumerate(np.asarray(batch["padding_mask"]).sum(1)):
        forward = backward = embedded[row, :length]
        for index in range(2):
            ahead = lstm(forward, weights_of(index, "forward"))
            back = lstm(backward[::-1], weights_of(index, "backward"))[::-1]
            forward = ahead + (forward if index else 0)
            backward = back + (backward if index else 0)
            np.testing.assert_allclose(
                outputs["hidden_states"][index + 1][row, :length],
                np.concatenate([forward, backward], axis=1),
                atol=1e-5,
            )
        mean = np.concatenate([forward, backward], axis=1).mean(0)
        pooled = np.tanh(
            mean @ np.asarray(model.pooler.kernel) + np.asarray(model.pooler.bias)
        )
        np.testing.assert_allclose(outputs["pooled_output"][row], pooled, atol=1e-5)
    both = np.asarray(outputs["hidden_states"][0])
    np.testing.assert_allclose(both[..., :8], both[..., 8:])


def test_sequences_that_share_a_row_do_not_know_of_each_other():
    model = small_encoder()
    features = random_features()
    one, other = packed(features), alone(features)
    rows = {k: other[k] for k in ("token_ids", "padding_mask")}
    outputs, expected = (
        model(inputs, return_hidden_states=True) for inputs in (one, rows)
    )
    for state, alike in zip(
        outputs["hidden_states"], expected["hidden_states"], strict=True
    ):
        tokens, mask = sequence_layout(one)
        found = np.asarray(gather_tokens(state, tokens))
        tokens, _ = sequence_layout(other)
        alike = np.asarray(gather_tokens(alike, tokens))
        np.testing.assert_allclose(found[mask], alike[mask], atol=1e-5)
    np.testing.assert_allclose(
        outputs["pooled_output"], expected["pooled_output"], atol=1e-5
    )


def test_no_token_is_read_for_its_own_prediction():
    """Whatever stands there, both guesses are the same; its neighbours' are not."""
    model = language_model()
    batch = {**random_batch(), "mlm_positions": tf.tile([[2, 3]], [4, 1])}
    ids = np.array(batch["token_ids"])
    ids[:, 3] = VOCABULARY.mask_id
    masked = model({**batch, "token_ids": ids})
    outputs = model(batch)
    for name in ("forward", "backward", "mlm"):
        np.testing.assert_allclose(outputs[name][:, 1], masked[name][:, 1], atol=1e-6)
    assert np.abs(outputs["backward"][:, 0] - masked["backward"][:, 0]).max() > 1e-3
    np.testing.assert_allclose(
        outputs["forward"][:, 0], masked["forward"][:, 0], atol=1e-6
    )


def test_losses_by_hand():
    model = language_model()
    batch = random_batch()
    # Not at an end: 1 to 4 are inside all rows.
    batch["mlm_positions"] = tf.constant([[1, 2, 4]] * 4)
    outputs = model(batch)
    vectors = np.asarray(model.encoder(batch)["sequence_output"])
    head = model.mlm_head
    weights = np.asarray(batch["mlm_weights"])
    expected = {}
    for name, shift, part in (
        ("forward", -1, vectors[..., :8]),
        ("backward", 1, vectors[..., 8:]),
    ):
        logits = part[:, [1 + shift, 2 + shift, 4 + shift]] @ np.asarray(
            head.output_table
        ).T + np.asarray(head.output_bias)
        np.testing.assert_allclose(outputs[name], logits, atol=1e-5)
        losses = bert.cross_entropy(logits, np.asarray(batch["mlm_ids"]))
        expected[name] = (losses * weights).sum()
    sums = BidirectionalObjective().sums(outputs, batch)
    for name, value in expected.items():
        assert float(sums[f"{name}_loss"]) == pytest.approx(value, rel=1e-5)
    both = sum(tf.nn.log_softmax(outputs[n]) for n in ("forward", "backward"))
    right = np.argmax(both, -1) == np.asarray(batch["mlm_ids"])
    assert float(sums["mlm_accuracy"]) == (right * weights).sum()
    training = model(batch, training=True)
    assert set(training) == {"forward", "backward"}
    assert "mlm_accuracy" not in BidirectionalObjective().sums(training, batch)


def test_round_trip_and_wrong_sizes():
    model = language_model()
    again = BidirectionalLanguageModel.from_config(model.get_config())
    assert [w.path for w in again.weights] == [w.path for w in model.weights]
    with pytest.raises(ValueError, match="an even number for ELMo"):
        elmo_config(hidden_size=15, num_attention_heads=1)
    with pytest.raises(ValueError, match="Received architecture='lstm'"):
        small_config(architecture="lstm")
