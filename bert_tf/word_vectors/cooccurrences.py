"""Counts words that occur near each other, in shards.

Memory grows with the vocabulary, not with the text: pairs are counted chunk by chunk,
and the counts of each chunk are appended to the files of their shards. A shard is a
random part of all pairs, small enough to be summed in memory.

Reference: Pennington et al. 2014, GloVe: Global Vectors for Word Representation,
sections 3 and 4.2.
"""

import collections
import contextlib
import dataclasses
import itertools
import math
import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from data_pipelines.programs import cli

# A pair of words: their numbers, with row <= column since the matrix is symmetric, and
# the sum of 1 / distance over their occurrences.
PAIR = np.dtype([("row", np.int32), ("column", np.int32), ("count", np.float32)])
_SUM = np.dtype([("key", np.int64), ("count", np.float64)])
# The number of occurrences in memory at once, which take up to half a gigabyte.
_PAIRS_AT_ONCE = 1 << 24


@dataclasses.dataclass(frozen=True)
class Cooccurrences:
    """The upper half of a symmetric matrix, without its zeros."""

    words: list[str]  # the most frequent first; a word's number is its index
    frequencies: list[int]
    shards: list[str]  # files of `PAIR`, in a temporary folder
    num_pairs: int  # in all shards

    def read(self, shard: str) -> np.ndarray:
        """Reads the pairs of a shard, `PAIR` `(pairs,)`; no other shard has them."""
        return np.fromfile(shard, PAIR)


@contextlib.contextmanager
def count_cooccurrences(
    lists: Iterable[list[str]],
    *,
    window: int = 10,
    min_count: int = 5,
    pairs_at_once: int = _PAIRS_AT_ONCE,
) -> Iterator[Cooccurrences]:
    """Counts pairs of words in lists, with the weight 1 / distance.

    With a window of 2, `["a", "b", "a"]` gives the pairs a, b: 2 and a, a: 1, since a
    word near itself is a neighbour on both sides. Words rarer than `min_count` are
    removed before distances are measured, as in word2vec.

    The lists are iterated twice, and pairs do not cross lists. `pairs_at_once` limits
    the memory; the result does not depend on it.

    Yields:
        The counts; the files are removed when the `with` ends.

    Raises:
        ValueError: a number is not positive, or no word is frequent enough.
    """
    cli.require_positive(
        window=window, min_count=min_count, pairs_at_once=pairs_at_once
    )
    counter = collections.Counter(itertools.chain.from_iterable(lists))
    frequent = (word for word, count in counter.items() if count >= min_count)
    words = sorted(frequent, key=lambda word: (-counter[word], word))
    frequencies = [counter[word] for word in words]
    require_words(words, min_count)
    num_shards = math.ceil(sum(frequencies) * window / pairs_at_once)
    ids = {word: index for index, word in enumerate(words)}
    with tempfile.TemporaryDirectory() as folder:
        shards = [os.path.join(folder, str(number)) for number in range(num_shards)]
        for keys in _keys(lists, ids, window, max(1, pairs_at_once // window)):
            keys.sort()
            pairs, distances = np.divmod(keys, window)
            _spill(_summed(pairs, 1 / (distances + 1)), shards)
        num_pairs = sum(_sum_up(shard, len(words)) for shard in shards)
        yield Cooccurrences(words, frequencies, shards, num_pairs)


def require_words(words: Sequence[str], min_count: int) -> None:
    """Raises ValueError if no word is frequent enough."""
    if not words:
        raise ValueError(
            f"Nothing occurs {min_count} times. Expected more text, or a lower "
            "min_count."
        )


def _keys(
    lists: Iterable[list[str]], ids: dict[str, int], window: int, words_at_once: int
) -> Iterator[np.ndarray]:
    """Yields the pairs as int64 arrays, each for several lists.

    A key is `(row * words + column) * window + (distance - 1)`.
    """
    numbers: list[int] = []
    ends: list[int] = []

    def keys() -> np.ndarray:
        word = np.array(numbers, np.int64)
        in_list = np.repeat(np.arange(len(ends)), np.diff(ends, prepend=0))
        made = []
        for distance in range(1, window + 1):
            is_near = in_list[distance:] == in_list[:-distance]
            a, b = word[distance:][is_near], word[:-distance][is_near]
            pair = np.minimum(a, b) * len(ids) + np.maximum(a, b)
            made.append(pair * window + (distance - 1))
        return np.concatenate(made)

    for words in lists:
        numbers.extend([ids[word] for word in words if word in ids])
        ends.append(len(numbers))
        if len(numbers) >= words_at_once:
            yield keys()
            numbers, ends = [], []
    if numbers:
        yield keys()


def _summed(keys: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Sums the counts of equal keys, which are sorted, to `_SUM`."""
    is_first = np.diff(keys, prepend=-1) > 0
    sums = np.empty(np.count_nonzero(is_first), _SUM)
    sums["key"] = keys[is_first]
    if len(keys):
        sums["count"] = np.add.reduceat(counts, np.flatnonzero(is_first))
    return sums


def _spill(sums: np.ndarray, shards: list[str]) -> None:
    """Appends sums to the files of their shards."""
    # Fibonacci hashing scatters the pairs: neighbours in the matrix are not together.
    hashed = sums["key"].astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    number = (hashed >> np.uint64(33)) % np.uint64(len(shards))
    order = np.argsort(number, kind="stable")
    borders = np.searchsorted(number[order], np.arange(len(shards) + 1))
    for shard, (first, last) in zip(shards, itertools.pairwise(borders), strict=True):
        with open(shard, "ab") as file:
            sums[order[first:last]].tofile(file)


def _sum_up(shard: str, num_words: int) -> int:
    """Rewrites a shard's file with each pair once; returns the number of pairs."""
    parts = np.fromfile(shard, _SUM)
    order = np.argsort(parts["key"], kind="stable")
    sums = _summed(parts["key"][order], parts["count"][order])
    pairs = np.empty(len(sums), PAIR)
    pairs["row"], pairs["column"] = np.divmod(sums["key"], num_words)
    # A word near itself is a neighbour on both sides.
    is_same = pairs["row"] == pairs["column"]
    pairs["count"] = np.where(is_same, 2 * sums["count"], sums["count"])
    pairs.tofile(shard)
    return len(pairs)
