import pytest
import tensorflow as tf

from data_pipelines.tokenizers.words import split_words


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
    ],
)
def test_words(text, expected):
    words, starts, ends = split_words(tf.constant([text]))
    found = [word.decode() for word in words[0].numpy()]
    assert found == [word for word in expected.split("|") if word]
    raw = text.encode()
    for word, start, end in zip(found, starts[0].numpy(), ends[0].numpy(), strict=True):
        assert raw[start:end].decode() == word


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
