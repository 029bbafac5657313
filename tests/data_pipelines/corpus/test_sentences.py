import re

import hypothesis
import pytest
import tensorflow as tf
from hypothesis import strategies

from data_pipelines.corpus.sentences import split_sentences

in_graph = tf.function(
    split_sentences,
    input_signature=[tf.TensorSpec([None], tf.string)],
    autograph=False,
)


def split(*texts):
    rows = in_graph(tf.constant(list(texts), tf.string)).to_list()
    return [[sentence.decode("utf-8", "replace") for sentence in row] for row in rows]


# ` | ` is where a text is to be divided, and stands for a space.
SPACED = [
    "It rained. | We left. | Why?",
    "Really?! | Yes!!! | No.",
    # Titles, initials, abbreviations.
    "Dr. Who and Mr. Brown left. | Mrs. Dalloway stayed.",
    "He met Prof. Lee, Capt. Nemo and the Rev. Dodgson.",
    "DEAR MR. HOLMES. | PLEASE COME.",
    "J. R. R. Tolkien wrote it, and É. Zola did not.",
    "А. С. Пушкин родился в Москве. | Он поэт.",
    "Patrick C. Maginnis came. | So am I. | And you?",
    "The U.S. Army came. | He lives in the U.S. | The weather is fine.",
    "St. Paul's is in London. | She lives in Wall St. | It is small.",
    "Apple Inc. Headquarters. | Then Apple Inc. | However, it was not.",
    "Warner Bros. Records was sold to Lee Jr. | They paid.",
    "He likes fruit, e.g. Cox, i.e. Apples, etc. and pears.",
    "See Erasmus (cf. Luther) or Smith et al. (1999) on Roe v. Wade.",
    "It began at 5 p.m. and went on.",
    # Numbers.
    "No. 5 is 3.5 m long, see vol. 3, p. 7 and Fig. 12.",
    "He said no. | She said yes.",
    "Plato (c. 427 BC) died (d. 347 BC).",
    "He came on Jan. 5 and left in Feb. | He was ill.",
    "It ended in 1990. | 5000 people came.",
    "Water boils at 100 °C. | Water freezes at 0 °C.",
    "7. Caer Brân is a fort. | 8 others are near.",
    # Dots that stop nothing, or do.
    "Wait... what? | Well … yes.",
    "Wait... | What?",
    "He went. . . . | Then he came back.",
    # Quotes and brackets.
    '"Go!" he said.',
    '"Go!" | He left.',
    "“Go!” he said. | “Why?” | “Go.”",
    "'Why?' Kate asked. | 'Go!' Mr. Lee said. | 'Go!' | Kate left.",
    "(He left.) | She stayed (as ever). | [Laughter.] | «Bon.» | ¿Qué?",
    'He said: \'I heard "Go!" today.\' | "Then?"',
    "_Go!_ | _He_ left.",
    "'Yes.' | - The boy ran. | — A girl came. | --But why?",
    # Not a stop.
    "See example.com or v2.0.1 of .NET now.",
    "He left.She stayed.",
    # Other scripts.
    "मैं घर गया। | वह आया।",
    "هل هذا صحيح؟ | نعم.",
    "나는 집에 갔다. | 그는 왔다.",
    "ሰላም ነው። | ደህና ነኝ። | ማን ነው፧ | እኔ።",
    "ሰላም ነው፡፡ | ደህና ነኝ፡፡",
    "Սա թեստ է։ | Ո՞վ է սա։ | Սա ևս։",
    "သူ အိပ်တယ်။ | သူ၊ မောင် စားတယ်။",
    "វា ជា តេស្ត។ | ឆ្មា ឆ្កែ ។ល។ | ល្អ៕",
    "བོད་ཡིག་ཡིན། | དེ་རེད།། | དེ་རེད། ། | འདི་རེད༎",
    "یہ ٹھیک ہے۔ | وہ آیا۔",
    "আমি যাই। | সে আসে।",
    "Πού είναι\u037e | Εδώ.",
    "ܫܠܡܐ܀ | ܛܒܐ܀",
    # German ordinals.
    "Am 3. Oktober kam er. | Sie kam am 23. Mai.",
    "Der 2. Weltkrieg begann am 1. September 1939. | Er war lang.",
    "Jonas ist Fan vom 1. FC Köln. | Jeder 7. Tag ist frei.",
    "Beim 12. Versuch war er am 5. und 6. Dezember da.",
    "He is 3. | Kate is 5. | They left in 1998. | Then they came.",
    # The word I, and the initial.
    "I. M. Pei built it. | So did I. | Kate left.",
    "J. I. Smith and L. I. M. Lee came. | I. Introduction",
    "He took vitamin C. | It helped.",
]


def test_spaced():
    rows = split(*(text.replace(" | ", " ") for text in SPACED))
    for row, expected in zip(rows, SPACED, strict=True):
        assert row == expected.split(" | ")


