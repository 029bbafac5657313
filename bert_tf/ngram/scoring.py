"""How good a model is: on running text, and at guessing masked pieces."""

import dataclasses
import math
from collections.abc import Iterable, Sequence

import numpy as np

from bert_tf.ngram.language_model import LanguageModel
from data_pipelines.tokenizers.vocabulary import Vocabulary


@dataclasses.dataclass(frozen=True)
class TextScore:
    """How well a text is predicted, piece after piece.

    Attributes:
        pieces: of the text.
        perplexity: exp of the mean negative logarithm of their probabilities.
        bits_per_byte: the same for what does not depend on the vocabulary.
    """

    pieces: int
    perplexity: float
    bits_per_byte: float


@dataclasses.dataclass(frozen=True)
class ClozeScore:
    """How well masked pieces are guessed, as BERT's evaluation measures it.

    Attributes:
        mlm_accuracy: share of the pieces that are the likeliest of all.
        mlm_loss: mean negative natural logarithm of their probabilities.
        predictions: how many were masked.
    """

    mlm_accuracy: float
    mlm_loss: float
    predictions: int


def score_text(
    model: LanguageModel, texts: Iterable[np.ndarray], num_bytes: int
) -> TextScore:
    """The perplexity of texts.

    Args:
        model: the model.
        texts: int `(pieces,)` each; no context reaches from one into the next.
        num_bytes: of all of them, as UTF-8.
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
    """Guesses at the places that BERT has to guess, from what it is shown.

    Args:
        model: the model.
        vocabulary: its own.
        batches: of `data_pipelines.pretraining.batches.evaluation_batches`, as arrays.
    """
    right, nats, total = 0, 0.0, 0
    for batch in batches:
        for row, place in np.argwhere(batch["mlm_weights"] > 0):
            position, piece = (
                batch[n][row, place] for n in ("mlm_positions", "mlm_ids")
            )
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
    """The probability of each piece at a place of a row, see `LanguageModel.cloze`.

    Args:
        model: the model.
        vocabulary: its own. A special token other than `[UNK]`, another mask as well as
            an end, says nothing, nor does what lies behind it.
        token_ids: int `(row length,)`.
        position: of the place.

    Returns:
        float64 `(vocab_size,)`.
    """
    silent = {getattr(vocabulary, f"{n}_id") for n in ("pad", "cls", "sep", "mask")}

    def known(places: range) -> list[int]:
        found: list[int] = []
        for place in places:
            inside = 0 <= place < len(token_ids)
            if not inside or int(token_ids[place]) in silent:
                break
            found.append(int(token_ids[place]))
        return found

    before = known(range(position - 1, position - 3, -1))[::-1]
    return model.cloze(before, known(range(position + 1, position + 3)))
