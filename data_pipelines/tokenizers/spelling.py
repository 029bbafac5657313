"""How the pieces of each kind of vocabulary are written.

WordPiece: pieces that continue a word begin with `##`. Byte-level BPE: pieces that
follow a space begin with `Ġ`, see `byte_symbols`. SentencePiece: they begin with `▁`.
"""

from collections.abc import Collection, Iterable

from data_pipelines.tokenizers import byte_symbols
from data_pipelines.tokenizers.casing import TokenizerKind

# Prefix of WordPiece pieces that continue a word.
CONTINUATION = "##"
# SentencePiece's symbol of a space.
SPACE = "▁"


def continues(kind: TokenizerKind, token: str) -> bool:
    """Returns True if a piece continues the word before it.

    In byte-level BPE and SentencePiece, all pieces that do not begin with a space do:
    punctuation after a word is part of it.
    """
    if kind == "wordpiece":
        return token.startswith(CONTINUATION)
    return not token.startswith(byte_symbols.SPACE if kind == "byte_bpe" else SPACE)


def readable(kind: TokenizerKind, token: str) -> str:
    """Returns a piece in readable form: as text, for byte-level BPE if it is UTF-8."""
    if kind == "sentencepiece":
        return token.replace(SPACE, " ")
    return token if kind == "wordpiece" else byte_symbols.readable(token)


def joined(kind: TokenizerKind, tokens: Iterable[str], whole: Collection[str]) -> str:
    """Joins pieces to readable text: `["un", "##do", "it"]` becomes `"undo it"`.

    Tokens of `whole`, such as special tokens, are words.
    """
    if kind == "wordpiece":
        return " ".join(tokens).replace(f" {CONTINUATION}", "")
    if kind == "sentencepiece":
        spelled = (f"{SPACE}{token}" if token in whole else token for token in tokens)
        return "".join(spelled).replace(SPACE, " ").strip()
    parts = (
        f" {token}".encode() if token in whole else byte_symbols.bytes_of(token)
        for token in tokens
    )
    return b"".join(parts).decode("utf-8", "replace").strip()
