import numpy as np

from bert_tf.tasks.answers import mean_by_example


def test_mean_by_example():
    values = np.array([[1.0, 0], [3, 2], [5, 5], [0, 1], [0, 2], [0, 6]])
    found = mean_by_example(values, np.array([0, 0, 1, 2, 2, 2]))
    np.testing.assert_allclose(found, [[2, 1], [5, 5], [0, 3]])
    found = mean_by_example(values[:, 0], np.arange(6))
    np.testing.assert_array_equal(found, values[:, 0])
