"""The quality of a model: on running text, and at guessing masked pieces."""

import dataclasses
import itertools
import math
from collections.abc import Iterable, Sequence

import numpy as np

from bert_tf.ngram.language_model import LanguageModel
from data_pipelines.tokenizers.vocabulary import CLS, MASK, PAD, SEP, Vocabulary


@dataclasses.dataclass(frozen=True)
class TextScore:
    """The figures of a text that is predicted, piece after piece."""

    pieces: int
    perplexity: float  # exp of the mean negative logarithm of the probabilities
    bits_per_byte: float  # which does not depend on the vocabulary


@dataclasses.dataclass(frozen=True)
class ClozeScore:
    """The figures of masked pieces that are guessed, as BERT's evaluation has them."""

    mlm_accuracy: float  # share of the pieces that are the likeliest of all
    mlm_loss: float  # mean negative natural logarithm of their probabilities
    predictions: int  # number of masked pieces


def score_text(
    model: LanguageModel, texts: Iterable[np.ndarray], num_bytes: int
) -> TextScore:
    """Measures the perplexity of texts, int `(pieces,)` each.

    No context reaches from one into the next; `num_bytes` is that of all, as UTF-8.
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
    """Guesses at the places where BERT has to guess, from what it is shown.

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
    """The probability of each piece at a place of a row, float64 `(vocab_size,)`.

    See `LanguageModel.cloze`. A special token other than `[UNK]`, another mask as well
    as an end, says nothing, nor does what lies behind it.
    """
    silent = {vocabulary.id_of(token) for token in (PAD, CLS, SEP, MASK)}

    def known(neighbours: Sequence[int]) -> list[int]:
        ids = map(int, neighbours)
        return list(itertools.takewhile(lambda i: i not in silent, ids))

    before = known(token_ids[max(position - 2, 0) : position][::-1])[::-1]
    return model.cloze(before, known(token_ids[position + 1 : position + 3]))
