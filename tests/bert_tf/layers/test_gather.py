import numpy as np
import tensorflow as tf

from bert_tf.layers.gather import gather_rows, gather_tokens

X = np.arange(2 * 4 * 3, dtype="float32").reshape(2, 4, 3)


def test_gather_rows():
    rows = gather_rows(tf.constant(X), tf.constant([[3, 0], [1, 1]]))
    np.testing.assert_array_equal(rows, [X[0, [3, 0]], X[1, [1, 1]]])


def test_gather_tokens():
    found = gather_tokens(tf.constant(X), tf.constant([0, 5, 5]))
    np.testing.assert_array_equal(found, [X[0, 0], X[1, 1], X[1, 1]])
    found = gather_tokens(tf.constant(X), tf.constant([[4, 7], [3, 0]]))
    np.testing.assert_array_equal(found, [[X[1, 0], X[1, 3]], [X[0, 3], X[0, 0]]])
