import numpy as np

from bert_tf.layers.characters import CharacterEmbeddings, characters_of
from tests.seeds import set_seed

PIECES = ["[PAD]", "cat", "##cat", "中", "cats"]


def layer(num_bytes=6):
    set_seed(0)
    made = CharacterEmbeddings(len(PIECES) + 1, 8, num_bytes)
    made.build((None, None))
    made.set_vocabulary(PIECES)
    return made


def test_characters_of_pieces():
    rows = characters_of(["a", "##b", "##", "中", "abcdef"], 4)
    assert rows.tolist() == [
        [257, 98, 0, 0],
        [99, 0, 0, 0],
        # A word of its own, not the rest of one.
        [257, 36, 36, 0],
        [257, 0xE4 + 1, 0xB8 + 1, 0xAD + 1],
        [257, 98, 99, 100],
    ]


def test_equals_numpy():
    made = layer()
    vectors = np.asarray(made(np.array([[1, 2, 3]])))[0]
    weights = {w.path.split("/", 1)[-1]: np.asarray(w) for w in made.weights}
    table = weights["character_table"]

    def dense(x, name):
        return x @ weights[f"{name}/kernel"] + weights[f"{name}/bias"]

    for vector, characters in zip(
        vectors, characters_of(PIECES, 6)[[1, 2, 3]], strict=True
    ):
        found = []
        for width in (1, 2, 3, 4, 5):
            kernel = weights[f"width_{width}/kernel"]
            places = [
                np.einsum("wd,wdf->f", table[characters[i : i + width]], kernel)
                for i in range(6 - width + 1)
            ]
            found.append(np.maximum(places + weights[f"width_{width}/bias"], 0).max(0))
        x = np.concatenate(found)
        gate = 1 / (1 + np.exp(-dense(x, "gate")))
        x = gate * np.maximum(dense(x, "transform"), 0) + (1 - gate) * x
        np.testing.assert_allclose(vector, dense(x, "projection"), atol=1e-5)


def test_what_begins_a_word_is_another_than_what_goes_on():
    vectors = np.asarray(layer()(np.array([[1, 2, 4]])))[0]
    assert np.abs(vectors[0] - vectors[1]).max() > 1e-4
    # What is behind the last byte that is read has no part.
    short = np.asarray(layer(5)(np.array([[1, 4]])))[0]
    assert np.abs(short[0] - short[1]).max() > 1e-4


def test_pieces_that_nobody_names_have_no_characters():
    made = layer()
    assert not np.asarray(made.characters)[-1].any()
    assert not made.characters.trainable
