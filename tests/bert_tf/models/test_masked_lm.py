import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from bert_tf.models.masked_lm import BertPretrainer, PretrainingObjective
from tests.bert_tf.small_models import (
    random_batch,
    randomize,
    small_pretrainer,
    weights_by_name,
)
from tests.reference import bert


def reference_logits(model, batch):
    config = model.encoder.config.to_dict()
    weights = weights_by_name(model)
    encoder = {n.removeprefix("encoder/"): w for n, w in weights.items()}
    encoded = bert.encode(
        encoder,
        config,
        *(np.asarray(batch[k]) for k in ("token_ids", "segment_ids", "padding_mask")),
    )
    return bert.pretraining_logits(
        weights, config, *encoded, np.asarray(batch["mlm_positions"])
    )


def test_logits_and_losses_equal_the_numpy_reference():
    model = small_pretrainer()
    randomize(model)
    batch = random_batch()
    outputs = model(batch)
    mlm, sentence = reference_logits(model, batch)
    np.testing.assert_allclose(outputs["mlm"], mlm, atol=2e-5)
    np.testing.assert_allclose(outputs["sentence"], sentence, atol=2e-5)

    sums = PretrainingObjective().sums(outputs, batch)
    weights = np.asarray(batch["mlm_weights"])
    labels = np.asarray(batch["mlm_ids"])
    losses = bert.cross_entropy(mlm, labels)
    assert float(sums["mlm_loss"]) == pytest.approx((losses * weights).sum(), rel=1e-5)
    right = mlm.argmax(-1) == labels
    assert float(sums["mlm_accuracy"]) == (right * weights).sum()
    labels = np.asarray(batch["sentence_label"])
    losses = bert.cross_entropy(sentence, labels)
    assert float(sums["sentence_loss"]) == pytest.approx(losses.sum(), rel=1e-5)
    assert float(sums["sentence_accuracy"]) == (sentence.argmax(-1) == labels).sum()


def test_weights_of_the_sums():
    batch = random_batch()
    weights = PretrainingObjective().weights(batch)
    masked = np.asarray(batch["mlm_weights"]).sum()
    assert float(weights["mlm_loss"]) == pytest.approx(masked)
    assert float(weights["sentence_loss"]) == 4
    assert set(PretrainingObjective(sentence_task=False).weights(batch)) == {
        "mlm_loss",
        "mlm_accuracy",
    }


def test_rows_and_tokens_without_weight_do_not_count():
    model = small_pretrainer()
    batch = random_batch()
    batch["row_weight"] = tf.constant([1.0, 0, 1, 0])
    batch["mlm_weights"] *= batch["row_weight"][:, None]
    objective = PretrainingObjective()
    sums = objective.sums(model(batch), batch)
    kept = {name: tf.boolean_mask(v, [True, False] * 2) for name, v in batch.items()}
    expected = objective.sums(model(kept), kept)
    for name, value in sums.items():
        assert float(value) == pytest.approx(float(expected[name]), rel=1e-5)


def test_mixed_precision_gives_float32_logits():
    model = small_pretrainer(dtype="mixed_bfloat16")
    outputs = model(random_batch())
    assert {output.dtype for output in outputs.values()} == {tf.float32}


def test_output_embeddings_are_tied():
    model = small_pretrainer()
    batch = random_batch()
    unused = 15
    ids = batch["token_ids"]
    batch["token_ids"] = tf.where(ids == unused, unused + 1, ids)
    before = model(batch)["mlm"].numpy()
    table = model.encoder.embeddings.token_table
    values = np.asarray(table).copy()
    values[unused] *= 2
    table.assign(values)
    after = model(batch)["mlm"].numpy()
    changed = np.abs(after - before).max((0, 1)) > 1e-6
    assert changed.tolist() == [i == unused for i in range(len(values))]


def test_without_a_sentence_head():
    model = small_pretrainer(sentence_head=False)
    assert set(model(random_batch())) == {"mlm"}
    assert not any("sentence" in v.path for v in model.trainable_variables)


def test_config_round_trip():
    model = small_pretrainer(sentence_head=False, embedding_size=8)
    again = BertPretrainer.from_config(json.loads(json.dumps(model.get_config())))
    assert [v.shape for v in again.weights] == [v.shape for v in model.weights]


def test_trains_with_compile_and_fit():
    model = small_pretrainer(num_hidden_layers=1)
    batch = random_batch()
    labels = {"mlm": batch["mlm_ids"], "sentence": batch["sentence_label"]}
    weights = {"mlm": batch["mlm_weights"], "sentence": batch["row_weight"]}
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(3e-3), {"mlm": loss, "sentence": loss})
    history = model.fit(
        tf.data.Dataset.from_tensors((batch, labels, weights)).repeat(60),
        verbose=0,
        epochs=2,
        shuffle=False,
    )
    assert history.history["loss"][-1] < history.history["loss"][0] / 2
