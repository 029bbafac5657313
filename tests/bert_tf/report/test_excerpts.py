import numpy as np
import pytest

from bert_tf.report.excerpts import (
    Mark,
    Part,
    hardest,
    joined_words,
    marked,
    shortened,
    spread,
)


def test_hardest():
    right = np.array([True, False, True, False, False])
    confidences = np.array([0.9, 0.6, 0.4, 0.99, 0.7])
    assert hardest(right, confidences) == [3, 4, 1, 2, 0]
    assert hardest(right, confidences, 1, 1) == [3, 2]
    assert hardest(np.array([True]), np.array([0.5])) == [0]


def test_spread():
    assert spread(range(0, 100, 10), 4) == [0, 30, 60, 90]
    assert spread([5], 3) == [5]
    assert spread([], 3) == []


def test_shortened():
    assert shortened("short text") == "short text"
    text = " ".join(f"word{i}" for i in range(200))
    cut = shortened(text, 100)
    assert len(cut) <= 105
    before, after = cut.split(" … ")
    # Words are whole.
    assert text.startswith(before + " ")
    assert text.endswith(" " + after)
    chinese = "酒店" * 300
    assert len(shortened(chinese, 100)) < 110


def shown(*args, **kwargs):
    """The parts that have text."""
    return [part for part in marked(*args, **kwargs) if part.text]


def test_marks_may_overlap():
    marks = [Mark(0, 8, "gold"), Mark(4, 12, "predicted")]
    assert shown("The <b> cat sat.", marks) == [
        Part("The ", "gold"),
        Part("<b> ", "gold predicted"),
        Part("cat ", "predicted"),
        Part("sat."),
    ]
    same = [Mark(0, 3, "gold"), Mark(0, 3, "predicted"), Mark(0, 3, "gold")]
    assert shown("The cat", same) == [Part("The", "gold predicted"), Part(" cat")]


def test_long_texts_are_cut_round_the_marks():
    words = [f"word{i}" for i in range(1000)]
    text = " ".join(words)
    places = [text.index("word300 "), text.index("word800 ")]
    marks = [Mark(place, place + 7, "gold") for place in places]
    parts = shown(text, marks, margin=30)
    cut = "".join(part.text for part in parts)
    assert len(cut) < 250
    assert cut.startswith("… word29")
    assert [part.text[:4] for part in parts if part.kind == "gold"] == ["word"] * 2
    assert cut.count(" … ") == 1
    assert cut.endswith(" …")
    # Ranges that are near are one.
    near = [
        Mark(places[0], places[0] + 7, "a"),
        Mark(places[0] + 70, places[0] + 77, "b"),
    ]
    assert Part(" … ") not in marked(text, near, margin=30)


def test_without_marks_or_with_one_that_is_nowhere():
    assert marked("a < b", []) == [Part("a < b")]
    assert marked("a < b", [Mark(-1, 3, "gold")]) == [Part("a < b")]


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["New", "York", "."], "New York ."),
        (["我", "爱", "北京"], "我爱北京"),
        (["我", "用", "Keras", "训练"], "我用 Keras 训练"),
        ([], ""),
    ],
)
def test_joined_words(words, text):
    assert joined_words(words) == text
