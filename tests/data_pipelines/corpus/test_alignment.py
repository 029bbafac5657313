import itertools

import numpy as np
import pytest

from data_pipelines.corpus.alignment import align


def written(source, target):
    """Each step as two characters, `-` where one side has none."""
    return " ".join(
        (source[i] if i is not None else "-") + (target[j] if j is not None else "-")
        for i, j in align(source, target)
    )


@pytest.mark.parametrize(
    ("source", "target", "expected"),
    [
        ("", "", ""),
        ("abc", "abc", "aa bb cc"),
        ("abc", "axcd", "aa bx cc -d"),
        ("abc", "", "a- b- c-"),
        ("", "ab", "-a -b"),
        # The first of several is the one that is replaced, or replaces.
        ("xyz", "a", "xa y- z-"),
        ("x", "abc", "xa -b -c"),
        ("aab", "ab", "aa a- bb"),
        ("ab", "aab", "aa -a bb"),
        ("kitten", "sitting", "ks ii tt tt ei nn -g"),
    ],
)
def test_known_cases(source, target, expected):
    assert written(source, target) == expected


def edit_distance(source, target):
    """By its definition."""
    if not source or not target:
        return len(source) + len(target)
    return min(
        edit_distance(source[1:], target) + 1,
        edit_distance(source, target[1:]) + 1,
        edit_distance(source[1:], target[1:]) + (source[0] != target[0]),
    )


def test_as_few_edits_as_possible():
    generator = np.random.default_rng(0)
    for _ in range(150):
        source, target = (
            generator.integers(0, 3, generator.integers(0, 6)).tolist()
            for _ in range(2)
        )
        steps = align(source, target)
        edits = sum(i is None or j is None or source[i] != target[j] for i, j in steps)
        assert edits == edit_distance(source, target)
        # Nothing is lost, and all is in order.
        for side, items in enumerate((source, target)):
            places = [step[side] for step in steps if step[side] is not None]
            assert places == list(range(len(items)))


def test_long_sequences_are_quick():
    source = list(itertools.islice(itertools.cycle(range(97)), 500))
    target = [7, *source[1:250], *source[260:-1], 8]
    assert len(align(source, target)) == 500
