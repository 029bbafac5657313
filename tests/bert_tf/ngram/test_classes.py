"""Classes by brute force; the two models by hand, and together."""

import itertools

import numpy as np
import pytest

from bert_tf.ngram.class_model import ClassModel, MixedModel
from bert_tf.ngram.classes import learn_classes
from bert_tf.ngram.model import NgramModel
from tests.bert_tf.ngram.perplexity import perplexity_of

KINDS, PIECES = 4, 6


def text_of_kinds(size=6000, seed=0):
    """Kinds follow kinds, and pieces are drawn from them: piece i is of kind i % 4."""
    generator = np.random.default_rng(seed)
    follows = np.array([[1, 6, 2, 1], [5, 1, 1, 3], [1, 1, 1, 7], [6, 2, 1, 1]]) / 10
    kinds = [0]
    while len(kinds) < size:
        kinds.append(generator.choice(KINDS, p=follows[kinds[-1]]))
    return np.array(kinds) + KINDS * generator.integers(0, PIECES, size)


def mutual_information(texts, classes):
    """Of neighbouring classes, as it is defined."""
    classes = np.asarray(classes)
    joint = np.zeros((classes.max() + 1,) * 2)
    for text in texts:
        for first, second in itertools.pairwise(text):
            joint[classes[first], classes[second]] += 1
    joint /= joint.sum()
    apart = joint.sum(axis=1, keepdims=True) * joint.sum(axis=0, keepdims=True)
    seen = joint > 0
    return (joint[seen] * np.log(joint[seen] / apart[seen])).sum()


def test_kinds_are_found():
    found = learn_classes([text_of_kinds()], KINDS * PIECES, KINDS)
    kinds = found.reshape(PIECES, KINDS)
    assert (kinds == kinds[0]).all() and len(set(kinds[0])) == KINDS


@pytest.mark.parametrize("seed", range(4))
def test_no_piece_would_gain_by_another_class(seed):
    generator = np.random.default_rng(seed)
    texts = [generator.zipf(1.5, 300) % 12 for _ in range(2)]
    found = learn_classes(texts, 12, 3)
    best = mutual_information(texts, found)
    for piece, other in itertools.product(range(12), range(3)):
        changed = found.copy()
        changed[piece] = other
        assert mutual_information(texts, changed) <= best + 1e-12


def test_the_best_of_all_where_there_are_few():
    texts = [[0, 1, 2, 3, 0, 3, 2, 1], [2, 1, 0, 1, 2, 2, 3]]
    found = mutual_information(texts, learn_classes(texts, 4, 2))
    every = itertools.product(range(2), repeat=4)
    assert found == pytest.approx(max(mutual_information(texts, c) for c in every))


def test_pieces_that_never_occur_are_of_the_last_class():
    found = learn_classes([text_of_kinds()], KINDS * PIECES + 3, KINDS)
    assert found[-3:].tolist() == [KINDS - 1] * 3
    few = learn_classes([[0, 1, 0, 1]], 10, 5)
    assert few[0] != few[1] and few.max() <= 4


@pytest.mark.parametrize("number", [1, 31])
def test_numbers_of_classes_that_do_not_fit(number):
    with pytest.raises(ValueError, match=f"num_classes={number}. Expected 2 to 30"):
        learn_classes([[0, 1, 2]], 30, number)


def test_what_is_no_text_of_the_vocabulary():
    with pytest.raises(ValueError, match=r"ids from 0 to 9\. Expected ids below"):
        MixedModel.fit([np.array([0, 9, 1, 2])], 5, 2)
    with pytest.raises(ValueError, match="no text with three pieces"):
        MixedModel.fit([np.array([0, 1])], 5, 2)


def test_class_model_by_hand():
    classes = np.array([0, 1, 1, 0, 1])
    texts = [np.array([0, 1, 3, 2, 0]), np.array([1, 1, 0, 1])]
    model = ClassModel.fit(texts, classes)
    # 0 three times and 3 once; 1 four times and 2 once; 4 never.
    np.testing.assert_allclose(model.shares, [3 / 4, 4 / 5, 1 / 5, 1 / 4, 0])
    of_classes = NgramModel.fit([classes[text] for text in texts], 2)
    nothing = 5
    found = model.probabilities([0, nothing], [3, nothing], [2, 0])
    expected = of_classes.probabilities([0, 2], [0, 2], [1, 0]) * [1 / 5, 3 / 4]
    np.testing.assert_allclose(found, expected)


@pytest.fixture(scope="module")
def mixed():
    return MixedModel.fit([text_of_kinds(), text_of_kinds(1000, 1)], 24, KINDS)


@pytest.mark.parametrize("part", ["classes", "both"])
def test_probabilities_and_guesses_go_together(mixed, part):
    model = mixed.classes if part == "classes" else mixed
    every = np.arange(24)
    for u, v, x, y in [(0, 5, 2, 7), (24, 24, 3, 0), (24, 9, 9, 9)]:
        found = model.probabilities(np.full(24, u), np.full(24, v), every)
        assert found.sum() == pytest.approx(1, abs=1e-5)
        before = [i for i in (u, v) if i < 24]
        np.testing.assert_allclose(model.factors(before, [])[0], found, rtol=1e-5)
        product = found.copy()
        for w in every:
            product[w] *= model.probabilities([v], [w], [x])[0]
            product[w] *= model.probabilities([w], [x], [y])[0]
        expected = product / product.sum()
        np.testing.assert_allclose(model.cloze(before, [x, y]), expected, rtol=1e-4)


def test_both_know_more_than_either(mixed):
    new = [text_of_kinds(2000, seed=5)]
    either = min(perplexity_of(mixed.pieces, new), perplexity_of(mixed.classes, new))
    assert perplexity_of(mixed, new) < 1.01 * either
    # All there is to know are the kinds.
    assert mixed.weight < 0.2
    assert perplexity_of(mixed, new) < 0.97 * perplexity_of(mixed.pieces, new)


def test_where_kinds_say_nothing_pieces_decide():
    circle = np.tile(np.random.default_rng(0).permutation(20), 50)
    model = MixedModel.fit([circle], 20, 2)
    assert model.weight > 0.9 and perplexity_of(model, [circle]) < 1.2
