"""Added tokens in texts, by hand and as the `tokenizers` library finds them."""

import dataclasses

import pytest
import tensorflow as tf
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st

from data_pipelines.tokenizers.added_tokens import AddedToken
from data_pipelines.tokenizers.byte_bpe import ByteBPETokenizer
from data_pipelines.tokenizers.byte_symbols import BYTE_SYMBOLS
from data_pipelines.tokenizers.tokenizer import make_tokenizer
from data_pipelines.tokenizers.vocabulary import (
    SPECIAL_TOKENS,
    UNK,
    Vocabulary,
)
from data_pipelines.tokenizers.wordpiece import WordPieceTokenizer
from tests.data_pipelines.tokenizers.borders import widened
from tests.data_pipelines.tokenizers.byte_bpe_vocabulary import their_tokenizer

PIECES = ("the", "cat", "sat", "new", "##bie", "x", "##x", "s", "##s", "<", ">", "中")
BYTE_LEVEL = (*SPECIAL_TOKENS, *BYTE_SYMBOLS, "ca", "cat", "Ġcat")
MERGES = (("c", "a"), ("ca", "t"), ("Ġ", "cat"))


def wordpiece(*added, lower_case=True, **changes):
    tokens = (*SPECIAL_TOKENS, *PIECES)
    added = [
        dataclasses.replace(token, is_piece=token.content in tokens) for token in added
    ]
    tokens = tuple(dict.fromkeys((*tokens, *(token.content for token in added))))
    return Vocabulary(
        tokens, lower_case=lower_case, added_tokens=tuple(added), **changes
    )


def byte_level(*added, add_prefix_space=False):
    tokens = tuple(dict.fromkeys((*BYTE_LEVEL, *(token.content for token in added))))
    return Vocabulary(tokens, MERGES, add_prefix_space, added_tokens=tuple(added))


def pieces_of(vocabulary, text):
    """The pieces, and what each covers of the text."""
    encoded = tf.constant([text])
    ids, starts, ends = make_tokenizer(vocabulary).tokenize_with_offsets(encoded)
    content = text.encode() if isinstance(text, str) else text
    assert make_tokenizer(vocabulary).tokenize(encoded).to_list() == ids.to_list()
    return [
        (vocabulary.tokens[token], content[start:end].decode())
        for token, start, end in zip(
            *(values[0].numpy() for values in (ids, starts, ends)), strict=True
        )
    ]


@pytest.mark.parametrize(
    ("token", "text", "expected"),
    [
        ({}, "the newbie sat", ["the the", "newbie newbie", "sat sat"]),
        # Where it is part of a word, the rest is a word.
        ({}, "newbiex", ["newbie newbie", "x x"]),
        ({}, "xnewbie", ["x x", "newbie newbie"]),
        ({}, "newbienewbie", ["newbie newbie", "newbie newbie"]),
        # Looked for after casing and accents are taken away, or before.
        ({}, "The NEWBIE", ["the The", "newbie NEWBIE"]),
        ({}, "ne\u0301wbie sat", ["newbie ne\u0301wbie", "sat sat"]),
        ({}, "new\u00adbie", ["newbie new\u00adbie"]),
        ({"normalized": False}, "The NEWBIE", ["the The", "new NEW", "##bie BIE"]),
        ({"normalized": False}, "The newbie", ["the The", "newbie newbie"]),
        ({"single_word": True}, "newbies", ["new new", "##bie bie", "##s s"]),
        ({"single_word": True}, "x newbie>", ["x x", "newbie newbie", "> >"]),
        ({"single_word": True}, "中newbie", ["中 中", "newbie newbie"]),
        (
            {"single_word": True, "normalized": False},
            "中newbie",
            ["中 中", "new new", "##bie bie"],
        ),
        ({"single_word": True}, "énewbie", ["[UNK] énewbie"]),
        # The place of a token is that of its characters.
        (
            {"lstrip": True, "rstrip": True},
            "x  newbie x",
            ["x x", "newbie newbie", "x x"],
        ),
        ({"special": True, "normalized": False}, "newbiex", ["newbie newbie", "x x"]),
    ],
)
def test_wordpiece(token, text, expected):
    found = pieces_of(wordpiece(AddedToken("newbie", **token)), text)
    assert [" ".join(pair) for pair in found] == expected


