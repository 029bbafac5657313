"""The questions that a model of three pieces answers, whatever its probabilities."""

import abc
import functools
from collections.abc import Sequence

import numpy as np


class LanguageModel(abc.ABC):
    """Probabilities of pieces after two others, and between others.

    Ids are below `vocab_size`, which itself means nothing: what is before a text.
    """

    vocab_size: int

    @abc.abstractmethod
    def probabilities(self, u: np.ndarray, v: np.ndarray, w: np.ndarray) -> np.ndarray:
        """float64, P(w | u v) of each; `vocab_size` as u or v is nothing."""

    @abc.abstractmethod
    def factors(self, before: Sequence[int], after: Sequence[int]) -> list[np.ndarray]:
        """The probabilities whose product is that of w between `u v` and `x y`.

        Of the ids before w the last two count; after it are two at most.

        Returns:
            float64 `(vocab_size,)` over w, each: P(w | u v), and for as many pieces as
            there are after it, P(x | v w) and P(y | w x).
        """

    def log_probabilities(self, text: np.ndarray) -> np.ndarray:
        """float64 `(pieces,)`, the natural logarithm for each piece of a text.

        The first pieces have fewer before them, or none.
        """
        u, v, w = in_context(text, self.vocab_size)
        return np.log(self.probabilities(u, v, w))

    def cloze(self, before: Sequence[int], after: Sequence[int]) -> np.ndarray:
        """The probability of each piece between others, of which two a side count.

        Returns:
            float64 `(vocab_size,)`: P(w | u v) P(x | v w) P(y | w x) in `u v w x y`,
            divided by its sum. What is not given has no factor.
        """
        found = self.factors([int(i) for i in before], [int(i) for i in after[:2]])
        product = functools.reduce(np.multiply, found)
        return product / product.sum()


def in_context(
    text: np.ndarray, nothing: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """int64 `(pieces,)` three times: two pieces before each of a text, and itself."""
    text = np.asarray(text, np.int64)
    before = np.concatenate([np.full(2, nothing), text])
    return before[:-2], before[1:-1], text
