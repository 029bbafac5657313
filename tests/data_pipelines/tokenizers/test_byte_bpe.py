"""Byte-level BPE against the `tokenizers` library: the same ids and offsets."""

import dataclasses
import itertools
import random
import subprocess
import sys
import unicodedata

import pytest
import tensorflow as tf

from data_pipelines.corpus import documents as corpus
from data_pipelines.tokenizers.byte_bpe import ByteBPETokenizer
from data_pipelines.tokenizers.byte_symbols import BYTE_SYMBOLS
from data_pipelines.tokenizers.vocabulary import (
    SPECIAL_TOKENS,
    Vocabulary,
)
from tests.data_pipelines.tokenizers.borders import grapheme_spans, widened
from tests.data_pipelines.tokenizers.byte_bpe_vocabulary import (
    learned_vocabulary,
    their_tokenizer,
)
from tests.shared import SHARED, needs_shared

pytest.importorskip("tokenizers", reason="needs tokenizers, of requirements.txt")

TEXTS = [
    "",
    "Hello world",
    *(" ", "  ", "   ", "a ", "a  ", " a", "  a", "   a", "a   b"),
    *("\n", "\na", " \na", "\n a", "a\nb", "a\n\n\nb", "a \n b", "a\n  b", "a\t b"),
    "it's we're I'LL 's ' s  's  't '' ''s don't",
    "1a2 34  56.7 -8 ½ ² Ⅷ ٣",
    "!?  !? ... a.b,c  ;",
    "a\u00a0b \u00a0 \u2009c\u3000d\u0085e\u2028f\x0bg\x0ch\x1cj",
    "L'été à Paris, où ça ? ÉTÉ e\u0301",
    "中文字，中文。 中 文  字",
    "한국어 ひらがな עברית हिन्दी",
    "😀 😀😀a\U0001f468\u200d\U0001f469",
    "a\x00b \x00 \x01\x7f",
    "\u1c89\u1c8a \U00010d40\U000116d0 \U0002ebf0a",
    "[MASK] <s> </s> [SEP]",
    "a" * 1000,
    "ab" * 500 + " " * 100 + "-" * 100,
    "supercalifragilisticexpialidocious" * 10,
]


@pytest.fixture(scope="module")
def vocabulary(tmp_path_factory):
    return learned_vocabulary(str(tmp_path_factory.mktemp("byte_bpe")))


def with_prefix(vocabulary, add_prefix_space):
    return dataclasses.replace(vocabulary, add_prefix_space=add_prefix_space)


def assert_same(vocabulary, texts, tokenizer=None):
    encodings = their_tokenizer(vocabulary).encode_batch(
        texts, add_special_tokens=False
    )
    tokenizer = tokenizer or ByteBPETokenizer(vocabulary)
    rows = tokenizer.tokenize(tf.constant(texts)).to_list()
    differing = [
        (text, encoding.tokens, [vocabulary.tokens[i] for i in row])
        for text, encoding, row in zip(texts, encodings, rows, strict=True)
        if encoding.ids != row
    ]
    assert not differing, f"{len(differing)} differ, such as {differing[:3]}"


def assert_same_offsets(vocabulary, texts, exact=True):
    encodings = their_tokenizer(vocabulary).encode_batch(
        texts, add_special_tokens=False
    )
    ids, starts, ends = ByteBPETokenizer(vocabulary).tokenize_with_offsets(
        tf.constant(texts)
    )
    for values in (starts, ends):
        assert values.dtype == tf.int32
    found = zip(ids.to_list(), starts.to_list(), ends.to_list(), strict=True)
    for text, encoding, (row, first, last) in zip(texts, encodings, found, strict=True):
        assert row == encoding.ids
        in_bytes = [
            widened(text, *(len(text[:place].encode()) for place in places))
            for places in encoding.offsets
        ]
        spans = list(zip(first, last, strict=True))
        if exact:
            assert spans == in_bytes, text
        # Some graphemes are larger here than in the standard.
        borders = {place for span in grapheme_spans(text) for place in span}
        for (start, end), (their_start, their_end) in zip(spans, in_bytes, strict=True):
            assert {start, end} <= borders and start <= their_start <= their_end <= end


@pytest.mark.parametrize("add_prefix_space", [False, True])
def test_same_ids(vocabulary, add_prefix_space):
    assert_same(with_prefix(vocabulary, add_prefix_space), TEXTS)


def test_same_offsets(vocabulary):
    assert_same_offsets(with_prefix(vocabulary, False), TEXTS)


