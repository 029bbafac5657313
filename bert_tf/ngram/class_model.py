"""A class-based trigram model, and its mixture with the trigram model of pieces.

    P(w | u v) = m P_pieces(w | u v) + (1 - m) P(w | c(w)) P_classes(c(w) | c(u) c(v))

A trigram that is rare in pieces may be frequent in classes (Brown et al. 1992,
Class-Based n-gram Models of Natural Language, sections 3 and 5).
"""

import dataclasses
from collections.abc import Iterable, Sequence

import numpy as np

from bert_tf.ngram.classes import learn_classes
from bert_tf.ngram.language_model import LanguageModel, in_context
from bert_tf.ngram.model import NgramModel

# The share of each text that is held out to estimate the weight of the mixture.
_WEIGHING_SHARE = 0.05
_WEIGHING_ROUNDS = 30


@dataclasses.dataclass(frozen=True)
class ClassModel(LanguageModel):
    """Predicts the next class from the last two, and the piece from its class.

    Attributes:
        classes: int64 `(vocab_size + 1,)`, the class of each piece, and of the start
            of a text.
        shares: float32 `(vocab_size,)`, the share of each piece in its class.
        trigrams: the trigram model of classes.
    """

    vocab_size: int
    classes: np.ndarray
    shares: np.ndarray
    trigrams: NgramModel

    @classmethod
    def fit(cls, texts: Sequence[np.ndarray], classes: np.ndarray) -> "ClassModel":
        """Counts classes, int `(vocab_size,)`, in texts, int `(pieces,)` each."""
        num_classes = int(classes.max()) + 1
        trigrams = NgramModel.fit((classes[text] for text in texts), num_classes)
        counts = np.bincount(np.concatenate(texts), minlength=len(classes))
        totals = np.bincount(classes, counts, minlength=num_classes)
        shares = (counts / np.maximum(totals[classes], 1)).astype(np.float32)
        return cls(len(classes), np.append(classes, num_classes), shares, trigrams)

    def probabilities(self, u: np.ndarray, v: np.ndarray, w: np.ndarray) -> np.ndarray:
        """See `LanguageModel`; 0 for a piece that never occurred."""
        found = self.trigrams.probabilities(*(self.classes[ids] for ids in (u, v, w)))
        return found * self.shares[w]

    def factors(self, before: Sequence[int], after: Sequence[int]) -> list[np.ndarray]:
        """See `LanguageModel`."""
        classes = ([int(self.classes[i]) for i in ids] for ids in (before, after))
        found = self.trigrams.factors(*classes)
        shares = [self.shares, *(self.shares[i] for i in after)]
        of_piece = self.classes[:-1]
        return [f[of_piece] * share for f, share in zip(found, shares, strict=True)]


@dataclasses.dataclass(frozen=True)
class MixedModel(LanguageModel):
    """The weighted mean of the two models."""

    vocab_size: int
    pieces: NgramModel
    classes: ClassModel
    weight: float  # of the model of pieces, 0 to 1

    @classmethod
    def fit(
        cls, texts: Sequence[np.ndarray], vocab_size: int, num_classes: int
    ) -> "MixedModel":
        """Learns classes, fits both models, and estimates the weight.

        The weight maximises the likelihood of the last twentieth of each text, with
        models of the rest; both models are then fitted to the whole texts, int
        `(pieces,)` each.

        Raises:
            ValueError: see `NgramModel.fit` and `learn_classes`.
        """
        cuts = [round(len(text) * (1 - _WEIGHING_SHARE)) for text in texts]
        most = [text[:cut] for text, cut in zip(texts, cuts, strict=True)]
        rest = [text[cut:] for text, cut in zip(texts, cuts, strict=True)]
        # Fitted first, since it checks the texts.
        pieces = NgramModel.fit(most, vocab_size)
        classes = learn_classes(most, vocab_size, num_classes)
        weight = _best_weight(pieces, ClassModel.fit(most, classes), rest)
        models = NgramModel.fit(texts, vocab_size), ClassModel.fit(texts, classes)
        return cls(vocab_size, *models, weight)

    def probabilities(self, u: np.ndarray, v: np.ndarray, w: np.ndarray) -> np.ndarray:
        """See `LanguageModel`."""
        models = self.pieces, self.classes
        return self._mean(*(model.probabilities(u, v, w) for model in models))

    def factors(self, before: Sequence[int], after: Sequence[int]) -> list[np.ndarray]:
        """See `LanguageModel`."""
        models = self.pieces, self.classes
        found = (model.factors(before, after) for model in models)
        return [self._mean(*both) for both in zip(*found, strict=True)]

    def _mean(self, pieces: np.ndarray, classes: np.ndarray) -> np.ndarray:
        return self.weight * pieces + (1 - self.weight) * classes


def _best_weight(
    pieces: NgramModel, classes: ClassModel, texts: Iterable[np.ndarray]
) -> float:
    """The weight by expectation maximisation, starting at 0.5; 0.5 without text."""
    contexts = [in_context(text, pieces.vocab_size) for text in texts]
    by_piece, by_class = (
        np.concatenate([model.probabilities(*context) for context in contexts])
        for model in (pieces, classes)
    )
    weight = 0.5
    for _ in range(_WEIGHING_ROUNDS if len(by_piece) else 0):
        ours = weight * by_piece
        weight = float(np.mean(ours / (ours + (1 - weight) * by_class)))
    return weight
