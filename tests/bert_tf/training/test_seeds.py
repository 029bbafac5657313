import itertools

import tensorflow as tf

from bert_tf.training.seeds import data_seed, dropout_seed


def test_seeds_of_the_data_are_those_of_earlier_versions():
    assert data_seed(5) == 5
    assert data_seed(5, phase=1) == 6
    assert data_seed(5, phase=1, attempt=2) == 6 + 2 * 10_007


def test_each_slice_of_each_step_has_masks_of_its_own():
    places = itertools.product(range(3), range(2), range(4))
    found = [
        tuple(dropout_seed(7, tf.constant(step), replica, piece, (2, 4)).numpy())
        for step, replica, piece in places
    ]
    assert found == [(7, draw) for draw in range(24)]
