"""Visible symbols for bytes, in which the pieces of byte-level BPE are written.

They are those of GPT-2 (openai/gpt-2, encoder.py:9): `Ġ` is a space, `Ã©` is `é`.
"""

from collections.abc import Collection

_VISIBLE = (*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100))
_INVISIBLE = tuple(byte for byte in range(0x100) if byte not in _VISIBLE)
# The symbol of each byte: visible bytes as Latin-1, the others from U+0100.
BYTE_SYMBOLS = tuple(
    chr(byte if byte in _VISIBLE else 0x100 + _INVISIBLE.index(byte))
    for byte in range(0x100)
)
_BYTES = {symbol: byte for byte, symbol in enumerate(BYTE_SYMBOLS)}
SPACE = BYTE_SYMBOLS[0x20]


def bytes_of(piece: str) -> bytes:
    """Returns the bytes of a piece; if it has other characters, their UTF-8."""
    if all(symbol in _BYTES for symbol in piece):
        return bytes(_BYTES[symbol] for symbol in piece)
    return piece.encode()


def readable(piece: str) -> str:
    """Returns the text of a piece if it is UTF-8, else the piece."""
    try:
        return bytes_of(piece).decode()
    except UnicodeDecodeError:
        return piece


def is_byte_level(tokens: Collection[str]) -> bool:
    """Returns True if the pieces of a vocabulary are those of byte-level BPE.

    A WordPiece vocabulary with so many letters contains a piece such as `##a`; in
    byte-level BPE no piece combines punctuation and letters.
    """
    return {*BYTE_SYMBOLS} <= {*tokens} and not any(
        token.startswith("##") and token.removeprefix("##").isalpha()
        for token in tokens
    )
