"""Pieces of each kind as words and as readable text."""

import pytest

from data_pipelines.tokenizers.spelling import continues, joined, readable


@pytest.mark.parametrize(
    ("kind", "token", "expected"),
    [
        ("wordpiece", "##s", True),
        ("wordpiece", "s", False),
        ("byte_bpe", "s", True),
        ("byte_bpe", "Ġs", False),
        ("sentencepiece", "s", True),
        ("sentencepiece", "▁s", False),
        ("sentencepiece", "▁", False),
    ],
)
def test_continues(kind, token, expected):
    assert continues(kind, token) is expected


@pytest.mark.parametrize(
    ("kind", "token", "expected"),
    [
        ("wordpiece", "##s", "##s"),
        ("byte_bpe", "ĠÃ©", " é"),
        ("byte_bpe", "Ã", "Ã"),
        ("sentencepiece", "▁été", " été"),
    ],
)
def test_readable(kind, token, expected):
    assert readable(kind, token) == expected


@pytest.mark.parametrize(
    ("kind", "tokens", "expected"),
    [
        ("wordpiece", ["un", "##do", "it", "[SEP]"], "undo it [SEP]"),
        ("byte_bpe", ["un", "do", "Ġit", "[SEP]"], "undo it [SEP]"),
        ("sentencepiece", ["▁un", "do", "▁it", "[SEP]"], "undo it [SEP]"),
    ],
)
def test_joined(kind, tokens, expected):
    assert joined(kind, tokens, {"[SEP]"}) == expected
