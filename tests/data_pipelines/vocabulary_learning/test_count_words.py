"""Words are what the tokenizer cuts into pieces."""

from data_pipelines.vocabulary_learning.count_words import count_words


def source_of(tmp_path, text):
    path = tmp_path / "0.txt"
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_words_are_those_of_the_tokenizer(tmp_path):
    source = source_of(tmp_path, "Don't, DON'T!\u200b Élan 中文")
    assert count_words(source, True) == {
        **{"don": 2, "'": 2, "t": 2, ",": 1, "!": 1, "elan": 1, "中": 1, "文": 1}
    }
    assert count_words(source, False) == {
        **{"Don": 1, "DON": 1, "'": 2, "t": 1, "T": 1, ",": 1, "!": 1},
        **{"Élan": 1, "中": 1, "文": 1},
    }


def test_words_without_end_are_left_out(tmp_path):
    source = source_of(tmp_path, "a" * 201 + " " + "é" * 200)
    assert count_words(source, False) == {"é" * 200: 1}
