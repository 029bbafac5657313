"""Learns classes of pieces that have similar neighbours.

They maximise the mutual information of neighbouring classes (Brown et al. 1992,
Class-Based n-gram Models of Natural Language, section 3). Brown et al. merge classes;
here, pieces are moved to another class one by one as long as that helps (the exchange
algorithm), which finds better classes (Martin, Liermann and Ney 1998, Algorithms for
Bigram and Trigram Word Clustering, section 2).
"""

from collections.abc import Iterable

import numpy as np

from data_pipelines.programs import processes

# In later rounds, few pieces change their class.
_MAX_ROUNDS = 20


def learn_classes(
    texts: Iterable[np.ndarray], vocab_size: int, num_classes: int
) -> np.ndarray:
    """Assigns each piece to a class.

    Pieces are dealt out to the classes in the order of their frequency; then each, in
    the same order, is moved to its best class, in up to 20 rounds. (Starting with a
    class for each of the most frequent pieces and one for the rest ends with less
    information.) Neighbours are counted only within a text, int `(pieces,)`.

    Returns:
        int64 `(vocab_size,)`, below `num_classes`. Pieces that never occur are in the
        last class.

    Raises:
        ValueError: the number of classes is not 2 to `vocab_size`.
    """
    if not 2 <= num_classes <= vocab_size:
        raise ValueError(
            f"Received num_classes={num_classes}. Expected 2 to {vocab_size:,}, the "
            "number of pieces."
        )
    sides = _neighbours(texts, vocab_size)
    counts = sides[0].totals + sides[1].totals
    order = np.argsort(-counts, kind="stable")[: np.count_nonzero(counts)]
    classes = np.full(vocab_size, num_classes - 1)
    classes[order] = np.arange(len(order)) % num_classes
    exchange = _Exchange(sides, classes, num_classes)
    for number in range(1, _MAX_ROUNDS + 1):
        title = f"classes, round {number}"
        pieces = processes.show_progress(title, order, len(order))
        if not sum(exchange.move(piece) for piece in pieces):
            break
    return exchange.classes


class _Neighbours:
    """The neighbours on one side of each piece, with their counts.

    The keys, int64 `(pairs,)` and ascending, are `piece * base + neighbour`.
    """

    def __init__(self, keys: np.ndarray, counts: np.ndarray, base: int) -> None:
        pieces, self.neighbours = np.divmod(keys, base)
        self.counts = counts
        self.starts = np.searchsorted(pieces, np.arange(base + 1))
        self.totals = np.bincount(pieces, counts, minlength=base).astype(np.int64)

    def of(self, piece: int) -> tuple[np.ndarray, np.ndarray]:
        """The ids and counts of the neighbours of a piece."""
        part = slice(self.starts[piece], self.starts[piece + 1])
        return self.neighbours[part], self.counts[part]


# The neighbours after each piece, and before it.
_Sides = tuple[_Neighbours, _Neighbours]


def _neighbours(texts: Iterable[np.ndarray], vocab_size: int) -> _Sides:
    found = [np.zeros(0, np.int64)]
    for text in texts:
        ids = np.asarray(text, np.int64)
        found.append(ids[:-1] * vocab_size + ids[1:])
    keys, counts = np.unique(np.concatenate(found), return_counts=True)
    first, last = np.divmod(keys, vocab_size)
    turned = last * vocab_size + first
    order = np.argsort(turned)
    return (
        _Neighbours(keys, counts, vocab_size),
        _Neighbours(turned[order], counts[order], vocab_size),
    )


class _Exchange:
    """The classes, and the counts of pairs of classes.

    With g(n) = n log n, the mutual information times the number of pairs is, up to a
    constant, the sum of g(n(c d)) over pairs of classes, minus the sums of g(n(c)) over
    classes in the first and in the second place of a pair.
    """

    def __init__(self, sides: _Sides, classes: np.ndarray, num_classes: int) -> None:
        self.sides = sides
        self.classes = classes
        self.num_classes = num_classes
        after, _ = sides
        of_first = np.repeat(classes, np.diff(after.starts))
        keys = of_first * num_classes + classes[after.neighbours]
        flat = np.bincount(keys, after.counts, minlength=num_classes**2)
        self.counts = flat.astype(np.int64).reshape(num_classes, num_classes)
        self.terms = _n_log_n(self.counts)
        self.as_first, self.as_second = self.counts.sum(axis=1), self.counts.sum(axis=0)

    def move(self, piece: int) -> bool:
        """Moves a piece to its best class; returns whether the class has changed."""
        old = self.classes[piece]
        after, before, self_count = self._neighbours(piece)
        self._add(old, -after, -before, -self_count)
        new = int(np.argmax(self._gains(after, before, self_count)))
        self._add(new, after, before, self_count)
        self.classes[piece] = new
        return new != old

    def _neighbours(self, piece: int) -> tuple[np.ndarray, np.ndarray, int]:
        """Counts of each class after and before a piece, and of the piece itself."""
        found, self_count = [], 0
        for side in self.sides:
            ids, counts = side.of(piece)
            self_count = int(counts[ids == piece].sum())
            counts = np.where(ids == piece, 0, counts)
            sums = np.bincount(self.classes[ids], counts, minlength=self.num_classes)
            found.append(sums.astype(np.int64))
        return found[0], found[1], self_count

    def _add(
        self, name: int, after: np.ndarray, before: np.ndarray, self_count: int
    ) -> None:
        self.counts[name] += after
        self.counts[:, name] += before
        self.counts[name, name] += self_count
        self.as_first[name] += after.sum() + self_count
        self.as_second[name] += before.sum() + self_count
        self.terms[name] = _n_log_n(self.counts[name])
        self.terms[:, name] = _n_log_n(self.counts[:, name])

    def _gains(
        self, after: np.ndarray, before: np.ndarray, self_count: int
    ) -> np.ndarray:
        """float64 `(classes,)`: the gain of adding a piece to each class."""
        behind, ahead = np.flatnonzero(after), np.flatnonzero(before)
        joint = _n_log_n(self.counts[:, behind] + after[behind])
        gains = (joint - self.terms[:, behind]).sum(axis=1)
        joint = _n_log_n(self.counts[ahead] + before[ahead, None])
        gains += (joint - self.terms[ahead]).sum(axis=0)
        # Pairs of a class with itself, which both sums counted only in part.
        same, terms = self.counts.diagonal(), self.terms.diagonal()
        gains += _n_log_n(same + after + before + self_count) + terms
        gains -= _n_log_n(same + after) + _n_log_n(same + before)
        for total, added in ((self.as_first, after), (self.as_second, before)):
            gains -= _n_log_n(total + added.sum() + self_count) - _n_log_n(total)
        return gains


def _n_log_n(numbers: np.ndarray) -> np.ndarray:
    return numbers * np.log(np.maximum(numbers, 1))
