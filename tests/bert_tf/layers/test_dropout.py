import keras
import numpy as np
import tensorflow as tf

from bert_tf.layers.dropout import Dropout, draw_seed, replayable_dropout


def masks(layer, seed, count=3):
    with replayable_dropout(tf.constant(seed, tf.int32)):
        return [np.asarray(layer(tf.ones([40]), training=True)) for _ in range(count)]


def test_replayable_masks_depend_on_the_seed_alone():
    first = masks(Dropout(0.5), (0, 7))
    layer = Dropout(0.5)
    layer(tf.ones([40]), training=True)  # A draw of its own changes nothing.
    np.testing.assert_array_equal(masks(layer, (0, 7)), first)
    assert not np.array_equal(masks(layer, (0, 8)), first)
    assert not np.array_equal(masks(layer, (1, 7)), first)


def test_draws_within_a_step_differ():
    first, second, third = masks(Dropout(0.5), (0, 7))
    assert not np.array_equal(first, second)
    assert not np.array_equal(second, third)


def test_neighbouring_steps_share_no_draw():
    seeds = set()
    generator = keras.random.SeedGenerator(0)
    for step in range(50):
        with replayable_dropout(tf.constant([0, step], tf.int32)):
            seeds |= {tuple(draw_seed(generator, 0.1).numpy()) for _ in range(40)}
    assert len(seeds) == 50 * 40


def test_outside_the_layers_own_generator_draws():
    layer = Dropout(0.5)
    first, second = (np.asarray(layer(tf.ones([99]), training=True)) for _ in range(2))
    assert not np.array_equal(first, second)


def test_off_when_not_training_or_without_a_rate():
    x = tf.constant([1.0, 2.0])
    np.testing.assert_array_equal(Dropout(0.5)(x, training=False), x)
    np.testing.assert_array_equal(Dropout(0.0)(x, training=True), x)
    np.testing.assert_array_equal(Dropout(0.5)(x, residual=x), x + x)
