"""Corrections by the right tags give the right texts, whatever the graphemes."""

import functools
import itertools
import random

import pytest
import tensorflow as tf

from bert_tf.tasks.edits import apply
from bert_tf.tasks.piece_edits import edits_of_pieces
from data_pipelines.datasets.examples import CorrectionExample
from data_pipelines.finetuning.correction import TAGS, CorrectionEncoding
from data_pipelines.tokenizers.vocabulary import SPECIAL_TOKENS, Vocabulary
from data_pipelines.tokenizers.wordpiece import WordPieceTokenizer
from tests.data_pipelines.tokenizers.borders import grapheme_spans

# What continues a word.
PARTS = (
    *("e", "s", "\u0301", "\u0323", "त", "र", "ी", "ि", "ं", "्", "👩", "👧", "🇪"),
    *("ว", "ดำ", "ด", "ำ", "้", "\u1161", "\u11ab", "\u11ba", "\u3099", "\u0300", "き"),
)
VOCABULARY = Vocabulary(
    (
        *SPECIAL_TOKENS,
        *("the", "cafe", "caf", "is", "red", "we", "dog", "tea", "a", "."),
        *(
            "♥",
            "👨",
            "👩",
            "👧",
            "🇩",
            "🇪",
            "क",
            "त",
            "र",
            "में",
            "म",
            "भी",
            "अच्छा",
            "नहीं",
        ),
        *(
            "แม",
            "น",
            "ไม่",
            "葛",
            "城",
            "中",
            "か",
            "き",
            "\u1112",
            "\u1100",
            "(",
            "!",
            "\u0301",
        ),
        *(f"##{part}" for part in PARTS),
    )
)
TOKENIZERS = {
    "uncased": WordPieceTokenizer(VOCABULARY),
    "cased": WordPieceTokenizer(VOCABULARY.with_casing(False)),
}


@functools.cache
def traced(casing):
    encoding = CorrectionEncoding(TOKENIZERS[casing], 64, 32)
    rows = tf.RaggedTensorSpec([None, None], tf.int32, ragged_rank=1)

    @tf.function(
        input_signature=[tf.TensorSpec([None], tf.string), rows, rows],
        autograph=False,
    )
    def edits_of(texts, tags, written):
        _, origin = encoding.encode({"text": texts})
        probabilities = tags.with_values(tf.fill(tf.shape(tags.values), 0.9))
        decoded = {"tags": tags, "written": written, "probabilities": probabilities}
        edits = edits_of_pieces(decoded, origin, encoding.tokenizer)
        return edits, apply(edits)

    return edits_of, encoding.columns


def edited(casing, texts, tags, written):
    """The spans of the edits by tags, of each text, and the texts with them."""
    columns = (tf.ragged.constant(rows, tf.int32, 1) for rows in (tags, written))
    edits, found = traced(casing)[0](tf.constant(texts), *columns)
    spans = [[] for _ in texts]
    for owner, start, end in zip(*(v.numpy() for v in edits[1:4]), strict=True):
        spans[owner].append((start, end))
    for text, edges in zip(texts, spans, strict=True):
        borders = {place for span in grapheme_spans(text) for place in span} | {0}
        assert {place for span in edges for place in span} <= borders, text
        assert all(a[1] <= b[0] for a, b in itertools.pairwise(edges)), text
    return spans, [text.decode() for text in found.numpy()]


BOTH = ("uncased", "cased")


