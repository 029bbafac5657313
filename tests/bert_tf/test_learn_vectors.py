"""From text to word vectors, and what they are worth."""

import gzip

import numpy as np
import pytest

from bert_tf.learn_vectors import LearnVectorsOptions, main
from bert_tf.word_vectors import quality
from bert_tf.word_vectors.texts import Words, words_of
from tests.bert_tf.word_vectors.test_word2vec import YOUNG, sentences

models = pytest.importorskip(
    "gensim", reason="the extra word_vectors is not installed"
).models


def test_words_of_a_text():
    assert words_of("It isn't 3 O’Clock: L'été, x2 — naïve_ness!") == [
        *("it", "isn't", "o’clock", "l'été", "x"),
        *("naïve", "ness"),
    ]


def test_words_of_files(tmp_path):
    (tmp_path / "a.txt").write_text("The cat sat.\n\nA dog")
    with gzip.open(tmp_path / "b.txt.gz", "wt") as file:
        file.write("word " * 2500)
    words = Words([str(tmp_path / "*")])
    for _ in range(2):
        found = list(words)
        assert found[0] == ["the", "cat", "sat", "a", "dog"]
        assert [len(part) for part in found[1:]] == [1000, 1000, 500]


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
    with pytest.raises(ValueError, match="is no list of pairs"):
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


@pytest.mark.parametrize("name", ["vectors.bin", "vectors.txt"])
def test_program(tmp_path, capsys, name):
    text = tmp_path / "text.txt"
    text.write_text("\n".join(" ".join(words) for words in sentences()))
    pairs = tmp_path / "pairs.txt"
    pairs.write_text("cats\tfish\t9\ncats\tseeds\t1\ndogs\tmeat\t9\n")
    options = LearnVectorsOptions(
        input_files=(str(text),),
        vectors_file=str(tmp_path / name),
        vector_size=8,
        num_threads=1,
        pairs_files=(str(pairs),),
    )
    main(options)
    printed = capsys.readouterr().out
    assert f"{name}: vectors of 8 numbers for 18 words." in printed
    assert "pairs.txt: Spearman" in printed and "on 3 pairs" in printed
    vectors = models.KeyedVectors.load_word2vec_format(
        str(tmp_path / name), binary=name.endswith(".bin")
    )
    assert set(YOUNG) < set(vectors.key_to_index)
    with pytest.raises(FileExistsError, match="already"):
        main(options)


@pytest.mark.parametrize(
    ("changes", "size"),
    [
        ({"method": "cbow", "softmax": "hierarchical", "window": 2}, 18),
        ({"method": "glove", "x_max": 10.0, "num_epochs": 2}, 18),
    ],
)
def test_methods(tmp_path, changes, size):
    text = tmp_path / "text.txt"
    text.write_text("\n".join(" ".join(words) for words in sentences()))
    path = str(tmp_path / "vectors.bin")
    main(LearnVectorsOptions(input_files=(str(text),), vectors_file=path, **changes))
    vectors = models.KeyedVectors.load_word2vec_format(path, binary=True)
    assert len(vectors) == size and vectors.vector_size == 100
    assert vectors.index_to_key[0] == "eat"


@pytest.mark.parametrize(
    "changes",
    [
        {"input_files": None},
        {"records_dir": "records", "vocab_file": "vocab.txt"},
        {"input_files": None, "records_dir": "records"},
        {"vocab_file": "vocab.txt"},
    ],
)
def test_words_or_pieces(changes):
    with pytest.raises(ValueError, match="Expected input_files alone, or records_dir"):
        LearnVectorsOptions(
            **{"input_files": ("text",), "vectors_file": "vectors.bin", **changes}
        )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"method": "glove", "softmax": "hierarchical", "sample": 0.0}, "glove.*alone"),
        ({"method": "glove", "num_threads": 1}, "num_threads=1 with method=glove"),
        ({"x_max": 10.0}, "x_max=10.0 with method=skip_gram. Expected it with glove"),
        ({"method": "cbow", "x_max": 9.0}, r"x_max=9\.0 with method=cbow"),
    ],
)
def test_options_of_another_method(changes, message):
    with pytest.raises(ValueError, match=message):
        LearnVectorsOptions(
            input_files=("text",), vectors_file="vectors.bin", **changes
        )


def test_a_missing_list_is_told_before_the_work(tmp_path):
    options = LearnVectorsOptions(
        input_files=("none",),
        vectors_file=str(tmp_path / "vectors.bin"),
        pairs_files=(str(tmp_path / "pairs"),),
    )
    with pytest.raises(FileNotFoundError, match="Expected one of word pairs"):
        main(options)
    assert not list(tmp_path.iterdir())
