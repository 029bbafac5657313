"""The questions that a model of three pieces answers, whatever its probabilities."""

import abc
from collections.abc import Sequence

import numpy as np


class LanguageModel(abc.ABC):
    """Probabilities of pieces after two others, and between others.

    Ids are below `vocab_size`, which itself stands for nothing: what is before a text.

    Attributes:
        vocab_size: how many pieces there are.
    """

    vocab_size: int

    @abc.abstractmethod
    def probabilities(self, u: np.ndarray, v: np.ndarray, w: np.ndarray) -> np.ndarray:
        """float64, P(w | u v) of each; `vocab_size` as u or v is nothing."""

    @abc.abstractmethod
    def next_piece(self, before: Sequence[int]) -> np.ndarray:
        """float64 `(vocab_size,)`: the probability of each piece after others."""

    @abc.abstractmethod
    def followed_by(self, v: int, x: int) -> np.ndarray:
        """float64 `(vocab_size,)`: P(x | v w) of every w."""

    @abc.abstractmethod
    def followed_by_two(self, x: int, y: int) -> np.ndarray:
        """float64 `(vocab_size,)`: P(y | w x) of every w."""

    def log_probabilities(self, text: np.ndarray) -> np.ndarray:
        """float64 `(pieces,)`, the natural logarithm for each piece of a text.

        The first pieces have fewer before them, or none.
        """
        u, v, w = in_context(text, self.vocab_size)
        return np.log(self.probabilities(u, v, w))

    def cloze(self, before: Sequence[int], after: Sequence[int]) -> np.ndarray:
        """The probability of each piece between others.

        Args:
            before: ids right before the place, of which the last two count.
            after: ids right after it, of which the first two count.

        Returns:
            float64 `(vocab_size,)`: P(w | u v) P(x | v w) P(y | w x) in `u v w x y`,
            divided by its sum. What is not given has no factor.
        """
        before, after = [int(i) for i in before], [int(i) for i in after]
        found = self.next_piece(before)
        if after:
            v = before[-1] if before else self.vocab_size
            found *= self.followed_by(v, after[0])
        if len(after) > 1:
            found *= self.followed_by_two(after[0], after[1])
        return found / found.sum()


def in_context(
    text: np.ndarray, nothing: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """int64 `(pieces,)` three times: two pieces before each of a text, and itself."""
    text = np.asarray(text, np.int64)
    before = np.concatenate([np.full(2, nothing), text])
    return before[:-2], before[1:-1], text
