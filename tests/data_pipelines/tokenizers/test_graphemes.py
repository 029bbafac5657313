import itertools

import hypothesis
import pytest
import tensorflow as tf
from hypothesis import strategies

from data_pipelines.tokenizers.graphemes import grapheme_starts
from tests.data_pipelines.tokenizers.borders import grapheme_spans


@tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
def starts(texts):
    characters = tf.strings.unicode_decode(texts, "UTF-8")
    distinct, which = tf.unique(characters.values)
    spelled = tf.strings.unicode_encode(distinct[:, tf.newaxis], "UTF-8")
    begins = grapheme_starts(spelled, which, characters.value_rowids())
    return begins, characters.row_starts()


def divided(*texts):
    """The graphemes of each text."""
    found = starts(tf.constant(texts, tf.string))
    begins, rows = (values.numpy().tolist() for values in found)
    whole = "".join(texts)
    parts = [whole[a:b] for a, b in itertools.pairwise([*begins, None])]
    bounds = [*map(begins.index, rows), len(parts)]
    return [parts[a:b] for a, b in itertools.pairwise(bounds)]


def spans(parts):
    sizes = (len(part.encode()) for part in parts)
    return list(itertools.pairwise(itertools.accumulate(sizes, initial=0)))


# ` ` divides the graphemes. It is a grapheme, too.
AS_THE_STANDARD = [
    "a b , .",
    "e\u0301 o\u0323\u0302",
    "♥\ufe0f 3\ufe0f\u20e3 ©\ufe0e",
    "👨\u200d👩\u200d👧 👍🏽 👩🏽\u200d🚀",
    "🏳\ufe0f\u200d🌈 ❤\ufe0f\u200d🔥 🙂\u200d↔\ufe0f",
    "🇩🇪 🇫🇷",
    "🏴\U000e0067\U000e0062\U000e007f",
    "में कि क्ष क्\u200dष ज़",
    "ক্ষ ক্ষ্ম ഴ్ కా",
    "น้ำ ที่ ນ້ຳ",
    "한 \u1112\u1161\u11ab 하\u11ab \u1112\u1112\u1161",
    "か\u3099 ｶﾞ",
    "שָׁ مُّ",
    "葛\U000e0100",
    "\u0600" + "1",
    "é 中 ½ ﬁ",
]


@pytest.mark.parametrize("text", AS_THE_STANDARD)
def test_as_the_standard(text):
    (found,) = divided(text)
    assert [part for part in found if part != " "] == text.split(" ")
    assert spans(found) == grapheme_spans(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # Format characters that separate nothing, and lost letters.
        ("co\u00adop", ["c", "o\u00ad", "o", "p"]),
        ("a\u200eb\u2060c", ["a\u200e", "b\u2060", "c"]),
        ("caf\ufffd x", ["c", "a", "f\ufffd", " ", "x"]),
        # Those that separate.
        ("a\u200bb", ["a", "\u200b", "b"]),
        ("\u202ba\u202c.", ["\u202b", "a", "\u202c", "."]),
        ("a\x01\u0301", ["a", "\x01", "\u0301"]),
        ("a\r\nb", ["a", "\r", "\n", "b"]),
        # A mark after a space is one of its own, which the standard joins to the space.
        ("a \u0301\u0302b", ["a", " ", "\u0301\u0302", "b"]),
        ("\u0301a", ["\u0301", "a"]),
        # Three flags of which the last is half.
        ("🇩🇪🇫", ["🇩🇪", "🇫"]),
        # A reader of Burmese sees one syllable.
        ("ကား", ["ကား"]),
    ],
)
def test_other_than_the_standard(text, expected):
    assert divided(text) == [expected]


def test_texts_do_not_join():
    texts = ["🇩", "🇪🇫", "क्", "ष", "👨\u200d", "👩", "\u1112", "\u1161", "a", "\u0301"]
    assert divided(*texts) == [[text] for text in texts]


# Of everything that a rule looks at, some.
CHARACTERS = strategies.sampled_from(
    [
        *"aé.'(\n\r\t \x01\u00a0中3♥👨👩🏽↔🇩🇪कषिंั",
        *"น้ำเ한하\u1112\u1161\u11abかﾞ\u3099\u094d\u0301\u0323\ufe0f\u20e3\u200d\u200c",
        *"\u00ad\u200b\u200e\u202b\u202c\u2060\ufeff\ufffd\u0600\u0903က္ီ",
        "\U000e0100",
    ]
)


@hypothesis.given(strategies.lists(strategies.text(CHARACTERS), max_size=4))
@hypothesis.settings(deadline=None, max_examples=300, derandomize=True)
def test_no_border_lies_in_a_grapheme_of_the_standard(texts):
    texts = ["a", *filter(None, texts)]
    for text, parts in zip(texts, divided(*texts), strict=True):
        of_standard = {place for span in grapheme_spans(text) for place in span}
        assert {place for span in spans(parts) for place in span} <= of_standard
