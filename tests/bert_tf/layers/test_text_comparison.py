import numpy as np
import pytest
import tensorflow as tf

from bert_tf.layers.text_comparison import compare_texts, compared_width

_WIDTH = 6


def length_of(vector):
    return np.sqrt(np.sum(np.square(vector)))


def expected_features(first, second):
    """The features of two texts, float (tokens, width) each, one token at a time."""
    root = np.sqrt(_WIDTH)
    u, v = (
        root * total / length_of(total)
        for total in (sum(x / length_of(x) for x in text) for text in (first, second))
    )
    found = [*np.abs(u - v), *(u * v)]
    for these, others in ((first, second), (second, first)):
        best = [max(x @ y / length_of(x) / length_of(y) for y in others) for x in these]
        found += [root * np.mean(best), root * min(best)]
    return found


def pair_of(generator, *lengths):
    return [generator.normal(size=(length, _WIDTH)) for length in lengths]


def test_pairs_in_rows_of_their_own_and_in_shared_rows():
    generator = np.random.default_rng(0)
    pairs = [pair_of(generator, *lengths) for lengths in ((3, 2), (1, 4), (2, 1))]
    # [CLS] first [SEP] second [SEP], padded; special tokens have other vectors.
    texts = [
        [generator.normal(size=(1, _WIDTH)) for _ in range(3)] + pair for pair in pairs
    ]
    rows = [np.concatenate([c, a, s, b, t]) for c, s, t, a, b in texts]
    segments = [[0] * (len(a) + 2) + [1] * (len(b) + 1) for a, b in pairs]
    expected = [expected_features(*pair) for pair in pairs]

    state = np.zeros((3, 10, _WIDTH), np.float32)
    ids = np.zeros((3, 10), np.int32)
    mask = np.zeros((3, 10), bool)
    for index, (row, of_row) in enumerate(zip(rows, segments, strict=True)):
        state[index, : len(row)] = row
        state[index, len(row) :] = 100.0
        ids[index, : len(row)] = of_row
        mask[index, : len(row)] = True
    alone = compare_texts(
        [state], {"token_ids": ids, "segment_ids": ids, "padding_mask": mask}
    )
    assert alone.shape == (3, compared_width(_WIDTH))
    np.testing.assert_allclose(alone, expected, rtol=1e-4, atol=1e-5)

    # The three in one row, the last of which has room left.
    lengths = [len(row) for row in rows]
    room = np.full((2, _WIDTH), 100.0)
    together = np.concatenate([*rows, room])[np.newaxis].astype(np.float32)
    of_row = np.array([[*segments[0], *segments[1], *segments[2], 0, 0]], np.int32)
    packed = {
        "token_ids": of_row,
        "segment_ids": of_row,
        "first_tokens": np.array([0, lengths[0], lengths[0] + lengths[1]], np.int32),
        "lengths": np.array(lengths, np.int32),
    }
    found = compare_texts([together, together], packed)
    np.testing.assert_allclose(found, np.tile(expected, 2), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("segments", [[0, 0, 0, 0], [0, 0, 0, 1], [0, 0, 1, 1]])
def test_sequences_that_are_no_pair(segments):
    """A text alone; and pairs of which one or both are empty."""
    ids = np.array([segments], np.int32)
    mask = np.ones((1, 4), bool)
    inputs = {"token_ids": ids, "segment_ids": ids, "padding_mask": mask}
    state = tf.Variable(np.random.default_rng(0).normal(size=(1, 4, _WIDTH)))
    with tf.GradientTape() as tape:
        found = compare_texts([state], inputs)
        loss = tf.reduce_sum(found)
    assert not np.any(found)
    assert np.all(np.isfinite(tape.gradient(loss, state)))
