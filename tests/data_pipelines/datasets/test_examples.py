import pytest

from data_pipelines.datasets.examples import TaggedSentence, TextExample, labels_in


def text(label):
    return TextExample("0", "a", None, label)


def test_words_and_tags_have_the_same_length():
    TaggedSentence("s", ("a", "b"), ("O", "O"), 0)
    TaggedSentence("s", ("a", "b"), None, 0)
    with pytest.raises(ValueError, match=r"Sentence s: received 2 words and 1 tags"):
        TaggedSentence("s", ("a", "b"), ("O",), 0)


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (["b", "a", "b"], ("a", "b")),
        (["10", "9", "1"], ("1", "9", "10")),
        (["10", "9", "x"], ("10", "9", "x")),
        (["²", "1"], ("1", "²")),
        (["b", None, "a"], ("a", "b")),
    ],
)
def test_labels_in_texts(labels, expected):
    assert labels_in(map(text, labels)) == expected


def test_labels_in_sentences():
    sentences = [
        TaggedSentence("0", ("a", "b"), ("B-PER", "O"), 0),
        TaggedSentence("1", ("a",), None, 1),
        TaggedSentence("2", ("a",), ("B-LOC",), 1),
    ]
    assert labels_in(sentences) == ("O", "B-LOC", "B-PER")


@pytest.mark.parametrize("labels", [[], [None], ["a", "a"], [1.0, 2.0]])
def test_too_few_labels(labels):
    with pytest.raises(ValueError, match=r"Received examples with the labels \["):
        labels_in(map(text, labels))
