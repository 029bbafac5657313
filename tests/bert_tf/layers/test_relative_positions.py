"""Relative positions against loops over pairs of places."""

import math

import numpy as np
import pytest
import tensorflow as tf

from bert_tf.layers.attention import SelfAttention
from bert_tf.layers.relative_positions import (
    RelativeBias,
    RelativePositions,
    disentangled_scores,
    shifted,
)
from tests.bert_tf.small_models import randomize


def log_bucket(distance, num_buckets, max_distance):
    """As in the code of DeBERTa v2, for one distance."""
    middle = num_buckets // 2
    if not num_buckets or abs(distance) <= middle:
        return distance
    steps = math.log(abs(distance) / middle) / math.log((max_distance - 1) / middle)
    bucket = math.ceil(steps * (middle - 1)) + middle
    return int(math.copysign(bucket, distance))


def bias_bucket(distance, num_buckets):
    """As in T5, for the distance of a query from a key before it."""
    half, side = num_buckets // 2, num_buckets // 2 * (distance < 0)
    exact, length = half // 2, abs(distance)
    if length < exact:
        return side + length
    share = math.log(length / exact) / math.log(128 / exact)
    return side + min(half - 1, exact + int(share * (half - exact)))


@pytest.mark.parametrize("n", [1, 2, 7])
def test_shifted(n):
    x = np.arange(2 * 3 * n * (2 * n - 1)).reshape(2, 3, n, 2 * n - 1)
    found = shifted(tf.constant(x, tf.float32)).numpy()
    for i in range(n):
        for j in range(n):
            np.testing.assert_array_equal(found[:, :, i, j], x[:, :, i, j - i + n - 1])


@pytest.mark.parametrize(
    ("num_buckets", "max_distance"), [(0, 40), (0, 5), (8, 40), (256, 512), (10, 12)]
)
def test_a_vector_for_each_distance(num_buckets, max_distance):
    layer = RelativePositions(8, num_buckets, max_distance, 40, 1e-6, 0.3)
    layer.build()
    randomize(layer)
    span = num_buckets or max_distance
    table = layer.norm(tf.constant(layer.distance_table)).numpy()
    for length in (1, 9, 40):
        found = layer(tf.zeros([2, length, 8])).numpy()
        assert found.shape == (2 * length - 1, 8)
        for place, distance in enumerate(range(1 - length, length)):
            bucket = log_bucket(distance, num_buckets, max_distance)
            row = min(max(bucket + span, 0), 2 * span - 1)
            np.testing.assert_array_equal(found[place], table[row], err_msg=distance)


@pytest.mark.parametrize("num_buckets", [8, 32])
def test_a_bias_for_each_distance(num_buckets):
    layer = RelativeBias(3, num_buckets, 300, 0.3)
    layer.build()
    found = layer(tf.zeros([2, 300, 8])).numpy()
    table = np.asarray(layer.bucket_table)
    assert found.shape == (1, 3, 300, 300)
    for query in range(0, 300, 7):
        for key in range(300):
            bucket = bias_bucket(query - key, num_buckets)
            np.testing.assert_array_equal(found[0, :, query, key], table[bucket])
    # Shorter rows have the same distances.
    short = layer(tf.zeros([1, 5, 8])).numpy()
    np.testing.assert_array_equal(short, found[:, :, :5, :5])


def test_disentangled_scores():
    """He et al. 2021, equation 3 and algorithm 1, pair by pair."""
    generator = np.random.default_rng(0)
    n, width = 6, 4
    query, key = generator.normal(size=(2, 2, 3, n, width))
    of_query, of_key = generator.normal(size=(2, 1, 3, 2 * n - 1, width))
    found = disentangled_scores(*map(tf.constant, (query, key, of_query, of_key)))
    for i in range(n):
        for j in range(n):
            distance = i - j + n - 1
            expected = (query[:, :, i] * of_key[:, :, distance]).sum(-1)
            expected += (key[:, :, j] * of_query[:, :, distance]).sum(-1)
            np.testing.assert_allclose(found[:, :, i, j], expected, atol=1e-12)


def test_the_scale_counts_three_products():
    layer = SelfAttention(8, 2, 0.0, 0.3, disentangled=True)
    layer.build((None, None, 8))
    x = tf.constant(np.random.default_rng(1).normal(size=(1, 4, 8)), tf.float32)
    relative = tf.zeros([7, 8])
    mask = tf.ones([1, 1, 4], tf.bool)
    # Without biases, the positions of zero vectors add nothing to the scores.
    found = layer.probabilities(x, mask, relative=relative)
    query, key, _ = np.split((x @ layer.query_key_value.kernel).numpy()[0], 3, axis=-1)
    for head in range(2):
        columns = slice(4 * head, 4 * head + 4)
        scores = query[:, columns] @ key[:, columns].T / math.sqrt(3 * 4)
        np.testing.assert_allclose(found[0, head], tf.nn.softmax(scores), atol=1e-6)
