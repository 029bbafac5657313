"""A trigram language model: interpolated Kneser-Ney, in sorted arrays.

    P(w | u v) = max(c(u v w) - D, 0) / c(u v) + gamma(u v) P(w | v)

and so on down to the uniform distribution. Lower orders count the contexts in which a
piece occurred instead of its occurrences; gamma redistributes the discounts.

References: Kneser and Ney 1995; Chen and Goodman 1999, An Empirical Study of Smoothing
Techniques for Language Modeling, sections 2.7 and 2.8.
"""

import dataclasses
import functools
from collections.abc import Iterable, Sequence

import numpy as np

from bert_tf.ngram.language_model import LanguageModel

# A key of 64 bits consists of three ids.
MAX_VOCAB_SIZE = (1 << 21) - 1
# The discount if a text is too small to estimate one.
_USUAL_DISCOUNT = 0.75


@dataclasses.dataclass(frozen=True)
class Table:
    """Numbers by key, with a default for all other keys."""

    keys: np.ndarray  # int64 (entries,), ascending
    values: np.ndarray  # float32 (entries,)
    default: float

    def __call__(self, keys: np.ndarray) -> np.ndarray:
        """The values of keys, float64."""
        places = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        is_found = self.keys[places] == keys
        return np.where(is_found, self.values[places], self.default).astype(float)

    def after(self, prefix: int, base: int) -> tuple[np.ndarray, np.ndarray]:
        """The keys with a prefix, without the prefix, and their values."""
        first, last = np.searchsorted(self.keys, [prefix * base, (prefix + 1) * base])
        return self.keys[first:last] - prefix * base, self.values[first:last]

    def rotated(self, base: int, length: int) -> "Table":
        """The same values by rotated keys of `length` pieces: u v w becomes v w u."""
        first, others = np.divmod(self.keys, base ** (length - 1))
        keys = others * base + first
        order = np.argsort(keys)
        return Table(keys[order], self.values[order], self.default)


