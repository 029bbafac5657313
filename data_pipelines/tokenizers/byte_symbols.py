"""The visible symbols of bytes, in which the pieces of byte-level BPE are written.

They are GPT-2's (openai/gpt-2, encoder.py:9): `Ġ` is the space, `Ã©` is `é`.
"""

from collections.abc import Collection

_VISIBLE = (*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100))
_INVISIBLE = tuple(byte for byte in range(0x100) if byte not in _VISIBLE)
# The character that stands for each byte: itself where it can be seen (as Latin-1),
# the others from U+0100 on.
BYTE_SYMBOLS = tuple(
    chr(byte if byte in _VISIBLE else 0x100 + _INVISIBLE.index(byte))
    for byte in range(0x100)
)
_BYTES = {symbol: byte for byte, symbol in enumerate(BYTE_SYMBOLS)}
SPACE = BYTE_SYMBOLS[0x20]


def bytes_of(piece: str) -> bytes:
    """The bytes that a piece spells; of other characters, their UTF-8."""
    if all(symbol in _BYTES for symbol in piece):
        return bytes(_BYTES[symbol] for symbol in piece)
    return piece.encode()


def readable(piece: str) -> str:
    """The text that a piece spells, if it is UTF-8, else the piece."""
    try:
        return bytes_of(piece).decode()
    except UnicodeDecodeError:
        return piece


def is_byte_level(tokens: Collection[str]) -> bool:
    """Tells whether the pieces of a vocabulary are those of byte-level BPE.

    WordPiece with so many letters has a `##a` among them; in byte-level BPE no piece is
    a mark and a letter.
    """
    return {*BYTE_SYMBOLS} <= {*tokens} and not any(
        token.startswith("##") and token.removeprefix("##").isalpha()
        for token in tokens
    )
