import builtins

import numpy as np
import pytest

from bert_tf.word_vectors.keyed_vectors import read_token_vectors
from data_pipelines.tokenizers.vocabulary import SPECIAL_TOKENS, Vocabulary

pytest.importorskip("gensim", reason="the extra word_vectors is not installed")

VOCABULARY = Vocabulary((*SPECIAL_TOKENS, "a", "##b", "c"))
TEXT = "3 2\n##b 1.5 -2\na 0 3\nelsewhere 9 9\n"


def test_rows_by_id(tmp_path):
    path = tmp_path / "vectors.txt"
    path.write_text(TEXT)
    vectors, is_found = read_token_vectors(str(path), VOCABULARY)
    assert vectors.dtype == np.float32
    np.testing.assert_array_equal(vectors[5:], [[0, 3], [1.5, -2], [0, 0]])
    np.testing.assert_array_equal(is_found, [False] * 5 + [True, True, False])
    assert not vectors[:5].any()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("vectors.txt", "", "not in word2vec's format"),
        ("vectors.txt", "nothing of the kind\n", "not in word2vec's format"),
        ("vectors.txt", "3 2\n##b 1.5\n", "not in word2vec's format"),
        ("vectors.bin", TEXT, "not in word2vec's format"),
        ("vectors.txt", "1 2\nelsewhere 9 9\n", r"none of the 8 pieces.*elsewhere"),
    ],
)
def test_other_files(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_text(content)
    with pytest.raises(ValueError, match=message):
        read_token_vectors(str(path), VOCABULARY)


def test_no_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="learn_vectors"):
        read_token_vectors(str(tmp_path / "vectors.bin"), VOCABULARY)


def test_without_gensim(tmp_path, monkeypatch):
    path = tmp_path / "vectors.txt"
    path.write_text(TEXT)
    real_import = builtins.__import__

    def no_gensim(name, *arguments, **keywords):
        if name.split(".")[0] == "gensim":
            raise ModuleNotFoundError("No module named 'gensim'", name="gensim")
        return real_import(name, *arguments, **keywords)

    monkeypatch.setattr(builtins, "__import__", no_gensim)
    with pytest.raises(ImportError, match=r"gensim is .*extra word_vectors"):
        read_token_vectors(str(path), VOCABULARY)
