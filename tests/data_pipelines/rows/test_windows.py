import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from data_pipelines.rows import windows
from tests.reference.windows import doc_spans, is_max_context

in_graph = tf.function(
    windows.windows,
    input_signature=[tf.TensorSpec([None], tf.int32)] * 2
    + [tf.TensorSpec([], "int32")],
    autograph=False,
)


def spans_of(lengths, rooms, stride):
    """Start and length of the windows of each text."""
    text, start, length = (v.numpy() for v in in_graph(lengths, rooms, stride))
    assert np.all(np.diff(text) >= 0)
    return [
        [
            (int(s), int(n))
            for t, s, n in zip(text, start, length, strict=True)
            if t == i
        ]
        for i in range(len(lengths))
    ]


def test_the_example_of_the_docstring():
    text, start, length = windows.windows(
        tf.constant([4, 9]), tf.constant([6, 5]), stride=3
    )
    assert text.numpy().tolist() == [0, 1, 1, 1]
    assert start.numpy().tolist() == [0, 0, 3, 6]
    assert length.numpy().tolist() == [4, 5, 5, 3]


@pytest.mark.parametrize(
    ("length", "room", "stride", "expected"),
    [
        (0, 5, 3, [(0, 0)]),
        (1, 1, 1, [(0, 1)]),
        (5, 5, 3, [(0, 5)]),
        (6, 5, 3, [(0, 5), (3, 3)]),
        (8, 5, 3, [(0, 5), (3, 5)]),
        (9, 5, 3, [(0, 5), (3, 5), (6, 3)]),
        (6, 3, 3, [(0, 3), (3, 3)]),
        (3, 1, 1, [(0, 1), (1, 1), (2, 1)]),
    ],
)
def test_windows_of_one_text(length, room, stride, expected):
    assert spans_of([length], [room], stride) == [expected]
    assert doc_spans(length, room, stride) == expected


def test_no_texts():
    assert [values.shape for values in in_graph([], [], 3)] == [(0,)] * 3


@st.composite
def texts(draw):
    stride = draw(st.integers(1, 12))
    rooms = st.integers(stride, 40)
    pairs = draw(st.lists(st.tuples(st.integers(0, 90), rooms), min_size=1, max_size=6))
    return stride, [length for length, _ in pairs], [room for _, room in pairs]


@settings(max_examples=40, deadline=None)
@given(texts())
def test_equals_the_loop_of_the_original(case):
    stride, lengths, rooms = case
    spans = spans_of(lengths, rooms, stride)
    assert spans == [
        doc_spans(n, room, stride) for n, room in zip(lengths, rooms, strict=True)
    ]


def test_slices():
    texts = tf.ragged.constant([[7, 8, 9], [], [4, 5]], tf.int32)
    found = windows.slices(
        texts,
        tf.constant([0, 0, 1, 2]),
        tf.constant([0, 1, 0, 1]),
        tf.constant([2, 2, 0, 1]),
    )
    assert found.to_list() == [[7, 8], [8, 9], [], [5]]
    words = tf.ragged.constant([["a", "b"]])
    found = windows.slices(words, *(tf.constant([n]) for n in (0, 1, 1)))
    assert found.to_list() == [[b"b"]]


def test_the_most_context_of_the_docstring():
    found = windows.most_context(
        tf.constant([0, 0]), tf.constant([0, 3]), tf.constant([5, 4]), 5, 3
    )
    assert found.to_list() == [[True] * 4 + [False], [False] + [True] * 3]


@settings(max_examples=15, deadline=None)
@given(texts())
def test_each_token_has_most_context_where_the_original_has_it(case):
    stride, lengths, rooms = case
    text, start, length = in_graph(lengths, rooms, stride)
    most = windows.most_context(text, start, length, max(rooms), stride).to_list()
    text, start = text.numpy(), start.numpy()
    spans = spans_of(lengths, rooms, stride)
    expected = [
        [is_max_context(own, window, begin + i) for i in range(size)]
        for own in spans
        for window, (begin, size) in enumerate(own)
    ]
    assert most == expected
    for index, count in enumerate(lengths):
        tokens = [
            int(s) + place
            for t, s, row in zip(text, start, most, strict=True)
            for place, is_most in enumerate(row)
            if t == index and is_most
        ]
        assert sorted(tokens) == list(range(count))