def test_same_offsets_with_a_prefix(vocabulary):
    # Where a text has white space in front, theirs count it to the first piece.
    texts = [text for text in TEXTS if text == text.lstrip()]
    assert_same_offsets(with_prefix(vocabulary, True), texts)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("e\u0301", {(0, 3)}),
        ("e \u0301", {(0, 1), (2, 2), (2, 4)}),
        ("♥\ufe0f", {(0, 6)}),
        ("👨\u200d👩", {(0, 11)}),
        ("कि", {(0, 6)}),
        ("🇩🇪🇫🇷", {(0, 8), (8, 16)}),
        (b"e\xff\xcc\x81", {(0, 4)}),
    ],
)
def test_pieces_have_whole_graphemes(vocabulary, text, expected):
    tokenizer = ByteBPETokenizer(with_prefix(vocabulary, False))
    _, starts, ends = tokenizer.tokenize_with_offsets(tf.constant([text]))
    assert set(zip(starts.to_list()[0], ends.to_list()[0], strict=True)) == expected


def random_texts(count, seed=0):
    draw = random.Random(seed)
    small = "aab  \n\t's1é中\u00a0!.t l\u2009x"

    def any_character():
        code = draw.choice([0x7F, 0x2FF, 0xFFFF, 0x1FFFF])
        code = draw.randint(0, code)
        return chr(code) if not 0xD800 <= code <= 0xDFFF else "a"

    for number in range(count):
        if number % 3:
            yield "".join(draw.choice(small) for _ in range(draw.randint(0, 14)))
        else:
            yield "".join(any_character() for _ in range(draw.randint(0, 20)))


@pytest.mark.parametrize("add_prefix_space", [False, True])
def test_random_texts(vocabulary, add_prefix_space):
    assert_same(with_prefix(vocabulary, add_prefix_space), list(random_texts(5000)))


def test_offsets_of_random_texts(vocabulary):
    # Marks that are younger than TensorFlow's tables, or Python's, are none here.
    texts = [
        "".join(c for c in text if unicodedata.category(c) != "Cn")
        for text in random_texts(2000, 1)
    ]
    assert_same_offsets(with_prefix(vocabulary, False), texts, exact=False)


@pytest.mark.parametrize(
    "step", [101, pytest.param(1, marks=[pytest.mark.slow, pytest.mark.long])]
)
def test_every_character_is_of_the_same_kind(vocabulary, step):
    """Letter, number, space or other: in tables of Unicode that are not the same."""
    codes = [c for c in range(sys.maxunicode + 1) if not 0xD800 <= c <= 0xDFFF][::step]
    codes += range(0x3000)
    texts = [f"the{c}the 1{c}1 !{c}!{c} {c}" for c in map(chr, codes)]
    tokenizer = ByteBPETokenizer(with_prefix(vocabulary, False))
    for start in range(0, len(texts), 50_000):
        assert_same(
            tokenizer.vocabulary, texts[start : start + 50_000], tokenizer=tokenizer
        )


def toy_vocabulary(merges):
    merged = dict.fromkeys(left + right for left, right in merges)
    tokens = (*SPECIAL_TOKENS, *BYTE_SYMBOLS, *merged)
    return Vocabulary(tokens, tuple(merges))


def random_merges(draw):
    """Of pieces that were there before; one may be made in several ways."""
    pieces = ["a", "b", "c"]
    merges = []
    for _ in range(draw.randint(0, 12)):
        pair = (draw.choice(pieces), draw.choice(pieces))
        merges.append(pair)
        pieces.append("".join(pair))
    draw.shuffle(merges)
    return merges


def naive(merges, word):
    """Algorithm 1 of Sennrich et al., one pair at a time, the leftmost first."""
    ranks = {pair: rank for rank, pair in enumerate(merges)}
    pieces = list(word)
    while True:
        pairs = [
            (ranks[pair], place)
            for place, pair in enumerate(itertools.pairwise(pieces))
            if pair in ranks
        ]
        if not pairs:
            return pieces
        _, place = min(pairs)
        pieces[place : place + 2] = ["".join(pieces[place : place + 2])]


def test_merges_in_any_order():
    """Merges need not stand in the order in which a corpus would have made them."""
    draw = random.Random(0)
    for _ in range(12):
        merges = random_merges(draw)
        words = [
            "".join(draw.choice("abc") for _ in range(draw.randint(1, 30)))
            for _ in range(100)
        ]
        vocabulary = toy_vocabulary(merges)
        rows = ByteBPETokenizer(vocabulary).tokenize(tf.constant(words)).to_list()
        found = [[vocabulary.tokens[i] for i in row] for row in rows]
        assert found == [naive(merges, word) for word in words], merges


