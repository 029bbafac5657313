"""From text to word vectors, and what they are worth."""

import pytest

from bert_tf.learn_vectors import LearnVectorsOptions, main
from tests.bert_tf.word_vectors.test_word2vec import YOUNG, sentences

models = pytest.importorskip(
    "gensim", reason="the extra word_vectors is not installed"
).models


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
