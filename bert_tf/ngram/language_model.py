"""The interface of trigram models, and the methods that they share."""

import abc
import functools
from collections.abc import Sequence

import numpy as np


class LanguageModel(abc.ABC):
    """Probabilities of pieces after two others, and between others.

    Ids are below `vocab_size`; `vocab_size` itself stands for the start of a text.
    """

    vocab_size: int

    @abc.abstractmethod
    def probabilities(self, u: np.ndarray, v: np.ndarray, w: np.ndarray) -> np.ndarray:
        """P(w | u v) of each, float64; u and v may be `vocab_size`."""

    @abc.abstractmethod
    def factors(self, before: Sequence[int], after: Sequence[int]) -> list[np.ndarray]:
        """The factors of the probability of w between `u v` and `x y`.

        Only the last two of the ids before w count; there are at most two after it.

        Returns:
            float64 `(vocab_size,)` each, over w: P(w | u v), and if there are one or
            two pieces after w, P(x | v w) and P(y | w x).
        """

    def log_probabilities(self, text: np.ndarray) -> np.ndarray:
        """The natural logarithm of the probability of each piece, float64 `(pieces,)`.

        The first two pieces of a text have a shorter context.
        """
        u, v, w = in_context(text, self.vocab_size)
        return np.log(self.probabilities(u, v, w))

    def cloze(self, before: Sequence[int], after: Sequence[int]) -> np.ndarray:
        """The probability of each piece between up to two others on either side.

        Returns:
            float64 `(vocab_size,)`: P(w | u v) P(x | v w) P(y | w x) in `u v w x y`,
            normalized. A missing x or y has no factor.
        """
        found = self.factors([int(i) for i in before], [int(i) for i in after[:2]])
        product = functools.reduce(np.multiply, found)
        return product / product.sum()


def in_context(
    text: np.ndarray, nothing: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The two pieces before each piece of a text, and the piece: int64 `(pieces,)`."""
    text = np.asarray(text, np.int64)
    before = np.concatenate([np.full(2, nothing), text])
    return before[:-2], before[1:-1], text
