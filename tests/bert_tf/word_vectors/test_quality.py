import numpy as np
import pytest

from bert_tf.word_vectors import quality

models = pytest.importorskip(
    "gensim", reason="the extra word_vectors is not installed"
).models


def keyed(table):
    vectors = models.KeyedVectors(2)
    vectors.add_vectors(list(table), np.array(list(table.values()), np.float32))
    return vectors


def test_similarity_by_hand(tmp_path):
    vectors = keyed({"a": (1, 0), "b": (1, 0.1), "c": (0, 1), "d": (-1, 0)})
    pairs = tmp_path / "pairs"
    # Cosines 0.995, 0.0995, 0 and -1: in this order, but for the first two.
    pairs.write_text("A\tb\t5\nb\tc\t9\na\tc\t3\na\td\t1\na\tx\t8\n")
    found = quality.similarity(vectors, str(pairs))
    # 1 - 6 * (1 + 1) / (4 * 15)
    assert found == quality.Score(pytest.approx(0.8), 4, 1)
    pairs.write_text("a b 5\n")
    with pytest.raises(ValueError, match="is not a list of pairs"):
        quality.similarity(vectors, str(pairs))
    pairs.write_text("x\ty\t5\n")
    with pytest.raises(ValueError, match="0 of 1 pairs"):
        quality.similarity(vectors, str(pairs))
    with pytest.raises(FileNotFoundError):
        quality.similarity(vectors, str(tmp_path / "none"))


def test_analogies_by_hand(tmp_path):
    vectors = keyed(
        {"man": (1, 0), "king": (1, 1), "woman": (-1, 0.01), "queen": (-1, 1)}
        | {"apple": (0, -1)}
    )
    questions = tmp_path / "questions"
    questions.write_text(
        ": family\nMan King Woman Queen\nman king woman apple\nman king x queen\n"
    )
    found = quality.analogies(vectors, str(questions))
    assert found == quality.Score(0.5, 2, 1)
    questions.write_text(": family\nx y z w\n")
    with pytest.raises(ValueError, match="None of 1 questions"):
        quality.analogies(vectors, str(questions))