@pytest.mark.parametrize(
    ("token", "text", "expected"),
    [
        ({}, "a newbie cat", ["a", "Ġ", "newbie", "Ġcat"]),
        ({"lstrip": True}, "a newbie cat", ["a", "newbie", "Ġcat"]),
        ({"rstrip": True}, "a newbie cat", ["a", "Ġ", "newbie", "cat"]),
        ({"lstrip": True, "rstrip": True}, "a \t newbie  ", ["a", "newbie"]),
        ({}, "newbiecat", ["newbie", "cat"]),
        ({}, "newbie\0cat", ["newbie", BYTE_SYMBOLS[0], "cat"]),
        ({"single_word": True}, "newbie_", [*"newbie", "_"]),
        ({"single_word": True}, "(newbie)", ["(", "newbie", ")"]),
    ],
)
def test_byte_level_bpe(token, text, expected):
    found = pieces_of(byte_level(AddedToken("newbie", **token)), text)
    assert [piece for piece, _ in found] == expected


def test_bytes_that_are_no_text():
    token = AddedToken("newbie", normalized=False)
    for vocabulary in (wordpiece(token), byte_level(token)):
        ids, starts, ends = make_tokenizer(vocabulary).tokenize_with_offsets(
            tf.constant([b"\xffnew\xffbie\xff"])
        )
        assert ids.to_list() == [[vocabulary.id_of("newbie")]]
        assert starts.to_list() == [[1]] and ends.to_list() == [[8]]


def test_the_longest_of_several_and_then_the_first():
    added = [AddedToken(content) for content in ("ab", "abc", "bcd", "a b")]
    found = pieces_of(wordpiece(*added), "abcd ab a b")
    assert [piece for piece, _ in found] == ["abc", UNK, "ab", "a b"]
    # As they are written come first, and hide the others.
    added = [AddedToken("abc"), AddedToken("b", normalized=False)]
    for vocabulary in (wordpiece(*added), byte_level(*added)):
        found = [piece for piece, _ in pieces_of(vocabulary, "abc")]
        assert found[1] == "b" and len(found) == 3


def test_special_tokens_in_texts_stay_text():
    vocabulary = wordpiece(AddedToken("[ENT]"))
    found = [piece for piece, _ in pieces_of(vocabulary, "[MASK] [ent]")]
    assert found == [UNK, UNK, UNK, "[ENT]"]


def test_words():
    words = tf.constant(["cat", "newbie", "newbiecat"])
    token = AddedToken("newbie")
    expected = {
        False: [["Ġcat"], ["newbie"], ["newbie", "cat"]],
        True: [["Ġcat"], ["newbie"], ["newbie", "Ġcat"]],
    }
    for prefix, pieces in expected.items():
        vocabulary = byte_level(token, add_prefix_space=prefix)
        ids = make_tokenizer(vocabulary).tokenize_words(words).to_list()
        assert [[vocabulary.tokens[i] for i in row] for row in ids] == pieces
    vocabulary = wordpiece(token)
    ids = make_tokenizer(vocabulary).tokenize_words(words).to_list()
    assert [[vocabulary.tokens[i] for i in row] for row in ids] == [
        ["cat"],
        ["newbie"],
        ["newbie", "cat"],
    ]


@pytest.mark.parametrize(
    ("make", "normalized"),
    [
        (wordpiece, True),
        pytest.param(byte_level, False, marks=pytest.mark.slow),
    ],
)
def test_in_a_saved_model(tmp_path, make, normalized):
    token = AddedToken("newbie", normalized=normalized, single_word=True, lstrip=True)
    tokenizer = make_tokenizer(make(token))
    texts = tf.constant(["the  newbie cat", "newbies", ""])
    module = tf.Module()
    module.tokenize = tf.function(
        lambda texts: tokenizer.tokenize(texts).to_tensor(-1),
        input_signature=[tf.TensorSpec([None], tf.string)],
    )
    tf.saved_model.save(module, str(tmp_path / "model"))
    found = tf.saved_model.load(str(tmp_path / "model")).tokenize(texts)
    expected = tokenizer.tokenize(texts).to_tensor(-1)
    assert found.numpy().tolist() == expected.numpy().tolist()


def test_plain_vocabularies_are_cut_as_before():
    assert type(make_tokenizer(wordpiece())) is WordPieceTokenizer
    assert type(make_tokenizer(byte_level())) is ByteBPETokenizer
    # The usual ones need no second look at the text.
    assert type(make_tokenizer(wordpiece(AddedToken("a")))) is WordPieceTokenizer


