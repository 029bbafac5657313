"""Ragged tensors against those of TensorFlow."""

import numpy as np
import pytest
import tensorflow as tf

from data_pipelines.rows.ragged import from_lengths, rows_and_places


@pytest.mark.parametrize(
    "lengths", [[], [0], [3], [2, 0, 1], [0, 0, 4, 0], [1] * 70, [5, 0] * 40]
)
def test_rows_and_places(lengths):
    values = tf.range(sum(lengths))
    expected = tf.RaggedTensor.from_row_lengths(values, tf.constant(lengths, tf.int64))
    found = from_lengths(values, tf.constant(lengths, tf.int32))
    assert found.to_list() == expected.to_list()
    rows, places = rows_and_places(tf.constant(lengths, tf.int32))
    assert rows.dtype == places.dtype == tf.int32
    np.testing.assert_array_equal(rows, expected.value_rowids())
    counted = [place for length in lengths for place in range(length)]
    np.testing.assert_array_equal(places, counted)


def test_in_a_graph_of_any_size():
    run = tf.function(
        rows_and_places,
        input_signature=[tf.TensorSpec([None], tf.int32)],
        autograph=False,
    )
    for lengths in ([1, 2], [3]):
        assert run(tf.constant(lengths))[1].shape == (3,)
