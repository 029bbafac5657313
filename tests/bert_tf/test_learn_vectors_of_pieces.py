import functools

import numpy as np
import pytest

from bert_tf.learn_vectors import LearnVectorsOptions, learn_vectors, main, text_of
from bert_tf.word_vectors.keyed_vectors import read_token_vectors
from data_pipelines.tokenizers.vocabulary import SPECIAL_TOKENS, Vocabulary
from tests.end_to_end.corpus import ANIMALS, write_records

pytest.importorskip("gensim", reason="the extra word_vectors is not installed")


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """A folder of records, and their vocabulary."""
    return write_records(tmp_path_factory.mktemp("prepared"))


@functools.cache
def learn(prepared, **changes):
    """Vectors that no test changes."""
    options = options_for(prepared, vectors_file="", **changes)
    return learn_vectors(options, text_of(options))


def options_for(prepared, **changes):
    arguments = {
        "records_dir": str(prepared / "records"),
        "vocab_file": str(prepared / "vocab.txt"),
        "vector_size": 16,
        "num_threads": 1,
    }
    return LearnVectorsOptions(**(arguments | changes))


def test_what_stands_together_is_alike(prepared):
    # All are as frequent as what is left out of a large text.
    vectors = learn(prepared, num_epochs=5, sample=0.0)
    # "apple" is several pieces.
    foods = {animal: food for animal, food in ANIMALS.items() if food in vectors}
    assert len(foods) == 3
    for animal, food in foods.items():
        likes = {other: vectors.similarity(animal, other) for other in foods.values()}
        assert max(likes, key=likes.get) == food


def test_glove_learns_of_the_same_pieces(prepared):
    options = {"method": "glove", "num_threads": None, "num_epochs": 3}
    first = learn(prepared, **options)
    again = learn.__wrapped__(prepared, **options)
    np.testing.assert_array_equal(first.vectors, again.vectors)
    assert set(first.index_to_key) == set(learn(prepared, seed=0).index_to_key)
    # "the" stands at most places, and beside nearly all.
    assert first.index_to_key[0] == "the"


def test_one_thread_is_reproducible(prepared):
    first, other = (learn(prepared, seed=seed) for seed in (0, 1))
    again = learn.__wrapped__(prepared, seed=0)
    assert first.index_to_key == again.index_to_key
    np.testing.assert_array_equal(first.vectors, again.vectors)
    assert np.abs(first.vectors - other.vectors).max() > 0.01


def test_frequent_pieces_alone(prepared):
    every = learn(prepared, min_count=1, num_epochs=1)
    frequent = learn(prepared, min_count=500, num_epochs=1)
    assert set(frequent.index_to_key) < set(every.index_to_key)
    assert all(
        every.get_vecattr(piece, "count") >= 500 for piece in frequent.key_to_index
    )
    with pytest.raises(ValueError, match="Nothing occurs 1000000 times"):
        learn(prepared, min_count=1_000_000)


@pytest.mark.parametrize("name", ["vectors.bin", "vectors.txt"])
def test_file(prepared, tmp_path, capsys, name):
    path = str(tmp_path / "new" / name)
    options = options_for(prepared, vectors_file=path)
    main(options)
    assert "16-dimensional vectors for" in capsys.readouterr().out
    vocabulary = Vocabulary.from_file(options.vocab_file)
    vectors, is_found = read_token_vectors(path, vocabulary)
    assert vectors.shape == (100, 16)
    assert not is_found[[vocabulary.id_of(token) for token in SPECIAL_TOKENS]].any()
    learned = learn(prepared, seed=0)
    assert is_found.sum() == len(learned)
    for piece in ("cat", "garden"):
        np.testing.assert_allclose(
            vectors[vocabulary.id_of(piece)], learned[piece], rtol=1e-5, atol=1e-6
        )
    with pytest.raises(FileExistsError, match="Nothing is overwritten"):
        main(options)
    assert [file.name for file in (tmp_path / "new").iterdir()] == [name]


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"num_epochs": 0}, ValueError, "num_epochs=0. Expected numbers above 0"),
        ({"num_threads": 0}, ValueError, "num_threads=0"),
        ({"method": "glove"}, ValueError, "num_threads=1 with method=glove"),
        ({"records_dir": "missing"}, FileNotFoundError, "manifest.json"),
        (
            {"vocab_file": "a.txt"},
            ValueError,
            "Expected that of the records, of 100 pieces",
        ),
    ],
)
def test_what_does_not_fit(prepared, tmp_path, monkeypatch, changes, error, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.txt").write_bytes(Vocabulary((*SPECIAL_TOKENS, "a")).to_bytes())
    with pytest.raises(error, match=message):
        learn(prepared, **changes)
