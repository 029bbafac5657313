"""GloVe's objective and step, beside loops; and what stands together is alike."""

import copy
import functools
import math

import numpy as np
import pytest
import tensorflow as tf

from bert_tf.word_vectors.cooccurrences import count_cooccurrences
from bert_tf.word_vectors.glove import Glove, _batches, learn_glove
from tests.bert_tf.word_vectors.test_word2vec import FOODS, YOUNG

# The upper half of a symmetric matrix of three words; the last has x_max = 8 and more.
ROWS, COLUMNS, COUNTS = [0, 0, 1, 2], [1, 2, 1, 2], [2.0, 0.5, 4.0, 20.0]
BOTH = [(0, 1, 2.0), (0, 2, 0.5), (1, 1, 4.0), (2, 2, 20.0), (1, 0, 2.0), (2, 0, 0.5)]


def pairs():
    return tf.constant(ROWS), tf.constant(COLUMNS), tf.constant(COUNTS)


def glove(seed=0, words=3, size=4, x_max=8.0):
    made = Glove(words, size, x_max, seed)
    generator = np.random.default_rng(1)
    for variable in made.trainable_variables:
        variable.assign(generator.normal(size=variable.shape))
    return made


def tables(made):
    variables = made.inputs, made.outputs, made.input_biases, made.output_biases
    return [variable.numpy().astype(float) for variable in variables]


def weight(count):
    return min(1, (count / 8) ** 0.75)


def difference(w, v, b, c, row, column, count):
    return w[row] @ v[column] + b[row] + c[column] - math.log(count)


def test_objective_by_hand():
    made = Glove(2, 2, 16.0, 0)
    made.inputs.assign([[1, 2], [0, 1]])
    made.outputs.assign([[1, 0], [3, 1]])
    made.input_biases.assign([0.5, 0])
    made.output_biases.assign([0, -1])
    # w v = 1 * 3 + 2 * 1, biases -0.5, f(1) = 1 / 8: 4.5^2 / 8. The second has a count
    # over x_max: w v = 0, biases 0, log e^3 = 3.
    found = made.objective(
        tf.constant([0, 1]), tf.constant([1, 0]), tf.constant([1, math.exp(3)])
    )
    assert float(found) == pytest.approx(4.5**2 / 8 + 9, rel=1e-6)
    nothing = made.objective(tf.constant([0]), tf.constant([1]), tf.constant([0.0]))
    assert float(nothing) == 0


def test_a_step_of_adagrad_by_hand():
    made = glove()
    squares = [np.ones_like(table) for table in tables(made)]
    for _ in range(3):
        now = tables(made)
        w, v, *_ = now
        slopes = [np.zeros_like(table) for table in now]
        objective = 0
        for row, column, count in BOTH:
            error = difference(*now, row, column, count)
            objective += weight(count) * error**2
            slopes[0][row] += weight(count) * error * v[column]
            slopes[1][column] += weight(count) * error * w[row]
            slopes[2][row] += weight(count) * error
            slopes[3][column] += weight(count) * error
        assert float(made.train_step(*pairs())) == pytest.approx(objective, rel=1e-5)
        for table, square, slope, found in zip(
            now, squares, slopes, tables(made), strict=True
        ):
            square += slope**2
            np.testing.assert_allclose(
                found, table - 0.05 * slope / np.sqrt(square), rtol=1e-4, atol=1e-5
            )


def test_a_small_matrix_is_learned_by_heart():
    made = Glove(3, 4, 8.0, 0)
    first = float(made.train_step(*pairs()))
    for _ in range(1500):
        last = float(made.train_step(*pairs()))
    assert last < 1e-4 < 1 < first
    for row, column, count in BOTH:
        found = difference(*tables(made), row, column, count)
        assert found == pytest.approx(0, abs=0.05)


def meals(count=3000, seed=0):
    """Who eats what, and sometimes what others eat: zeros teach GloVe nothing."""
    generator = np.random.default_rng(seed)
    animals = list(YOUNG.items())
    for _ in range(count):
        kind = generator.integers(4)
        food = FOODS[kind if generator.random() < 0.7 else generator.integers(4)]
        yield [animals[kind][generator.integers(2)], "eat", food]


@functools.cache
def learn(**changes):
    arguments = {"vector_size": 8, "window": 2, "num_epochs": 50}
    return learn_glove(list(meals()), **(arguments | changes))


def test_what_stands_in_the_same_places_is_alike():
    vectors = copy.deepcopy(learn())
    assert vectors.index_to_key[0] == "eat"
    assert vectors.get_vecattr("eat", "count") == 3000
    # What all words have in common, being all as frequent, is taken out.
    vectors.vectors -= vectors.vectors.mean(axis=0)
    vectors.fill_norms(force=True)
    for old, young in YOUNG.items():
        likes = {other: vectors.similarity(old, other) for other in YOUNG.values()}
        assert max(likes, key=likes.get) == young and likes[young] > 0.9


def test_sides_are_the_two_tables_and_their_mean():
    made = glove()
    first, second = made.vectors("input"), made.vectors("output")
    assert not np.allclose(first, second)
    np.testing.assert_array_equal(made.vectors("mean"), (first + second) / 2)
    sides = [learn(side=side, num_epochs=1).vectors for side in ("input", "output")]
    mean = learn(num_epochs=1).vectors
    np.testing.assert_array_equal(mean, (sides[0] + sides[1]) / 2)


def test_another_seed():
    first, second = (learn(num_epochs=1, seed=seed).vectors for seed in (0, 1))
    assert np.abs(first - second).max() > 0.01


def test_an_epoch_is_all_pairs_once_in_another_order():
    lists = list(meals(100))
    with count_cooccurrences(lists, window=2, min_count=1, pairs_at_once=50) as counted:
        batches = _batches(counted, size=7, num_epochs=2, seed=0)
        seen = [np.stack([field.numpy() for field in batch], 1) for batch in batches]
        pairs = np.concatenate([counted.read(shard) for shard in counted.shards])
    first, second = np.split(np.concatenate(seen), 2)
    assert not np.array_equal(first, second)
    for epoch in (first, second):
        real = epoch[epoch[:, 2] > 0]
        assert sorted(map(tuple, real.tolist())) == sorted(pairs.tolist())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"vector_size": 0}, "vector_size=0"),
        ({"x_max": 0.0}, r"x_max=0\.0"),
        ({"window": 0}, "window=0"),
        ({"min_count": 10**6}, "Nothing occurs 1000000 times"),
    ],
)
def test_errors(changes, message):
    with pytest.raises(ValueError, match=message):
        learn(**changes)
