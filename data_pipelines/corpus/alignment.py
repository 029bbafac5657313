"""Alignment of two sequences with the fewest edits."""

import itertools
from collections.abc import Hashable, Sequence

import numpy as np

# Indices in the source and in the target; None for an item inserted or deleted.
Step = tuple[int | None, int | None]


def align(source: Sequence[Hashable], target: Sequence[Hashable]) -> list[Step]:
    """Pairs items so that as few as possible are replaced, deleted or inserted.

    `"abc", "axcd"` gives `[(0, 0), (1, 1), (2, 2), (None, 3)]`: `b` is replaced and
    `d` is inserted. A deleted item is paired with None. Of the alignments with the
    fewest edits (Levenshtein 1966), the choice is deterministic: common prefixes and
    suffixes stay paired, and where several items became one, or one became several,
    the first is the replaced one.

    The steps contain all items of both sequences, in order.
    """
    first = _num_equal(source, target)
    last = _num_equal(source[first:][::-1], target[first:][::-1])
    inner = source[first : len(source) - last], target[first : len(target) - last]
    return [
        *((place, place) for place in range(first)),
        *_aligned(*inner, first),
        *((len(source) - left, len(target) - left) for left in range(last, 0, -1)),
    ]


def _num_equal(source: Sequence, target: Sequence) -> int:
    """Returns the length of the common prefix."""
    pairs = zip(source, target, strict=False)
    return sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))


def _aligned(
    source: Sequence[Hashable], target: Sequence[Hashable], first: int
) -> list[Step]:
    """Aligns a source and a target that both begin at index `first`."""
    costs = _costs(source, target)
    steps: list[Step] = []
    i, j = len(source), len(target)
    while i or j:
        here = costs[i][j]
        if i and costs[i - 1][j] + 1 == here:
            i -= 1
            steps.append((first + i, None))
        elif j and costs[i][j - 1] + 1 == here:
            j -= 1
            steps.append((None, first + j))
        else:
            i, j = i - 1, j - 1
            steps.append((first + i, first + j))
    return steps[::-1]


def _costs(source: Sequence[Hashable], target: Sequence[Hashable]) -> list[list[int]]:
    """Returns the fewest edits from each source prefix to each target prefix."""
    numbers = {item: number for number, item in enumerate(target)}
    wanted = np.array([numbers[item] for item in target], np.int64)
    places = np.arange(len(target) + 1)
    row = places
    rows = [row.tolist()]
    for item in source:
        best = row + 1
        replaced = row[:-1] + (wanted != numbers.get(item, -1))
        best[1:] = np.minimum(best[1:], replaced)
        # An insertion costs 1: take the minimum of all earlier columns plus distance.
        row = np.minimum.accumulate(best - places) + places
        rows.append(row.tolist())
    return rows
