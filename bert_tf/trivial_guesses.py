"""What one scores without a model: the yardstick for held-out figures."""

import dataclasses
from collections.abc import Iterable
from typing import Any

import numpy as np


@dataclasses.dataclass(frozen=True)
class LabelCounts:
    """How often each label occurs in the training data.

    Attributes:
        tokens: int64 (vocabulary,), masked tokens by id.
        sentences: int64 (2,), rows by label of the sentence task.
    """

    tokens: np.ndarray
    sentences: np.ndarray


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


def trivial_metrics(
    training: LabelCounts, heldout: LabelCounts, sentence_task: bool = True
) -> dict[str, float]:
    """The held-out metrics of a guesser that knows the frequencies alone.

    Its losses are cross-entropies (nats) with the unigram frequencies of the training
    labels, one added to each count; its accuracies are those of always giving the most
    frequent training label. The names are those of `PretrainingObjective`.
    """
    metrics = _metrics("mlm", training.tokens, heldout.tokens)
    if sentence_task:
        metrics |= _metrics("sentence", training.sentences, heldout.sentences)
    losses = [value for name, value in metrics.items() if name.endswith("_loss")]
    return {"loss": sum(losses), **metrics}


def _metrics(name: str, training: np.ndarray, heldout: np.ndarray) -> dict[str, float]:
    smoothed = training + 1
    log_probabilities = np.log(smoothed / smoothed.sum())
    total = max(int(heldout.sum()), 1)
    return {
        f"{name}_loss": float(-(heldout * log_probabilities).sum() / total),
        f"{name}_accuracy": float(heldout[training.argmax()] / total),
    }
