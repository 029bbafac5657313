"""The unigram baseline: the score of token frequencies alone on held-out text."""

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

# Number of batches whose labels are counted.
_COUNTED_BATCHES = 200
# Losses that are means over predicted tokens.
_TOKEN_LOSSES = ("mlm_loss", "forward_loss", "backward_loss")


@dataclasses.dataclass(frozen=True)
class LabelCounts:
    """Counts of masked tokens by id, and of rows by label of the sentence task."""

    tokens: np.ndarray  # int64 (vocabulary,)
    sentences: np.ndarray  # int64 (2,)


def count_labels(batches: Iterable[dict[str, Any]], vocab_size: int) -> LabelCounts:
    """Counts the labels of training batches."""
    tokens, sentences = np.zeros(vocab_size, np.int64), np.zeros(2, np.int64)
    for batch in batches:
        masked = np.asarray(batch["mlm_ids"])[np.asarray(batch["mlm_weights"]) > 0]
        tokens += np.bincount(masked, minlength=vocab_size)
        real = np.asarray(batch["row_weight"]) > 0
        labels = np.asarray(batch["sentence_label"])[real]
        sentences += np.bincount(labels, minlength=2)
    return LabelCounts(tokens, sentences)


def unigram_baseline(
    training: tf.data.Dataset,
    heldout: tf.data.Dataset,
    vocab_size: int,
    losses: Sequence[str],
) -> dict[str, float]:
    """Returns `unigram_metrics` of held-out batches, after some training batches."""
    seen = count_labels(training.take(_COUNTED_BATCHES), vocab_size)
    return unigram_metrics(seen, count_labels(heldout, vocab_size), losses)


def unigram_metrics(
    training: LabelCounts, heldout: LabelCounts, losses: Sequence[str]
) -> dict[str, float]:
    """Computes the held-out metrics of a predictor that knows only frequencies.

    Its losses are cross-entropies (nats) with the unigram frequencies of the training
    labels, with one added to each count; its accuracies are those of always predicting
    the most frequent training label. Losses that frequencies cannot give are left out,
    and in that case the sum of all losses is left out, too.
    """
    token_loss, token_accuracy = _metrics(training.tokens, heldout.tokens)
    metrics = {name: token_loss for name in losses if name in _TOKEN_LOSSES}
    metrics["mlm_accuracy"] = token_accuracy
    if "sentence_loss" in losses:
        metrics["sentence_loss"], metrics["sentence_accuracy"] = _metrics(
            training.sentences, heldout.sentences
        )
    if set(losses) <= set(metrics):
        metrics = {"loss": sum(metrics[name] for name in losses), **metrics}
    return metrics


def _metrics(training: np.ndarray, heldout: np.ndarray) -> tuple[float, float]:
    smoothed = training + 1
    log_probabilities = np.log(smoothed / smoothed.sum())
    total = max(int(heldout.sum()), 1)
    loss = float(-(heldout * log_probabilities).sum() / total)
    return loss, float(heldout[training.argmax()] / total)
