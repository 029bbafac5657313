import pytest
import tensorflow as tf

from data_pipelines.tokenizers.byte_bpe import ByteBPETokenizer
from data_pipelines.tokenizers.byte_symbols import BYTE_SYMBOLS
from data_pipelines.tokenizers.tokenizer import make_tokenizer
from data_pipelines.tokenizers.vocabulary import (
    SPECIAL_TOKENS,
    Vocabulary,
)
from data_pipelines.tokenizers.wordpiece import WordPieceTokenizer

WORDPIECE = Vocabulary((*SPECIAL_TOKENS, "a", "##b"))
BYTE_LEVEL = Vocabulary((*SPECIAL_TOKENS, *BYTE_SYMBOLS), ())


def test_the_vocabulary_says_which():
    assert WORDPIECE.kind == "wordpiece"
    assert BYTE_LEVEL.kind == "byte_bpe"
    assert isinstance(make_tokenizer(WORDPIECE), WordPieceTokenizer)
    assert isinstance(make_tokenizer(BYTE_LEVEL), ByteBPETokenizer)


@pytest.mark.parametrize(
    ("vocabulary", "lower_case", "expected"),
    [
        (WORDPIECE, None, True),
        (WORDPIECE, False, False),
        (BYTE_LEVEL, None, False),
        (BYTE_LEVEL, False, False),
    ],
)
def test_casing(vocabulary, lower_case, expected):
    found = vocabulary.with_casing(lower_case)
    assert found.lower_case == found.strip_accents == expected
    assert make_tokenizer(found).vocabulary == found


@pytest.mark.parametrize(("lower_case", "strip_accents"), [(True, None), (None, True)])
def test_byte_level_bpe_takes_nothing_away(lower_case, strip_accents):
    with pytest.raises(ValueError, match="omit the options"):
        BYTE_LEVEL.with_casing(lower_case, strip_accents)


def test_words_of_both():
    words = tf.constant(["ab", "A"])
    assert make_tokenizer(WORDPIECE).tokenize_words(words).to_list() == [[5, 6], [5]]
    tokens = BYTE_LEVEL.tokens
    found = make_tokenizer(BYTE_LEVEL).tokenize_words(words).to_list()
    assert [[tokens[i] for i in row] for row in found] == [["Ġ", "a", "b"], ["Ġ", "A"]]
