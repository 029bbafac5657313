"""Ids that no table has are refused alike, by every model that is called eagerly."""

import numpy as np
import pytest
import tensorflow as tf

from bert_tf.models.objectives import make_pretrainer
from bert_tf.serving.pretrained import TextModel
from data_pipelines.pretraining.batches import evaluation_batches
from data_pipelines.pretraining.row_options import RowOptions
from data_pipelines.rows import features
from data_pipelines.tokenizers.tokenizer import make_tokenizer
from tests.bert_tf.small_models import (
    VOCABULARY,
    random_batch,
    small_config,
    small_pretrainer,
)

LAST = len(VOCABULARY) - 1
MODELS = {
    "masked_lm": {},
    "next_token": {"causal": True},
    "replaced_tokens": {},
    "both_directions": {"architecture": "elmo", "tie_word_embeddings": False},
}


@pytest.fixture(scope="module")
def model_of():
    made = {}

    def of(objective):
        if objective not in made:
            config = small_config(
                num_hidden_layers=1, pooler=False, **MODELS[objective]
            )
            made[objective] = make_pretrainer(objective, config, sentence_head=False)
        return made[objective]

    return of


def changed(name, value):
    batch = random_batch()
    ids = batch[name].numpy()
    ids[0, 0] = value
    return {**batch, name: tf.constant(ids)}


@pytest.mark.parametrize(
    ("name", "value", "last"),
    [
        ("token_ids", -1, LAST),
        ("token_ids", LAST + 1, LAST),
        ("segment_ids", 5, 1),
        ("segment_ids", -1, 1),
        ("mlm_positions", 12, 11),
        ("mlm_positions", -1, 11),
    ],
)
@pytest.mark.parametrize("objective", MODELS)
def test_ids_out_of_range(model_of, objective, name, value, last):
    if name == "segment_ids" and objective == "both_directions":
        pytest.skip("ELMo has no segments")
    batch = changed(name, value)
    low, high = (
        reduce(batch[name]).numpy() for reduce in (tf.reduce_min, tf.reduce_max)
    )
    message = rf"Received {name} from {low} to {high}\. Expected 0 to {last}\."
    with pytest.raises(ValueError, match=message):
        model_of(objective)(batch)
    # In a graph, as in training, nothing is looked at.
    model_of(objective)(random_batch())


@pytest.mark.parametrize("place", [-1, 24])
def test_positions_out_of_range(model_of, place):
    batch = random_batch()
    positions = np.tile(np.arange(12, dtype="int32"), (4, 1))
    positions[1, 3] = place
    with pytest.raises(ValueError, match=r"Received positions from .*Expected 0 to 23"):
        model_of("masked_lm")({**batch, "positions": tf.constant(positions)})


@pytest.mark.parametrize("precision", ["float32", "int8"])
@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("token_ids", -1, f"Received token_ids from -1 to .* 0 to {LAST}"),
        ("token_ids", 99, f"Received token_ids from .* to 99. Expected 0 to {LAST}"),
        ("segment_ids", 2, r"Received segment_ids from 0 to 2. Expected 0 to 1"),
    ],
)
def test_the_signature_that_takes_ids(precision, name, value, message):
    model = small_pretrainer(num_hidden_layers=1)
    tokenizer = make_tokenizer(VOCABULARY)
    text_model = TextModel(model, tokenizer, precision=precision)
    encode = tf.function(text_model.encode, reduce_retracing=True)
    names = ("token_ids", "segment_ids", "padding_mask")
    encode(*(random_batch()[n] for n in names))
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        encode(*(changed(name, value)[n] for n in names))


def test_rows_that_are_too_long_for_the_signature():
    model = small_pretrainer(num_hidden_layers=1)
    text_model = TextModel(model, make_tokenizer(VOCABULARY))
    encode = text_model.signatures()["encode"]
    ids = tf.zeros([1, 25], tf.int32)
    message = "Expected rows of at most 24 tokens"
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        encode(ids, ids, ids == 0)


@pytest.mark.parametrize("wrong", [-1, LAST + 1])
def test_records_of_another_vocabulary(wrong):
    part = features.part_to_example([7, 8, 9, wrong], [2, 2], document_id=1)

    def documents(epoch, stream, num_streams):
        return tf.data.Dataset.from_tensors(part).map(features.parse_part)

    rows = RowOptions(8, sentences="full_sentences", max_predictions=2)
    batches = evaluation_batches(documents, VOCABULARY, rows, batch_size=2)
    message = rf"Received token_ids from .* Expected 0 to {LAST}\."
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        list(batches)