@pytest.mark.parametrize(
    "values",
    [
        {"content": ""},
        {"content": " ", "lstrip": True},
        {"content": "a\nb"},
        {"content": "a\r"},
        {"content": " a", "lstrip": True},
        {"content": "a ", "single_word": True},
    ],
)
def test_what_cannot_be_found_is_refused(values):
    with pytest.raises(ValueError, match="Expected an added token of one"):
        AddedToken(**values)


def whole_graphemes(text, start, end):
    """Characters of a text as the bytes of the graphemes that have them."""
    bare = text[start:end].strip()
    first = len(text[: text.index(bare, start)].encode())
    return widened(text, first, first + len(bare.encode()))


def library(vocabulary):
    """The same tokenizer in the library."""
    tokenizers = pytest.importorskip("tokenizers", reason="needs tokenizers")
    if vocabulary.kind == "byte_bpe":
        theirs = their_tokenizer(vocabulary)
    else:
        ids = {token: index for index, token in enumerate(vocabulary.tokens)}
        for token in vocabulary.added_tokens:
            if not token.is_piece:
                del ids[token.content]
        theirs = tokenizers.Tokenizer(
            tokenizers.models.WordPiece(
                ids,
                unk_token=UNK,
                max_input_chars_per_word=vocabulary.max_word_characters,
            )
        )
        theirs.normalizer = tokenizers.normalizers.BertNormalizer(
            lowercase=vocabulary.lower_case
        )
        theirs.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
    for token in vocabulary.added_tokens:
        values = dataclasses.asdict(token)
        is_special = values["special"]
        del values["is_piece"]
        token = tokenizers.AddedToken(values.pop("content"), **values)
        (theirs.add_special_tokens if is_special else theirs.add_tokens)([token])
    return theirs


ADDED = st.lists(
    st.builds(
        AddedToken,
        st.sampled_from(["new", "newbie", "x", "中", "[E1]", "cat sat", "É", "<e>"]),
        *[st.booleans()] * 5,
    ),
    min_size=1,
    max_size=4,
    unique_by=lambda token: token.content,
)
PARTS = "new newbie cat sat x 中 国 [E1] <e> É e\u0301 NEW _ . the ß 🙂"
SPACES = [" ", "  ", "\t", "\u00a0", "\u3000", "\u200d"]
TEXTS = st.lists(st.sampled_from([*PARTS.split(), *SPACES]), max_size=8).map("".join)


@pytest.mark.long
@pytest.mark.slow
@settings(max_examples=40, deadline=None, phases=[Phase.explicit, Phase.generate])
@given(ADDED, st.lists(TEXTS, min_size=1, max_size=8), st.booleans())
@example([AddedToken("x", lstrip=True)], ["new  x", " x x "], True)
def test_the_library_finds_the_same(added, texts, flag):
    for vocabulary in (
        wordpiece(*added, lower_case=flag),
        byte_level(*added, add_prefix_space=flag),
    ):
        encodings = library(vocabulary).encode_batch(texts, add_special_tokens=False)
        ids, starts, ends = make_tokenizer(vocabulary).tokenize_with_offsets(
            tf.constant(texts)
        )
        assert ids.to_list() == [encoding.ids for encoding in encodings]
        # There, the spaces round an ideograph may be given to its neighbour.
        strips = any(token.lstrip or token.rstrip for token in added)
        if vocabulary.kind == "byte_bpe" or strips:
            continue
        for text, encoding, *places in zip(
            texts, encodings, starts.to_list(), ends.to_list(), strict=True
        ):
            expected = [whole_graphemes(text, *span) for span in encoding.offsets]
            assert list(zip(*places, strict=True)) == expected


def test_what_is_a_piece_of_its_own_beside_added_tokens():
    token = AddedToken("<x>", normalized=False)
    text = "中\u0301<x>\u0301 the\u0301\xad<x>"
    vocabulary = wordpiece(token)
    ids, spans = make_tokenizer(vocabulary).tokenize_with_spans(tf.constant([text]))
    assert [vocabulary.tokens[i] for i in ids[0].numpy()] == [
        *("中", "<x>", "the", "<x>"),
    ]
    for starts, ends, added in (
        (spans.starts, spans.ends, "<x>\u0301"),
        # The mark was not deleted, and is part of no piece.
        (spans.own_starts, spans.own_ends, "<x>"),
    ):
        covered = [
            text.encode()[start:end].decode()
            for start, end in zip(starts[0].numpy(), ends[0].numpy(), strict=True)
        ]
        assert covered == ["中\u0301", added, "the\u0301\xad", "<x>"]
