"""Composed texts, and places in them, against Python's own Unicode tables."""

import random
import unicodedata

import pytest
import tensorflow as tf

from data_pipelines.tokenizers.unicode_forms import offsets_before_nfc, to_nfc
from tests.data_pipelines.tokenizers.borders import grapheme_spans

TEXTS = [
    "",
    "plain",
    "e\u0301te\u0301",
    "été",
    "a\u0323\u0307b a\u0307\u0323b",  # Marks in both orders.
    "\u1112\u1161\u11ab\u1100\u1173\u11af",  # Hangul.
    "\u212b\u2126",  # Characters that are composed of themselves alone.
    "中文 e\u0301",
    "q\u0307\u0323",
]


def test_composed():
    found = to_nfc(tf.constant(TEXTS)).numpy()
    assert [t.decode() for t in found] == [
        unicodedata.normalize("NFC", text) for text in TEXTS
    ]


def spans_before(text, spans):
    rows = tf.ragged.constant([[list(span) for span in spans]], tf.int32, ragged_rank=1)
    starts = rows.with_values(rows.values[:, 0])
    ends = rows.with_values(rows.values[:, 1])
    texts = tf.constant([text])
    found = offsets_before_nfc(texts, to_nfc(texts), starts, ends)
    return list(zip(*(values.to_list()[0] for values in found), strict=True))


@pytest.mark.parametrize("text", [text for text in TEXTS if text])
def test_characters_come_from_their_graphemes(text):
    """Each composed character begins and ends in the grapheme that it was made of."""
    composed = unicodedata.normalize("NFC", text)
    before, after = grapheme_spans(text), grapheme_spans(composed)
    # As many graphemes, in the same order.
    assert len(before) == len(after)
    for (start, end), (first, last) in zip(
        spans_before(text, after), before, strict=True
    ):
        assert (start, end) == (first, last)


def test_an_empty_piece_stays_empty():
    text = "e\u0301 b"
    ((start, end),) = spans_before(text, [(2, 2)])
    assert start == end


def test_random_texts():
    draw = random.Random(0)
    alphabet = "ae\u0301\u0323\u0307 中\u1112\u1161\u11abé\u212b"
    for _ in range(200):
        text = "".join(draw.choice(alphabet) for _ in range(draw.randint(1, 9)))
        composed = unicodedata.normalize("NFC", text).encode()
        spans = [(place, place + 1) for place in range(len(composed))]
        found = spans_before(text, spans)
        size = len(text.encode())
        assert found[0][0] == 0
        assert all(0 <= start < end <= size for start, end in found)
        assert sorted(start for start, _ in found) == [start for start, _ in found]
