"""Counts in shards, beside a dictionary."""

import collections
import os

import numpy as np
import pytest

from bert_tf.word_vectors.cooccurrences import count_cooccurrences


def lists_of(seed=0):
    """Words as frequent as in a text: the n-th has the share 1 / n."""
    generator = np.random.default_rng(seed)
    share = 1 / np.arange(1, 41)
    for length in generator.integers(0, 60, 80):
        yield [f"w{n}" for n in generator.choice(40, length, p=share / share.sum())]


def naive(lists, window, words):
    """The paper's matrix, both halves."""
    counts = collections.defaultdict(float)
    for row in lists:
        row = [word for word in row if word in words]
        for place, word in enumerate(row):
            for distance in range(1, min(window, place) + 1):
                counts[word, row[place - distance]] += 1 / distance
                counts[row[place - distance], word] += 1 / distance
    return counts


def whole(counted):
    """Both halves of the counted matrix, as a dictionary."""
    pairs = np.concatenate([counted.read(shard) for shard in counted.shards])
    assert len(pairs) == counted.num_pairs
    assert (pairs["row"] <= pairs["column"]).all()
    upper = {
        (counted.words[row], counted.words[column]): count
        for row, column, count in pairs.tolist()
    }
    assert len(upper) == len(pairs)
    return upper | {(b, a): count for (a, b), count in upper.items()}


@pytest.mark.parametrize("pairs_at_once", [400, 1 << 24])
@pytest.mark.parametrize("window", [1, 4, 100])
def test_equal_a_dictionary_whatever_is_held_at_once(window, pairs_at_once):
    lists = list(lists_of())
    with count_cooccurrences(
        lists, window=window, min_count=3, pairs_at_once=pairs_at_once
    ) as counted:
        found = whole(counted)
        assert (len(counted.shards) > 1) == (pairs_at_once == 400)
    expected = naive(lists, window, set(counted.words))
    assert found.keys() == expected.keys()
    for pair, count in found.items():
        assert count == pytest.approx(expected[pair], rel=1e-6)


def test_by_hand():
    lists = [["a", "b", "a"], ["x", "a"]]
    with count_cooccurrences(lists, window=2, min_count=1) as counted:
        assert counted.words == ["a", "b", "x"] and counted.frequencies == [3, 1, 1]
        # a beside itself at the distance 2, seen from both places.
        found = {("a", "b"): 2.0, ("b", "a"): 2.0, ("a", "a"): 1.0}
        assert whole(counted) == found | {("a", "x"): 1.0, ("x", "a"): 1.0}
        folder = os.path.dirname(counted.shards[0])
    assert not os.path.exists(folder)


def test_rare_words_leave_no_gap():
    lists = [["a", "rare", "b", "a", "b"]]
    with count_cooccurrences(lists, window=1, min_count=2) as counted:
        assert whole(counted) == {("a", "b"): 3.0, ("b", "a"): 3.0}


def test_a_shard_is_small_whatever_the_text_is():
    words = [f"w{n}" for n in np.random.default_rng(0).integers(0, 300, 20_000)]
    with count_cooccurrences([words], window=5, pairs_at_once=2_000) as counted:
        sizes = [len(counted.read(shard)) for shard in counted.shards]
    assert len(sizes) == 50 and max(sizes) < 2_000
    # By chance, but by this word of the hash alone.
    assert max(sizes) < 1.3 * np.mean(sizes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"window": 0}, "window=0"),
        ({"pairs_at_once": 0}, "pairs_at_once=0"),
        ({"min_count": 100_000}, "Nothing occurs 100000 times"),
    ],
)
def test_errors(changes, message):
    with (
        pytest.raises(ValueError, match=message),
        count_cooccurrences([["a", "b"]], **changes),
    ):
        pass