def test_by_hand():
    # a a is merged before a b: "aaab" is aa, ab. Ġ a b has no merge with the space.
    vocabulary = toy_vocabulary([("a", "a"), ("a", "b"), ("Ġ", "b")])
    rows = ByteBPETokenizer(vocabulary).tokenize(tf.constant(["aaab ab b"])).to_list()
    assert [vocabulary.tokens[i] for i in rows[0]] == ["aa", "ab", "Ġ", "ab", "Ġb"]


def test_words_have_a_space_in_front(vocabulary):
    words = ["the", "The", "", "中", " the", "don't"]
    tokenizer = ByteBPETokenizer(with_prefix(vocabulary, False))
    expected = tokenizer.tokenize(
        tf.constant([" the", " The", "", " 中", " the", " don't"])
    )
    found = tokenizer.tokenize_words(tf.constant(words))
    assert found.to_list() == expected.to_list()


def test_what_does_not_open_a_text_has_no_prefix(vocabulary):
    tokenizer = ByteBPETokenizer(with_prefix(vocabulary, True))
    ids, starts, _ = tokenizer.tokenize_with_offsets(
        tf.constant(["the", "the"]), tf.constant([True, False])
    )
    names = [[vocabulary.tokens[i] for i in row] for row in ids.to_list()]
    assert names == [["Ġthe"], ["the"]]
    assert starts.to_list() == [[0], [0]]


def test_bytes_that_are_not_utf8(vocabulary):
    texts = [b"the \xffcat\xe4\xb8 sat", b"\xff", b"a\xed\xa0\x80b", b"\xc3\xa9\xc3"]
    tokenizer = ByteBPETokenizer(with_prefix(vocabulary, False))
    ids, starts, ends = tokenizer.tokenize_with_offsets(tf.constant(texts))
    valid = [text.decode("utf-8", "ignore") for text in texts]
    assert ids.to_list() == tokenizer.tokenize(tf.constant(valid)).to_list()
    for text, row, first, last in zip(
        texts, ids.to_list(), starts.to_list(), ends.to_list(), strict=True
    ):
        if text != texts[3]:
            places = zip(first, last, strict=True)
            spelled = [text[a:b].decode("utf-8", "ignore") for a, b in places]
            pieces = [vocabulary.names[i].strip() for i in row]
            assert spelled == pieces
    assert ends.to_list()[3][-1] == 2


def test_no_texts_and_wrong_shapes(vocabulary):
    tokenizer = ByteBPETokenizer(vocabulary)
    assert tokenizer.tokenize(tf.constant([], tf.string)).to_list() == []
    ids, starts, ends = tokenizer.tokenize_with_offsets(tf.constant([""]))
    assert ids.to_list() == starts.to_list() == ends.to_list() == [[]]
    with pytest.raises(ValueError, match=r"shape \(1, 2\)[.] Expected a vector"):
        tokenizer.tokenize(tf.constant([["a", "b"]]))


def test_in_a_graph_and_in_a_pipeline(vocabulary):
    tokenizer = ByteBPETokenizer(vocabulary)
    expected = tokenizer.tokenize(tf.constant(TEXTS)).to_list()
    texts = tf.data.Dataset.from_tensor_slices(TEXTS).batch(7)
    found = [row for batch in texts.map(tokenizer.tokenize) for row in batch.to_list()]
    assert found == expected


_LOAD = """
import sys
import tensorflow as tf
module = tf.saved_model.load(sys.argv[1])
assert "tensorflow_text" not in sys.modules
print(module.tokenize(tf.constant(["it's the  end"])).to_list())
"""


@pytest.mark.slow
def test_saved_model_needs_tensorflow_alone(vocabulary, tmp_path):
    tokenizer = ByteBPETokenizer(vocabulary)
    expected = tokenizer.tokenize(tf.constant(["it's the  end"])).to_list()
    module = tf.Module()
    module.tokenizer = tokenizer
    module.tokenize = tf.function(
        tokenizer.tokenize, input_signature=[tf.TensorSpec([None], tf.string)]
    )
    tf.saved_model.save(module, str(tmp_path))
    run = subprocess.run(
        [sys.executable, "-c", _LOAD, str(tmp_path)], capture_output=True, text=True
    )
    assert run.stdout.strip() == str(expected), run.stderr


@needs_shared
@pytest.mark.parametrize("folder", ["books", "enwiki", "chinese/zhwiki"])
@pytest.mark.parametrize(
    "count", [20, pytest.param(2000, marks=[pytest.mark.slow, pytest.mark.long])]
)
def test_real_texts(vocabulary, folder, count):
    sources = corpus.expand_sources([str(SHARED / folder / "*.gz")])
    documents = itertools.islice(corpus.read_documents(sources[0]), count)
    lines = [line for text in documents for line in text[:200_000].split("\n")]
    assert_same(vocabulary, lines)