@dataclasses.dataclass(frozen=True)
class NgramModel(LanguageModel):
    """A `LanguageModel` of counts.

    With `base = vocab_size + 1`, the key of u v w is `(u * base + v) * base + w`.

    Attributes:
        trigrams: the discounted share of w after u v.
        trigram_rest: gamma(u v).
        bigrams: the discounted share of w after v.
        bigram_rest: float32 `(vocab_size + 1,)`, gamma(v).
        unigrams: float32 `(vocab_size,)`, the probabilities without a context.
    """

    vocab_size: int
    trigrams: Table
    trigram_rest: Table
    bigrams: Table
    bigram_rest: np.ndarray
    unigrams: np.ndarray

    @classmethod
    def fit(cls, texts: Iterable[np.ndarray], vocab_size: int) -> "NgramModel":
        """Counts texts, int `(pieces,)` each; needs about 50 bytes of memory per piece.

        Raises:
            ValueError: the vocabulary is too large, an id is not in it, or no text has
                three pieces.
        """
        if not 0 < vocab_size <= MAX_VOCAB_SIZE:
            raise ValueError(
                f"Received vocab_size={vocab_size}. Expected 1 to {MAX_VOCAB_SIZE}."
            )
        base = vocab_size + 1
        found = []
        for text in texts:
            ids = np.asarray(text, np.int64)
            if len(ids) and not 0 <= ids.min() <= ids.max() < vocab_size:
                raise ValueError(
                    f"Received ids from {ids.min()} to {ids.max()}. Expected ids below "
                    f"vocab_size={vocab_size}: use the vocabulary of the texts."
                )
            found.append((ids[:-2] * base + ids[1:-1]) * base + ids[2:])
        if not any(map(len, found)):
            raise ValueError("Received no text with three pieces. Expected more text.")
        trigrams, trigram_rest = _discounted(np.concatenate(found), base)
        # Each distinct trigram counts once: this counts the contexts of a piece.
        bigrams, rest = _discounted(trigrams.keys % base**2, base)
        bigram_rest = rest(np.arange(base)).astype(np.float32)
        alone, rest = _discounted(bigrams.keys % base, base)
        unigrams = alone(np.arange(vocab_size)) + rest(np.zeros(1)) / vocab_size
        unigrams = unigrams.astype(np.float32)
        return cls(vocab_size, trigrams, trigram_rest, bigrams, bigram_rest, unigrams)

    def probabilities(self, u: np.ndarray, v: np.ndarray, w: np.ndarray) -> np.ndarray:
        """See `LanguageModel`."""
        u, v, w = (np.asarray(ids, np.int64) for ids in (u, v, w))
        base = self.vocab_size + 1
        lower = self.bigrams(v * base + w) + self.bigram_rest[v] * self.unigrams[w]
        context = u * base + v
        return self.trigrams(context * base + w) + self.trigram_rest(context) * lower

    def factors(self, before: Sequence[int], after: Sequence[int]) -> list[np.ndarray]:
        """See `LanguageModel`."""
        found = [self._next(before)]
        if after:
            v = before[-1] if before else self.vocab_size
            found.append(self._followed_by(v, after[0]))
        if len(after) > 1:
            found.append(self._followed_by_two(after[0], after[1]))
        return found

    def _next(self, before: Sequence[int]) -> np.ndarray:
        """P(w | before) for every w."""
        base, nothing = self.vocab_size + 1, self.vocab_size
        u, v = (nothing, nothing, *before)[-2:]
        found = self.bigram_rest[v] * self.unigrams.astype(float)
        pieces, shares = self.bigrams.after(v, base)
        found[pieces] += shares
        found *= self.trigram_rest(np.array([u * base + v]))
        pieces, shares = self.trigrams.after(u * base + v, base)
        found[pieces] += shares
        return found

    def _followed_by(self, v: int, x: int) -> np.ndarray:
        """P(x | v w) for every w."""
        base = self.vocab_size + 1
        found = self.bigram_rest[:-1].astype(float) * self.unigrams[x]
        before_x, shares = self._bigrams_by_last.after(x, base)
        found[before_x] += shares
        after_v, rest = self.trigram_rest.after(v, base)
        found[after_v] *= rest
        # v w x can only occur if both w x and v w occur.
        is_before_x = np.zeros(base, bool)
        is_before_x[before_x] = True
        w = after_v[is_before_x[after_v]]
        found[w] += self.trigrams((v * base + w) * base + x)
        return found

    def _followed_by_two(self, x: int, y: int) -> np.ndarray:
        """P(y | w x) for every w."""
        base = self.vocab_size + 1
        lower = self.bigrams(np.array([x * base + y]))
        lower += self.bigram_rest[x] * self.unigrams[y]
        found = np.full(self.vocab_size, lower)
        before_x, rest = self._trigram_rest_by_last.after(x, base)
        found[before_x] *= rest
        before_xy, shares = self._trigrams_by_last_two.after(x * base + y, base)
        found[before_xy] += shares
        return found

    @functools.cached_property
    def _bigrams_by_last(self) -> Table:
        return self.bigrams.rotated(self.vocab_size + 1, 2)

    @functools.cached_property
    def _trigram_rest_by_last(self) -> Table:
        return self.trigram_rest.rotated(self.vocab_size + 1, 2)

    @functools.cached_property
    def _trigrams_by_last_two(self) -> Table:
        return self.trigrams.rotated(self.vocab_size + 1, 3)


def _discounted(keys: np.ndarray, base: int) -> tuple[Table, Table]:
    """The discounted share of each piece after its context, and gamma by context.

    Counts the keys, int64 `(places,)`: `context * base + piece`.
    """
    keys, counts = np.unique(keys, return_counts=True)
    ones, twos = (np.count_nonzero(counts == number) for number in (1, 2))
    discount = ones / (ones + 2 * twos) if ones and twos else _USUAL_DISCOUNT
    contexts, kinds = np.unique(keys // base, return_counts=True)
    totals = np.add.reduceat(counts, np.cumsum(kinds) - kinds)
    shares = (counts - discount) / np.repeat(totals, kinds)
    rest = (discount * kinds / totals).astype(np.float32)
    return Table(keys, shares.astype(np.float32), 0.0), Table(contexts, rest, 1.0)
