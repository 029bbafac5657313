"""From text to word vectors, and what they are worth."""

import numpy as np
import pytest

from bert_tf.learn_vectors import LearnVectorsOptions, main
from bert_tf.word_vectors import quality
from bert_tf.word_vectors.glove import learn_glove
from bert_tf.word_vectors.word2vec import learn_word2vec
from tests.bert_tf.word_vectors.test_word2vec import YOUNG, sentences

models = pytest.importorskip(
    "gensim", reason="the extra word_vectors is not installed"
).models


def parts_of_text():
    """The sentences as the program reads them: one text, in lists of a thousand."""
    words = [word for row in sentences() for word in row]
    return [words[i : i + 1000] for i in range(0, len(words), 1000)]


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
    assert f"{name}: 8-dimensional vectors for 18 words." in printed
    vectors = models.KeyedVectors.load_word2vec_format(
        str(tmp_path / name), binary=name.endswith(".bin")
    )
    (said,) = quality.lines(vectors, options.pairs_files, None)
    assert said in printed and "Spearman" in said and "on 3 pairs" in said
    learned = learn_word2vec(parts_of_text(), vector_size=8, num_threads=1)
    assert vectors.index_to_key == learned.index_to_key
    assert set(YOUNG) < set(vectors.key_to_index)
    np.testing.assert_allclose(vectors.vectors, learned.vectors, rtol=1e-4, atol=1e-5)
    with pytest.raises(FileExistsError, match="already"):
        main(options)


@pytest.mark.parametrize(
    ("method", "changes"),
    [
        (
            "cbow",
            {"softmax": "hierarchical", "window": 2, "num_threads": 1, "seed": 3},
        ),
        ("glove", {"x_max": 10.0, "num_epochs": 2}),
    ],
)
def test_methods(tmp_path, method, changes):
    """The options reach the function of their method."""
    text = tmp_path / "text.txt"
    text.write_text("\n".join(" ".join(words) for words in sentences()))
    path = str(tmp_path / "vectors.bin")
    main(
        LearnVectorsOptions(
            input_files=(str(text),), vectors_file=path, method=method, **changes
        )
    )
    vectors = models.KeyedVectors.load_word2vec_format(path, binary=True)
    assert len(vectors) == 18 and vectors.vector_size == 100
    assert vectors.index_to_key[0] == "eat"
    if method == "glove":
        learned = learn_glove(parts_of_text(), **changes)
    else:
        learned = learn_word2vec(parts_of_text(), method=method, **changes)
    assert vectors.index_to_key == learned.index_to_key
    np.testing.assert_allclose(vectors.vectors, learned.vectors, rtol=1e-4, atol=1e-5)


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
        (
            {"method": "glove", "softmax": "hierarchical", "sample": 0.0},
            "only with skip_gram",
        ),
        ({"method": "glove", "num_threads": 1}, "num_threads=1 with method=glove"),
        (
            {"x_max": 10.0},
            "x_max=10.0 with method=skip_gram. Expected it only with glove",
        ),
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
    with pytest.raises(FileNotFoundError, match="Expected a file of word pairs"):
        main(options)
    assert not list(tmp_path.iterdir())
