import json

import numpy as np
import pytest
import tensorflow as tf

from bert_tf.models.masked_lm import BertPretrainer
from bert_tf.tasks.correction import (
    MEAN_WRITTEN,
    BertCorrector,
    CorrectionObjective,
    decode_edits,
)
from data_pipelines.finetuning.correction import DELETE, INSERT, KEEP, REPLACE
from tests.bert_tf.packed import (
    ROW_LENGTH,
    alone,
    assert_same_gradients,
    packed,
    random_features,
)
from tests.bert_tf.small_models import VOCABULARY, randomize, small_config
from tests.seeds import set_seed


def make(**arguments):
    set_seed(1)
    nothing = dict.fromkeys(
        ("hidden_dropout_prob", "attention_probs_dropout_prob"), 0.0
    )
    config = small_config(**nothing, **arguments)
    model = BertCorrector(config, name="bert", dropout=0.0)
    randomize(model, scale=0.5)
    # All tags are about as frequent.
    logits = model(packed(features()))["tags"].numpy()
    usual = np.where(logits < -1e6, 0, logits).mean(axis=(0, 1))
    model.head.bias.assign(model.head.bias - usual)
    return model


def features(seed=0):
    """Sequences without a second segment, of which every token but [SEP] is asked."""
    made = random_features(6, seed)
    lengths = made["token_ids"].row_lengths()
    generator = np.random.default_rng(seed)
    last = tf.ragged.range(lengths) == (lengths - 1)[:, None]
    is_asked = 1 - tf.cast(last.values, tf.int32)
    tags = tf.constant(generator.integers(0, 4, len(is_asked)), tf.int32)
    tags = tf.where(is_asked == 1, tags, -1)
    ids = tf.constant(generator.integers(5, len(VOCABULARY), len(tags)), tf.int32)
    written = tf.where((tags == REPLACE) | (tags == INSERT), ids, -1)
    of_tokens = {"is_asked": is_asked, "tags": tags, "written": written}
    return {
        **made,
        "second_starts": tf.cast(lengths, tf.int32),
        **{name: last.with_values(values) for name, values in of_tokens.items()},
    }


def test_outputs():
    model, batch = make(), packed(features())
    outputs = model(batch)
    tags = outputs["tags"].numpy()
    chosen = tags.argmax(-1)
    # [CLS] is neither replaced nor deleted.
    assert np.isin(chosen[:, 0], [KEEP, INSERT]).all()
    writes = np.isin(chosen, [REPLACE, INSERT]) & (batch["is_asked"].numpy() == 1)
    places = outputs["written_places"].numpy()
    assert places.tolist() == np.flatnonzero(writes).tolist() and len(places) > 5
    assert outputs["pieces"].shape == (len(places), len(VOCABULARY))
    # In training: what is to be written, and no more than so many.
    batch = {**batch, "tags": batch["tags"]}
    trained = model(batch, training=True)
    gold = np.flatnonzero(batch["written"].numpy() >= 0)
    count = MEAN_WRITTEN * 6
    assert len(gold) < 2 * count
    expected = gold[:count].tolist()
    assert trained["written_places"].numpy()[: len(expected)].tolist() == expected
    assert trained["pieces"].shape == (count, len(VOCABULARY))


def test_sequences_that_share_a_row_do_not_know_of_each_other():
    model = make()
    given = features()
    one, other = (model(batch) for batch in (packed(given), alone(given)))
    # Behind the end of a sequence stands another one.
    inside = tf.sequence_mask(given["token_ids"].row_lengths(), ROW_LENGTH)
    tags = [tf.boolean_mask(outputs["tags"], inside) for outputs in (one, other)]
    np.testing.assert_allclose(*tags, atol=1e-5)
    for name in ("written_places", "pieces"):
        np.testing.assert_allclose(one[name], other[name], atol=1e-5)


def test_the_loss_by_hand():
    model, batch = make(), packed(features())
    objective = CorrectionObjective()
    outputs = model(batch, training=True)
    sums, weights = objective.sums(outputs, batch), objective.weights(batch)
    found = {name: float(sums[name] / weights[name]) for name in sums}

    logits, tags = outputs["tags"].numpy(), batch["tags"].numpy()
    logs = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    total = weight = right = edits = 0
    for row, column in np.argwhere(tags >= 0):
        tag = tags[row, column]
        weight += 3.0 if tag else 1.0
        total -= (3.0 if tag else 1.0) * logs[row, column, tag]
        edits += tag > 0
        right += tag > 0 and logits[row, column].argmax() == tag
    assert found["loss_per_tag"] == pytest.approx(total / weight, rel=1e-4)
    assert found["edits_found"] == pytest.approx(right / edits, rel=1e-4)

    pieces = outputs["pieces"].numpy()
    logs = pieces - np.log(np.exp(pieces).sum(-1, keepdims=True))
    ids = batch["written"].numpy().ravel()[outputs["written_places"].numpy()]
    losses = [-logs[place, i] for place, i in enumerate(ids) if i >= 0]
    assert found["loss_per_piece"] == pytest.approx(np.mean(losses), rel=1e-4)
    hits = [pieces[place].argmax() == i for place, i in enumerate(ids) if i >= 0]
    assert found["accuracy"] == pytest.approx(np.mean(hits), rel=1e-4)


