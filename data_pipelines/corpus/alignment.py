"""The alignment of two sequences by the fewest edits."""

import itertools
from collections.abc import Hashable, Sequence

import numpy as np

# Places in the source and in the target, None where the other has an item more.
Step = tuple[int | None, int | None]


def align(source: Sequence[Hashable], target: Sequence[Hashable]) -> list[Step]:
    """Pairs items so that as few as possible are replaced, deleted or inserted.

    `"abc", "axcd"` gives `[(0, 0), (1, 1), (2, 2), (None, 3)]`: `b` is replaced and
    `d` inserted. A deleted item has the partner None. Of the ways with the fewest edits
    (Levenshtein 1966) it is always the same: equal beginnings and ends stay, and of
    several items that became one (or that one became) the first is the replaced one.

    All items of both are in the steps, in order.
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
    """The number of equal items at the beginning."""
    pairs = zip(source, target, strict=False)
    return sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))


def _aligned(
    source: Sequence[Hashable], target: Sequence[Hashable], first: int
) -> list[Step]:
    """Steps of a source and a target that begin at the place `first`."""
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
    """The fewest edits from each beginning of the source to each of the target."""
    numbers = {item: number for number, item in enumerate(target)}
    wanted = np.array([numbers[item] for item in target], np.int64)
    places = np.arange(len(target) + 1)
    row = places
    rows = [row.tolist()]
    for item in source:
        best = row + 1
        replaced = row[:-1] + (wanted != numbers.get(item, -1))
        best[1:] = np.minimum(best[1:], replaced)
        # Each insertion costs one: the least of all places before, and the way here.
        row = np.minimum.accumulate(best - places) + places
        rows.append(row.tolist())
    return rows
