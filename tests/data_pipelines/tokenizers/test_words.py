import random

import pytest
import tensorflow as tf

from data_pipelines.tokenizers.words import (
    single_characters,
    split_characters,
    split_words,
)
from tests.data_pipelines.tokenizers.borders import grapheme_spans


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Mr. Hu (62), of Paris.", "Mr.|Hu|(|62|)|,|of|Paris|."),
        ("EU rejects German call .", "EU|rejects|German|call|."),
        ("in the U.S. on 10:30, 1,000 left.", "in|the|U.S.|on|10:30|,|1,000|left|."),
        ("  “Grüße”, said\tÉva!  ", "“|Grüße|”|,|said|Éva|!"),
        ("don't O'Neil 'quoted", "don't|O'Neil|'|quoted"),
        ("Paris. He wept...", "Paris|.|He|wept..."),
        ("a . b", "a|.|b"),
        ("北京，你好。", "北京|，|你好|。"),
        ("", ""),
        (" \n ", ""),
        # The stop at the end of the text, of a sentence, of a line, and of a quote.
        ("He left IBM.", "He|left|IBM|."),
        ("He left IBM.  ", "He|left|IBM|."),
        ("He left IBM. Then he came.", "He|left|IBM|.|Then|he|came|."),
        ("He left IBM.\nthen", "He|left|IBM|.|then"),
        ('He left "IBM."', 'He|left|"|IBM|.|"'),
        ("“He left IBM.” So", "“|He|left|IBM|.|”|So"),
        ('"I left it." he said', '"|I|left|it|.|"|he|said'),
        ("'He left IBM.'", "'|He|left|IBM|.|'"),
        ("(He left IBM.)", "(|He|left|IBM|.|)"),
        ("He left (IBM).", "He|left|(|IBM|)|."),
        ("He took vitamin C.", "He|took|vitamin|C|."),
        ("It was in 97.", "It|was|in|97|."),
        ("He said no.", "He|said|no|."),
        ("IBM.", "IBM|."),
        # But not that of an abbreviation.
        ("He left the U.S.", "He|left|the|U.S."),
        ("He left Apple Inc.", "He|left|Apple|Inc."),
        ("Apple Corp. of Wall St. paid.", "Apple|Corp.|of|Wall|St.|paid|."),
        ("He came at 5 p.m. Then", "He|came|at|5|p.m.|Then"),
        ("Prof. J. R. Lee, Mr. Hu, etc.", "Prof.|J.|R.|Lee|,|Mr.|Hu|,|etc."),
        ("Am 3. Oktober kam er.", "Am|3.|Oktober|kam|er|."),
        ("see example.com.", "see|example.com|."),
        # Commas and colons before what closes.
        ('"Well," he said', '"|Well|,|"|he|said'),
        ("'Well,' he said:", "'|Well|,|'|he|said|:"),
        # Text of words with spaces between them.
        ("Anna 's house is n't IBM 's .", "Anna|'s|house|is|n't|IBM|'s|."),
        ("U.S. troops left IBM .", "U.S.|troops|left|IBM|."),
        ("'tis '' quoted", "'|tis|''|quoted"),
        # Graphemes stay whole.
        (
            "3\ufe0f\u20e3 !\ufe0f (\u0301a) x,\u0301",
            "3\ufe0f\u20e3|!\ufe0f|(\u0301|a|)|x|,\u0301",
        ),
        ("IBM.\u0301", "IBM|.\u0301"),
        # Other scripts.
        ("मैं घर गया।", "मैं|घर|गया|।"),
        ("هل هذا صحيح؟ نعم، نعم.", "هل|هذا|صحيح|؟|نعم|،|نعم|."),
        ("ሰላም ነው።", "ሰላም|ነው|።"),
        ("我在IBM工作．", "我在IBM工作|．"),
        ("（好）「是」", "（|好|）|「|是|」"),
    ],
)
def test_words(text, expected):
    check(text, expected)


@pytest.mark.parametrize(
    ("single", "text", "expected"),
    [
        (["Han"], "我在北京读书。", "我|在|北|京|读|书|。"),
        (["Han"], "我在IBM工作，1998年。", "我|在|IBM|工|作|，|1998|年|。"),
        (["Han"], "こんにちは世界", "こんにちは|世|界"),
        (["Han"], "葛\U000e0100城", "葛\U000e0100|城"),
        (["Han"], "He left IBM.", "He|left|IBM|."),
        (["Han", "Hiragana", "Katakana"], "か\u3099き世", "か\u3099|き|世"),
        (["Han", "Latin", "Nd"], "在IBM 98年", "在|I|B|M|9|8|年"),
    ],
)
def test_single_characters(single, text, expected):
    check(text, expected, single)
    given = tuple(text.split())
    if not set(text) & set("，。."):
        assert split_characters(given, single) == tuple(expected.split("|"))


@pytest.mark.parametrize(
    ("words", "single"),
    [
        ("我 在 北 京 工 作 IBM 1998 。", ("Han",)),
        ("我 在 I B M 9 8 年", ("Han", "Latin", "Nd")),
        ("私 は 日 本 で す", ("Han", "Hiragana")),
        ("我 在 北京 工作 IBM", ()),
        ("a b I IBM", ()),
        ("", ()),
    ],
)
def test_what_words_are_single(words, single):
    assert single_characters(words.split()) == single


def check(text, expected, single=()):
    words, starts, ends = split_words(tf.constant([text]), single)
    found = [word.decode() for word in words[0].numpy()]
    assert found == [word for word in expected.split("|") if word]
    raw = text.encode()
    for word, start, end in zip(found, starts[0].numpy(), ends[0].numpy(), strict=True):
        assert raw[start:end].decode() == word


def test_no_word_ends_in_a_grapheme_and_nothing_is_lost():
    generator = random.Random(0)
    parts = [*"ab .,:'’\"(!;?3。，我।क👨👩\n\xa0\u0301\ufe0f\u20e3\u200d\u00ad\ufffd"]
    parts += ["IBM.", " Mr. ", "か\u3099"]
    texts = ["".join(generator.choices(parts, k=k % 12)) for k in range(600)]
    words, starts, ends = split_words(tf.constant(texts))
    for text, row, *places in zip(
        texts, words.to_list(), starts.to_list(), ends.to_list(), strict=True
    ):
        borders = {place for span in grapheme_spans(text) for place in span}
        assert {place for row in places for place in row} <= borders, text
        assert b"".join(row).decode() == "".join(text.split())


def test_texts_do_not_depend_on_each_other():
    texts = ["Mr. Hu left.", "", "(so)", "well , then"]
    words, starts, ends = split_words(tf.constant(texts))
    for index, text in enumerate(texts):
        alone = split_words(tf.constant([text]))
        for one, other in zip((words, starts, ends), alone, strict=True):
            assert one[index].numpy().tolist() == other[0].numpy().tolist()


def test_bytes_that_are_no_text():
    words, _, _ = split_words(tf.constant([b"a\xff\xfe b."]))
    assert words.nrows() == 1


def test_what_stands_after_a_nul_is_not_lost():
    words, starts, ends = split_words(tf.constant(["anna\0 lives in\0rome"]))
    assert words.to_list() == [[b"anna\1", b"lives", b"in\1rome"]]
    assert starts.to_list() == [[0, 6, 12]] and ends.to_list() == [[5, 11, 19]]