UNSPACED = [
    "今天下雨。|我们走了！|为什么？|好。",
    "真的？！|是的。",
    "他说：“走吧！”|我们走了。",
    "他說：「走吧。」|我們走了。|『好！』|好。",
    "《你好！》是一本书。|（真的吗？）是的。",
    "「走れ！」と言った。|とても速い。",
    "他问“去吗？”，我说不。",
    "全長3.5公里。|使用Yahoo!奇摩。",
    "東京です｡|はい。",
    "好！\ufe01|好。\ufe00",
    "これはペンです．|あれは本です．",
    "長さは３．５メートルです．|はい．",
    "သူအိပ်တယ်။|သူစားတယ်။",
    "នេះជាតេស្ត។|ល្អ៕",
    "དེ་རེད།|འདི་རེད༎",
    "ነው።|ነኝ።",
    "यह है।|वह आया॥",
]


def test_unspaced():
    rows = split(*(text.replace("|", "") for text in UNSPACED))
    for row, expected in zip(rows, UNSPACED, strict=True):
        assert row == expected.split("|")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        (" \n\t\r\n \u3000\u00a0\v", []),
        ("No stop", ["No stop"]),
        ("...", ["..."]),
        ("A TITLE\n\nIt rained.\r\nWe\tleft", ["A TITLE", "It rained.", "We\tleft"]),
        ("\u3000好。\u3000\u00a0好。\u3000", ["好。", "好。"]),
        ("One.  Two.\u00a0Three.\tFour. ", ["One.", "Two.", "Three.", "Four."]),
        # The character that marks borders inside.
        ("One\x1e\x1eTwo.\x1e", ["One", "Two."]),
        ("Mr.  Lee\tleft.", ["Mr.  Lee\tleft."]),
    ],
)
def test_white_space(text, expected):
    assert split(text) == [expected]


def test_invalid_utf8_is_kept():
    text = b"\xffOne\xe4. Two\xe4\xb8! \xc3 Three\xff"
    sentences = split_sentences(tf.constant([text])).values.numpy()
    assert sentences.tolist() == [b"\xffOne\xe4.", b"Two\xe4\xb8! \xc3 Three\xff"]


def test_rows_do_not_disturb_one_another():
    texts = ["", "One. Two.", "好。好。", "", "Mr."]
    assert split(*texts) == [split(text)[0] for text in texts]
    assert split() == []


# Pieces that rules look for, between any characters.
PIECES = strategies.sampled_from(
    [
        *".?!…。！”\"')(》「」 \n\u3000\x1c\x1e\x85_5é中",
        *(". ", "! ", "  ", "- ", "」と", "12. ", "Mr. ", "U.S. ", "The ", "I ", "J. "),
        *("e.g. ", "No. ", "c. ", "said ", "word", "etc. ", "Inc. "),
    ]
)


@hypothesis.given(
    strategies.lists(
        strategies.lists(PIECES | strategies.characters(codec="utf-8")).map("".join),
        max_size=4,
    )
)
@hypothesis.settings(deadline=None, max_examples=200, derandomize=True)
def test_nothing_but_white_space_is_lost(texts):
    rows = split(*texts)
    assert len(rows) == len(texts)
    for text, sentences in zip(texts, rows, strict=True):
        assert all(sentence and sentence == sentence.strip() for sentence in sentences)
        assert "".join("".join(sentences).split()) == "".join(text.split())
        assert not any(re.search(r"[\r\n]", sentence) for sentence in sentences)


def test_sentences_are_not_divided_again():
    text = "Dr. Who left. “Go!” he said. The U.S. It is 5 p.m. He lives. 好！我。"
    sentences = split(text)[0]
    assert split(*sentences) == [[sentence] for sentence in sentences]


def test_in_tf_data():
    texts = tf.data.Dataset.from_tensor_slices(["One. Two.", "", "Three."])
    batches = texts.batch(2).map(split_sentences)
    assert batches.element_spec == tf.RaggedTensorSpec([None, None], tf.string)
    rows = [row for batch in batches for row in batch.to_list()]
    assert rows == [[b"One.", b"Two."], [], [b"Three."]]


@pytest.mark.parametrize(
    ("texts", "received"),
    [
        ("One. Two.", r"string and shape \(\)"),
        ([["One."]], r"\(1, 1\)"),
        ([1], "int32"),
    ],
)
def test_what_is_no_row_of_strings(texts, received):
    with pytest.raises(
        ValueError, match=rf"{received}.*Expected string and \(texts,\)"
    ):
        split_sentences(tf.constant(texts))


@pytest.mark.parametrize("piece", [" ", ".", "A. ", "\x1e", "」", "Aa. ", '!" ', "1. "])
def test_time_is_linear(piece):
    # Were it not, 300,000 characters would take minutes.
    text = "x" + piece * (300_000 // len(piece))
    (sentences,) = split(text)
    assert "".join("".join(sentences).split()) == "".join(text.split())
