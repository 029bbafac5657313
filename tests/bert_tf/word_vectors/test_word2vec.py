"""What stands in the same places gets vectors that are alike."""

import numpy as np
import pytest

from bert_tf.word_vectors import word2vec
from bert_tf.word_vectors.word2vec import learn_word2vec

pytest.importorskip("gensim", reason="the extra word_vectors is not installed")

YOUNG = {"cats": "kittens", "dogs": "puppies", "cows": "calves", "birds": "chicks"}
FOODS = ("fish", "meat", "grass", "seeds")


def sentences(count=2000, seed=0):
    """Who eats what, the young as the old, with words that say nothing."""
    generator = np.random.default_rng(seed)
    for _ in range(count):
        kind = generator.integers(4)
        animal = list(YOUNG.items())[kind][generator.integers(2)]
        food = FOODS[kind]
        rest = generator.choice(["now", "then", "here", "there", "often"], 2).tolist()
        yield [animal, "eat", food, *rest]


def learn(**changes):
    arguments = {
        "vector_size": 16,
        "num_epochs": 5,
        "sample": 0,
        "num_threads": 1,
        "seed": 1,
    }
    return learn_word2vec(list(sentences()), **(arguments | changes))


@pytest.mark.parametrize("method", ["skip_gram", "cbow"])
@pytest.mark.parametrize("softmax", ["negative_sampling", "hierarchical"])
def test_what_stands_in_the_same_places_is_alike(method, softmax):
    vectors = learn(method=method, softmax=softmax)
    for old, young in YOUNG.items():
        likes = {other: vectors.similarity(old, other) for other in YOUNG.values()}
        assert max(likes, key=likes.get) == young


def test_sides_are_the_two_tables_and_their_mean():
    found = {side: learn(side=side).vectors for side in ("input", "output", "mean")}
    assert not np.allclose(found["input"], found["output"])
    mean = (found["input"] + found["output"]) / 2
    np.testing.assert_allclose(found["mean"], mean, atol=1e-6)


@pytest.mark.parametrize("seconds", [1e-6, 60.0])
def test_the_time_limits_what_is_read(seconds):
    lists = list(sentences())
    read = []

    class Counted:
        def __iter__(self):
            for words in lists:
                read.append(words)
                yield words

    arguments = {"vector_size": 8, "sample": 0, "num_threads": 1}
    vectors = learn_word2vec(Counted(), max_seconds=seconds, **arguments)
    assert len(vectors) == 18
    assert np.isfinite(vectors.vectors).all()
    # One pass counts the words, and some lists are read to measure the speed.
    measured = len(lists) + word2vec._MEASURED_LISTS
    more = len(read) - measured
    assert more == (1 if seconds < 1 else 5 * len(lists))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"vector_size": 0}, "vector_size=0"),
        ({"min_count": 10**6}, "Nothing occurs 1000000 times"),
        ({"softmax": "hierarchical", "side": "mean"}, "Expected side=input"),
    ],
)
def test_errors(changes, message):
    with pytest.raises(ValueError, match=message):
        learn(**changes)
