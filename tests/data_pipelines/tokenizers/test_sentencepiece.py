"""SentencePiece in the graph against the package sentencepiece."""

import random

import pytest
import tensorflow as tf

from data_pipelines.tokenizers.sentencepiece import SentencePieceTokenizer
from data_pipelines.tokenizers.sentencepiece_model import read_model
from data_pipelines.tokenizers.tokenizer import make_tokenizer
from data_pipelines.tokenizers.vocabulary import UNK
from tests.data_pipelines.tokenizers.borders import grapheme_spans
from tests.data_pipelines.tokenizers.sentencepiece_vocabulary import (
    OTHER,
    learned_model,
    vocabulary_of,
)
from tests.shared import SHARED, needs_shared

TEXTS = [
    "",
    " ",
    "Hello world",
    "  two  spaces  ",
    "tabs\tand\nlines\r\n",
    "it's 1,234.5 (ok)!",
    OTHER,
    "e\u0301te\u0301 été",
    "ﬁne ｆｕｌｌ　width ①½",
    "😀 \U0001f468\u200d\U0001f469 \U0002ebf0",
    "▁ a▁b",
    "<s> </s> <unk> [MASK]",
    "\u200bzero\u00adwidth\ufeff",
]


def processor(model):
    sentencepiece = pytest.importorskip("sentencepiece", reason="needs sentencepiece")
    return sentencepiece.SentencePieceProcessor(model_proto=model)


def assert_same(texts, normalization="nmt_nfkc"):
    model = learned_model(normalization=normalization)
    vocabulary, theirs = vocabulary_of(model), processor(model)
    scores = {piece.text: piece.score for piece in read_model(model, "a test")[0]}
    rows = SentencePieceTokenizer(vocabulary).tokenize(tf.constant(texts)).to_list()
    ties = 0
    for text, row in zip(texts, rows, strict=True):
        pieces = [theirs.id_to_piece(n) for n in theirs.encode(text)]
        pieces = [UNK if piece == "<unk>" else piece for piece in pieces]
        found = [vocabulary.tokens[n] for n in row]
        if found != pieces:
            # Of ways that are as likely, another version may choose another.
            ties += 1
            assert "".join(found) == "".join(pieces), text
            one, other = (sum(scores.get(p, 0.0) for p in x) for x in (found, pieces))
            assert one == pytest.approx(other, abs=1e-3), text
    assert ties <= 0.01 * len(texts)


def test_same_ids():
    assert_same(TEXTS)
    # The identity knows no other white space.
    assert_same([t for t in TEXTS if not {*"\t\n\u3000"} & {*t}], "identity")


def random_texts(count, seed):
    draw = random.Random(seed)
    common = "aab  \t'sé中\u00a0!.t l\u2009x\u0301ｗ①한हि"

    def character():
        if draw.random() < 0.8:
            return draw.choice(common)
        code = draw.randint(1, draw.choice([0x7F, 0x2FF, 0xFFFF, 0x1FFFF]))
        return chr(code) if not 0xD800 <= code <= 0xDFFF else "a"

    return [
        "".join(character() for _ in range(draw.randint(0, 30))) for _ in range(count)
    ]


def test_same_ids_of_random_texts():
    # White space other than the space is one here, whatever the table says.
    texts = [
        "".join(" " if c.isspace() else c for c in t) for t in random_texts(500, 1)
    ]
    assert_same(texts)


@pytest.mark.slow
def test_same_ids_of_ten_thousand_texts():
    texts = [
        "".join(" " if c.isspace() else c for c in t) for t in random_texts(9500, 2)
    ]
    assert_same(texts)


@needs_shared
@pytest.mark.slow
def test_same_ids_of_sentences():
    lines = (SHARED / "squad" / "dev-v1.1.json").read_text()[:400_000].split('"')
    assert_same([line for line in lines if line.strip() and "\\" not in line])


@pytest.mark.parametrize("unicode_form", [None, "NFC"])
def test_offsets(unicode_form):
    """Words exactly, without the space before them, at grapheme boundaries."""
    vocabulary = vocabulary_of(learned_model(), unicode_form=unicode_form)
    tokenizer = SentencePieceTokenizer(vocabulary)
    texts = [*TEXTS, *random_texts(200, 3)]
    ids, starts, ends = tokenizer.tokenize_with_offsets(tf.constant(texts))
    assert ids.to_list() == tokenizer.tokenize(tf.constant(texts)).to_list()
    for text, first, last in zip(texts, starts.to_list(), ends.to_list(), strict=True):
        content = text.encode()
        borders = {place for span in grapheme_spans(text) for place in span} | {0}
        previous = 0
        for start, end in zip(first, last, strict=True):
            assert 0 <= start <= end <= len(content)
            assert {start, end} <= borders, text
            assert start >= previous, text
            previous = start
            assert not content[start:end].startswith(b" ")


def test_spans_of_words():
    vocabulary = vocabulary_of(learned_model())
    text = "  The été\u3000of  ｆｕｌｌ e\u0301."
    ids, starts, ends = make_tokenizer(vocabulary).tokenize_with_offsets(
        tf.constant([text])
    )
    content = text.encode()
    words, word = [], []
    pieces = zip(ids.to_list()[0], starts.to_list()[0], ends.to_list()[0], strict=True)
    for index, start, end in pieces:
        if vocabulary.tokens[index].startswith("▁") and word:
            words.append(word)
            word = []
        word.append((start, end))
    words.append(word)
    spans = [content[w[0][0] : w[-1][1]].decode() for w in words]
    assert spans == ["The", "été", "of", "ｆｕｌｌ", "e\u0301."]


def test_invalid_bytes_are_deleted():
    vocabulary = vocabulary_of(learned_model())
    tokenizer = SentencePieceTokenizer(vocabulary)
    found = tokenizer.tokenize(tf.constant([b"th\xffe c\xc3at"])).to_list()
    assert found == tokenizer.tokenize(tf.constant(["the cat"])).to_list()


def test_in_a_saved_model(tmp_path):
    vocabulary = vocabulary_of(learned_model())
    tokenizer = SentencePieceTokenizer(vocabulary)
    module = tf.Module()
    module.tokenizer = tokenizer
    module.run = tf.function(
        lambda texts: tokenizer.tokenize(texts).to_tensor(),
        input_signature=[tf.TensorSpec([None], tf.string)],
    )
    tf.saved_model.save(module, str(tmp_path))
    loaded = tf.saved_model.load(str(tmp_path))
    texts = tf.constant(TEXTS)
    assert loaded.run(texts).numpy().tolist() == module.run(texts).numpy().tolist()


def test_in_a_dataset():
    tokenizer = make_tokenizer(vocabulary_of(learned_model()))
    dataset = tf.data.Dataset.from_tensor_slices(TEXTS).batch(4).map(tokenizer.tokenize)
    rows = [row for batch in dataset for row in batch.to_list()]
    assert rows == tokenizer.tokenize(tf.constant(TEXTS)).to_list()