def test_gradients_of_packed_rows():
    model = make()
    objective = CorrectionObjective()

    def gradients(batch):
        with tf.GradientTape() as tape:
            outputs = model(batch, training=True)
            sums, weights = objective.sums(outputs, batch), objective.weights(batch)
            loss = sum(sums[name] / weights[name] for name in objective.losses)
        variables = model.trainable_variables
        found = tape.gradient(
            loss, [v.value for v in variables], unconnected_gradients="zero"
        )
        return {
            variable.path: tf.convert_to_tensor(gradient).numpy()
            for variable, gradient in zip(variables, found, strict=True)
        }

    given = features()
    found = gradients(packed(given))
    assert_same_gradients(gradients(alone(given)), found)
    assert all(g.any() for name, g in found.items() if "head" in name or "tag_" in name)


def test_weights_count_texts():
    # Without those of weight 0, and with those of weight 2 twice.
    model, objective = make(), CorrectionObjective()
    weights = np.array([2, 0, 1, 1, 2, 0], "float32")
    repeated = np.concatenate([[0, 4], np.flatnonzero(weights)])

    def losses(features):
        batch = packed(features)
        sums = objective.sums(model(batch, training=True), batch)
        totals = objective.weights(batch)
        return [float(sums[name] / totals[name]) for name in objective.losses]

    once = features()
    again = {name: tf.gather(values, repeated) for name, values in once.items()}
    found = losses({**once, "weight": tf.constant(weights)})
    assert found == pytest.approx(losses(again), rel=1e-4)


def test_no_batch_without_edits_is_lost():
    given = features()
    nothing = tf.zeros_like(given["tags"])
    batch = packed({**given, "tags": nothing, "written": nothing - 1})
    outputs = make()(batch, training=True)
    objective = CorrectionObjective()
    sums, weights = objective.sums(outputs, batch), objective.weights(batch)
    assert float(sums["loss_per_piece"] / weights["loss_per_piece"]) == 0
    assert np.isfinite(float(sums["loss_per_tag"] / weights["loss_per_tag"]))


def test_decoded_edits():
    model, batch = make(), packed(features())
    outputs = model(batch)
    decoded = {name: v.to_list() for name, v in decode_edits(outputs, batch).items()}
    tags = outputs["tags"].numpy()
    shares = np.exp(tags) / np.exp(tags).sum(-1, keepdims=True)
    pieces = tf.nn.softmax(outputs["pieces"]).numpy()
    by_place = dict(
        zip(outputs["written_places"].numpy().tolist(), pieces, strict=True)
    )
    width = tags.shape[1]
    for row, length in enumerate(batch["lengths"].numpy()):
        assert len(decoded["tags"][row]) == length - 1
        for place in range(length - 1):
            tag = tags[row, place].argmax()
            assert decoded["tags"][row][place] == tag
            expected, written = shares[row, place, tag], -1
            if tag not in (KEEP, DELETE):
                piece = by_place[row * width + place]
                expected, written = expected * piece.max(), piece.argmax()
            assert decoded["written"][row][place] == written
            assert decoded["probabilities"][row][place] == pytest.approx(
                expected, rel=1e-4
            )


def test_nothing_to_write():
    model = make()
    model.head.bias.assign([100.0, 0.0, 0.0, 0.0])
    batch = packed(features())
    outputs = model(batch)
    assert outputs["pieces"].shape == (0, len(VOCABULARY))
    assert not any(sum(row) for row in decode_edits(outputs, batch)["tags"].to_list())


def test_the_head_begins_as_it_was_pretrained():
    pretrained = BertPretrainer(small_config(), name="bert")
    randomize(pretrained)
    corrector = BertCorrector(small_config(), name="bert")
    weights = {v.path: v for v in pretrained.weights}
    for variable in corrector.weights:
        if variable.path in weights:
            variable.assign(weights[variable.path])
    batch = packed(features())
    batch = {**batch, "tags": tf.zeros_like(batch["tags"])}
    outputs = corrector(batch, training=False)
    places = outputs["written_places"].numpy()
    width = batch["is_asked"].shape[1]
    tokens = batch["first_tokens"].numpy()[places // width] + places % width
    positions = tf.constant(np.arange(batch["token_ids"].shape[1])[None], tf.int32)
    rows = len(batch["token_ids"])
    logits = pretrained({**batch, "mlm_positions": tf.repeat(positions, rows, 0)})[
        "mlm"
    ]
    flat = tf.reshape(logits, [-1, len(VOCABULARY)])
    np.testing.assert_allclose(outputs["pieces"], tf.gather(flat, tokens), atol=1e-5)


@pytest.mark.parametrize("changes", [{}, {"hidden_act": "geglu"}])
def test_config_round_trip(changes):
    model = make(**changes)
    again = BertCorrector.from_config(json.loads(json.dumps(model.get_config())))
    assert [v.path for v in again.weights] == [v.path for v in model.weights]
    assert again.get_config() == model.get_config()


def test_features_are_refused():
    with pytest.raises(ValueError, match="features='last' for kind correction"):
        BertCorrector(small_config(), features="last")