CASES = [
    # Inserted, deleted and replaced beside marks that are deleted or are pieces.
    (BOTH, "the cafe\u0301 red .", "the cafe\u0301 is red ."),
    (BOTH, "the cafe\u0301 is is red .", "the cafe\u0301 is red ."),
    (BOTH, "the tea\u0301\u0323 red", "the cafe red"),
    (BOTH, "cafe\u0301 red", "the cafe\u0301 red"),
    (("cased",), "the cafe red", "the cafe\u0301 red"),
    (("cased",), "the cafe\u0301 red", "the cafe red"),
    (("cased",), "the cafe\u0301 red", "the cafe\u0300 red"),
    (("cased",), "the cafe\u0301 red", "the cafes\u0301 red"),
    # Symbols with variation selectors and joiners.
    (BOTH, "we ♥\ufe0f dog .", "we ♥\ufe0f the dog ."),
    (BOTH, "we ♥\ufe0f", "we ♥\ufe0f the"),
    (BOTH, "a 👨\u200d👩 dog", "a 👨\u200d👩 is dog"),
    (BOTH, "👨\u200d👩\u200d👧 👨\u200d👩", "👨\u200d👩\u200d👧 is 👨\u200d👩"),
    (BOTH, "🇩🇪 red", "🇩🇪 is red"),
    # What is invisible.
    (BOTH, "the cafe\u00ad red", "the cafe\u00ad is red"),
    (BOTH, "the cafe\u200e red", "the cafe\u200e is red"),
    (BOTH, "the cafe\u2060 red", "the cafe\u2060 is red"),
    (BOTH, "the caf\ufffd red", "the caf\ufffd is red"),
    # Devanagari: vowels are pieces, and nonspacing marks are if they are not
    # stripped.
    (BOTH, "में क", "में त क"),
    (BOTH, "की", "कि"),
    (BOTH, "कि", "करि"),
    (("cased",), "कीं", "किं"),
    (("cased",), "क्त", "क्र"),
    # Thai.
    (("cased",), "แมวดำ", "แมดำ"),
    (("cased",), "น้ำ น", "น้ำ ไม่ น"),
    (("cased",), "น้", "น้ำ"),
    # Hangul: parts of syllables are pieces; it stays composed, or decomposed.
    (("uncased",), "하", "한"),
    (("uncased",), "한 하", "핫 하"),
    (("uncased",), "한", "하"),
    (BOTH, "\u1112\u1161", "\u1112\u1161\u11ab"),
    # Scripts without spaces.
    (BOTH, "葛\U000e0100中", "葛\U000e0100城中"),
    (("cased",), "か\u3099き", "か\u3099中き"),
]


@functools.cache
def corrected(casing):
    """All texts of the table after passes by the right tags."""
    rows = [(text, target) for casings, text, target in CASES if casing in casings]
    texts = [text for text, _ in rows]
    for _ in range(3):
        columns = traced(casing)[1](
            [
                CorrectionExample("", text, (target,))
                for text, (_, target) in zip(texts, rows, strict=True)
            ]
        )
        tags, written = (columns[name].to_list() for name in ("tags", "written"))
        _, texts = edited(casing, texts, tags, written)
    return dict(zip(rows, texts, strict=True))


@pytest.mark.parametrize(("casings", "text", "target"), CASES)
def test_the_right_tags_give_the_right_text(casings, text, target):
    for casing in casings:
        assert corrected(casing)[text, target] == target, casing


def test_what_is_kept_of_a_rewritten_grapheme_keeps_its_marks():
    # The dot is deleted, so that no piece has it. The vowel after it is replaced.
    tags, written = [0, 0, TAGS.index("replace")], [-1, -1, VOCABULARY.id_of("##ि")]
    spans, found = edited("uncased", ["क\u093cी"], [tags], [written])
    assert (spans, found) == ([[(0, 9)]], ["क\u093cि"])


def test_no_edit_tears_a_grapheme():
    generator = random.Random(0)
    characters = [*"ae . ♥👨👩🇩🇪कतीिं्นำ้葛한ᄒ\u0301\u200d\ufe0f\u00ad\ufffd"]
    texts = ["".join(generator.choices(characters, k=k % 9)) for k in range(400)]
    for casing, tokenizer in TOKENIZERS.items():
        lengths = tokenizer.tokenize(tf.constant(texts)).row_lengths().numpy()
        tags, written = (
            [
                [first, *(generator.randrange(*bounds) for _ in range(n))]
                for n in lengths
            ]
            for first, bounds in (
                (0, (0, len(TAGS))),
                (-1, (len(SPECIAL_TOKENS), len(VOCABULARY))),
            )
        )
        edited(casing, texts, tags, written)
