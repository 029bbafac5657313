import math

import numpy as np
import pytest

from bert_tf.pretraining.unigram_baseline import (
    LabelCounts,
    count_labels,
    unigram_metrics,
)


def test_counts_only_what_has_weight():
    batch = {
        "mlm_ids": np.array([[5, 6], [5, 0]]),
        "mlm_weights": np.array([[1.0, 1], [1, 0]]),
        "row_weight": np.array([1.0, 0]),
        "sentence_label": np.array([1, 0]),
    }
    counts = count_labels([batch, batch], vocab_size=8)
    assert counts.tokens.tolist() == [0, 0, 0, 0, 0, 4, 2, 0]
    assert counts.sentences.tolist() == [0, 2]


def test_metrics():
    training = LabelCounts(np.array([2, 0, 5]), np.array([9, 19]))
    heldout = LabelCounts(np.array([1, 0, 3]), np.array([2, 2]))
    metrics = unigram_metrics(training, heldout, ["mlm_loss", "sentence_loss"])
    # With one added to each: 3/10, 1/10, 6/10 and 10/30, 20/30.
    mlm = -(math.log(0.3) + 3 * math.log(0.6)) / 4
    sentence = -(math.log(1 / 3) + math.log(2 / 3)) / 2
    assert metrics == pytest.approx(
        {
            "mlm_loss": mlm,
            "mlm_accuracy": 0.75,
            "sentence_loss": sentence,
            "sentence_accuracy": 0.5,
            "loss": mlm + sentence,
        }
    )


def test_without_sentences():
    counts = LabelCounts(np.array([2, 0, 5]), np.zeros(2, int))
    metrics = unigram_metrics(counts, counts, ["mlm_loss"])
    assert set(metrics) == {"loss", "mlm_loss", "mlm_accuracy"}


def test_of_other_objectives():
    counts = LabelCounts(np.array([2, 0, 5]), np.zeros(2, int))
    token_loss = unigram_metrics(counts, counts, ["mlm_loss"])["mlm_loss"]
    metrics = unigram_metrics(counts, counts, ["forward_loss", "backward_loss"])
    assert metrics["forward_loss"] == metrics["backward_loss"] == token_loss
    assert metrics["loss"] == 2 * token_loss
    # What share of the tokens a generator replaces, frequencies do not say.
    metrics = unigram_metrics(counts, counts, ["mlm_loss", "weighted_replaced_loss"])
    assert set(metrics) == {"mlm_loss", "mlm_accuracy"}
