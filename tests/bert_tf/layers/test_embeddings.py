import numpy as np
import pytest

from bert_tf.layers.embeddings import Embeddings


def make_layer(num_segments):
    layer = Embeddings(
        vocab_size=6,
        embedding_dim=4,
        hidden_dim=4,
        num_positions=8,
        num_segments=num_segments,
        position_embeddings="rotary",
        position_offset=0,
        dropout=0.0,
        epsilon=1e-12,
        initializer_range=0.02,
    )
    layer.build((None, None))
    return layer


@pytest.fixture
def layer():
    return make_layer(2)


def test_one_segment_is_that_of_both_texts_of_a_pair():
    layer = make_layer(1)
    layer.segment_table.assign(np.full((1, 4), [1.0, -2.0, 3.0, 0.5]))
    ids, positions = np.array([[1, 2, 3]]), np.array([[0, 1, 2]])
    expected = layer(ids, None, positions)
    found = layer(ids, np.array([[0, 1, 1]]), positions)
    np.testing.assert_array_equal(found, expected)


def test_token_table_starts_from_vectors(layer):
    generator = np.random.default_rng(0)
    vectors = (generator.normal(size=(6, 4)) + 5).astype("float32")
    is_found = np.array([False, True, True, False, True, True])
    before = np.asarray(layer.token_table).copy()
    layer.assign_rows(vectors, is_found)
    table = np.asarray(layer.token_table).copy()
    np.testing.assert_array_equal(table[~is_found], before[~is_found])
    found = table[is_found]
    np.testing.assert_allclose(found.mean(axis=0), np.zeros(4), atol=1e-6)
    np.testing.assert_allclose(np.square(found).sum(axis=1).mean(), 1.0, rtol=1e-6)
    # A shift and one factor for all: what was alike still is.
    np.testing.assert_allclose(
        (found[1] - found[0]) / (vectors[2] - vectors[1]),
        np.full(4, (found[3, 0] - found[0, 0]) / (vectors[5, 0] - vectors[1, 0])),
        rtol=1e-4,
    )


@pytest.mark.parametrize("count", [1, 3])
def test_vectors_that_do_not_differ(layer, count):
    before = np.asarray(layer.token_table).copy()
    with pytest.raises(ValueError, match=f"{count} vectors whose mean distance .* 0.0"):
        layer.assign_rows(np.ones((6, 4), "float32"), np.arange(6) < count)
    np.testing.assert_array_equal(layer.token_table, before)


@pytest.mark.parametrize("shape", [(6, 5), (5, 4)])
def test_vectors_of_another_shape(layer, shape):
    with pytest.raises(ValueError, match=r"Expected \(6, 4\) and \(6,\)"):
        layer.assign_rows(np.ones(shape, "float32"), np.ones(shape[0], bool))
