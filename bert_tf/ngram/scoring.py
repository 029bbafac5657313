"""Scores of a model on running text, and on masked pieces."""

import dataclasses
import itertools
import math
from collections.abc import Iterable, Sequence

import numpy as np

from bert_tf.ngram.language_model import LanguageModel
from data_pipelines.tokenizers.vocabulary import CLS, MASK, PAD, SEP, Vocabulary


@dataclasses.dataclass(frozen=True)
class TextScore:
    """The scores of a text that is predicted piece by piece."""

    pieces: int
    perplexity: float  # exp of the mean negative log-probability
    bits_per_byte: float  # independent of the vocabulary


@dataclasses.dataclass(frozen=True)
class ClozeScore:
    """The scores of predictions of masked pieces, as in the evaluation of BERT."""

    mlm_accuracy: float  # share of masks whose most probable piece is right
    mlm_loss: float  # mean negative log-probability of the right piece, in nats
    predictions: int  # number of masked pieces


def score_text(
    model: LanguageModel, texts: Iterable[np.ndarray], num_bytes: int
) -> TextScore:
    """Measures the perplexity of texts, int `(pieces,)` each.

    Contexts do not cross texts; `num_bytes` is the total size of the texts in UTF-8.
    """
    nats, pieces = 0.0, 0
    for text in texts:
        nats -= float(model.log_probabilities(text).sum())
        pieces += len(text)
    return TextScore(pieces, math.exp(nats / pieces), nats / math.log(2) / num_bytes)


def score_cloze(
    model: LanguageModel,
    vocabulary: Vocabulary,
    batches: Iterable[dict[str, np.ndarray]],
) -> ClozeScore:
    """Predicts the masks of the rows on which BERT is evaluated.

    The batches are those of `data_pipelines.pretraining.batches.evaluation_batches`.
    """
    right, nats, total = 0, 0.0, 0
    for batch in batches:
        for row, place in np.argwhere(batch["mlm_weights"] > 0):
            position = batch["mlm_positions"][row, place]
            piece = batch["mlm_ids"][row, place]
            guess = guesses(model, vocabulary, batch["token_ids"][row], position)
            right += int(guess.argmax() == piece)
            nats -= math.log(guess[piece])
            total += 1
    return ClozeScore(right / total, nats / total, total)


def guesses(
    model: LanguageModel,
    vocabulary: Vocabulary,
    token_ids: Sequence[int],
    position: int,
) -> np.ndarray:
    """The probability of each piece at a position of a row, float64 `(vocab_size,)`.

    See `LanguageModel.cloze`. The context ends before any special token other than
    `[UNK]`, such as another mask.
    """
    silent = {vocabulary.id_of(token) for token in (PAD, CLS, SEP, MASK)}

    def known(neighbours: Sequence[int]) -> list[int]:
        ids = map(int, neighbours)
        return list(itertools.takewhile(lambda i: i not in silent, ids))

    before = known(token_ids[max(position - 2, 0) : position][::-1])[::-1]
    return model.cloze(before, known(token_ids[position + 1 : position + 3]))
