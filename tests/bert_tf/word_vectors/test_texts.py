import gzip

from bert_tf.word_vectors.texts import Words, words_of


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
