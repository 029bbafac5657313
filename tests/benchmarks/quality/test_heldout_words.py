"""Bits per byte of masked words, beside a loop over single words."""

import dataclasses

import numpy as np
import pytest

from benchmarks.quality.heldout_words import Row, heldout_rows, heldout_scores
from bert_tf.checkpoints import model_dir
from bert_tf.models.objectives import make_pretrainer
from data_pipelines.tokenizers.vocabulary import Vocabulary
from tests.bert_tf.small_models import VOCABULARY, randomize, small_config


def loaded_model(vocabulary=VOCABULARY, **changes):
    config = small_config(vocab_size=len(vocabulary), **changes)
    model = make_pretrainer("masked_lm", config, sentence_head=False)
    randomize(model)
    return model_dir.LoadedModel(
        model, vocabulary, model_dir.Description(model_dir.PRETRAINING)
    )


def document(seed, words=4000):
    draw = np.random.default_rng(seed)
    return " ".join(draw.choice(["the", "cat,", "Dog's", "naïve", "(mat)"], words))


def test_the_words_of_rows():
    rows = heldout_rows([document(0), document(1), "too short for a row"])
    assert len(rows) == 40
    masked = [row.text.encode()[a:b].decode() for row in rows for a, b in row.words]
    assert set(masked) == {"the", "cat", "Dog", "s", "naïve", "mat"}
    total = sum(len(row.text.replace("'", " ").split()) for row in rows)
    assert 0.12 < len(masked) / total < 0.18
    assert all(len(row.text.encode()) <= 240 for row in rows)
    # The same words, whatever other documents there are.
    assert heldout_rows([document(0)]) == rows[:20]


ROWS = (
    Row("The cats sat on the mat.", ((4, 8), (20, 23))),
    Row("a dog ran home", ((0, 1),)),
)


def expected_bits(loaded, rows):
    """The bits of each word, one row after another, by the softmax's definition."""
    found = []
    for row in rows:
        ids, starts, ends = (
            x.to_list()[0] for x in loaded.tokenizer.tokenize_with_offsets([row.text])
        )
        spans = list(zip(starts, ends, strict=True))
        inside = [
            [p for p, (s, e) in enumerate(spans) if a <= s and e <= b]
            for a, b in row.words
        ]
        token_ids = np.array([[2, *ids, 3]], np.int32)
        labels = token_ids.copy()
        masked = [p + 1 for places in inside for p in places]
        token_ids[0, masked] = VOCABULARY.mask_id
        inputs = {
            "token_ids": token_ids,
            "segment_ids": np.zeros_like(token_ids),
            "padding_mask": np.ones_like(token_ids, bool),
            "mlm_positions": np.array([masked], np.int32),
        }
        logits = np.asarray(loaded.model(inputs)["mlm"], np.float64)[0]
        shares = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
        bits = dict(
            zip(
                masked,
                -np.log2(shares[range(len(masked)), labels[0, masked]]),
                strict=True,
            )
        )
        found += [sum(bits[p + 1] for p in places) for places in inside]
    return found


@pytest.mark.parametrize("batch_size", [1, 2])
def test_bits_of_words(batch_size):
    loaded = loaded_model()
    assert (VOCABULARY.cls_id, VOCABULARY.sep_id) == (2, 3)
    scores = heldout_scores(loaded, ROWS, batch_size)
    bits = expected_bits(loaded, ROWS)
    # cats, mat, a.
    assert scores.bits_per_byte == pytest.approx(sum(bits) / (4 + 3 + 1), rel=1e-5)
    assert (scores.num_words, scores.unknown_words) == (3, 0)


def test_a_model_without_knowledge_and_one_that_is_right():
    loaded = loaded_model()
    for variable in loaded.model.mlm_head.trainable_variables:
        variable.assign(np.zeros(variable.shape))
    # Four pieces (cat ##s, mat, a), of eight bytes.
    scores = heldout_scores(loaded, ROWS)
    assert scores.bits_per_byte == pytest.approx(4 * np.log2(len(VOCABULARY)) / 8)
    bias = np.full(len(VOCABULARY), -50.0)
    bias[VOCABULARY.id_of("a")] = 50.0
    loaded.model.mlm_head.output_bias.assign(bias)
    scores = heldout_scores(loaded, ROWS)
    assert (scores.word_accuracy, scores.piece_accuracy) == (1 / 3, 1 / 4)
    scores = heldout_scores(loaded, [ROWS[1]])
    assert scores.bits_per_byte == pytest.approx(0, abs=1e-6)
    assert scores.word_accuracy == 1


def test_unknown_words_cost_their_bytes():
    tokens = tuple(t for t in VOCABULARY.tokens if t != "mat")
    scores = heldout_scores(
        loaded_model(Vocabulary(tokens)), [Row("the mat.", ((4, 7),))]
    )
    assert dataclasses.astuple(scores) == (8.0, 0.0, pytest.approx(0, abs=1), 1, 1)


def test_models_that_cannot_guess():
    with pytest.raises(ValueError, match="Received a causal model"):
        heldout_scores(loaded_model(causal=True), ROWS)
    with pytest.raises(ValueError, match="row of 32 tokens, more than the 24"):
        heldout_scores(loaded_model(), [Row("the " * 30, ((0, 3),))])
