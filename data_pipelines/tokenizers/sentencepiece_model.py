"""The serialized model of SentencePiece: the few fields of it that matter here.

The format is that of sentencepiece_model.proto in google/sentencepiece, in the wire
format of protocol buffers.
"""

import dataclasses
import struct
from collections.abc import Iterator, Sequence
from typing import Literal

PieceType = Literal["normal", "unknown", "control", "user_defined", "unused", "byte"]

_TYPES: dict[int, PieceType] = {
    1: "normal",
    2: "unknown",
    3: "control",
    4: "user_defined",
    5: "unused",
    6: "byte",
}
_NUMBERS = {name: number for number, name in _TYPES.items()}
# Numbers of fields: of ModelProto, SentencePiece, TrainerSpec and NormalizerSpec.
_PIECES, _TRAINER, _NORMALIZER = 1, 2, 3
_PIECE, _SCORE, _TYPE = 1, 2, 3
_MODEL_TYPE, _UNK_ID, _BOS_ID, _EOS_ID, _PAD_ID = 3, 40, 41, 42, 43
_CHARSMAP, _DUMMY_PREFIX, _REMOVE_SPACES, _ESCAPE_SPACES = 2, 3, 4, 5
_UNIGRAM = 1
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


@dataclasses.dataclass(frozen=True)
class Piece:
    """A piece, its logarithmic probability, and its type."""

    text: str
    score: float
    type: PieceType = "normal"


def read_model(content: bytes, path: str) -> tuple[list[Piece], int]:
    """Reads the pieces of a model, and the number of its type; 1 is unigram.

    Args:
        content: the serialized model.
        path: the file, for messages.

    Raises:
        ValueError: it is not such a model.
    """
    pieces, model_type = [], _UNIGRAM
    try:
        for number, value in _fields(content):
            if number == _PIECES and isinstance(value, bytes):
                found = dict(_fields(value))
                score = struct.unpack("<f", bytes(found.get(_SCORE, b"\0" * 4)))[0]
                kind = _TYPES[int(found.get(_TYPE, 1))]
                pieces.append(Piece(bytes(found[_PIECE]).decode(), score, kind))
            elif number == _TRAINER and isinstance(value, bytes):
                model_type = int(dict(_fields(value)).get(_MODEL_TYPE, _UNIGRAM))
    except (KeyError, TypeError, ValueError, IndexError, struct.error) as error:
        raise ValueError(
            f"{path} is not a model of SentencePiece ({error!r}), or is cut short. "
            "Expected the file unchanged: copy it again."
        ) from None
    if not pieces:
        raise ValueError(
            f"{path} has no pieces. Expected a model of SentencePiece: copy it again."
        )
    return pieces, model_type


def unigram_model(pieces: Sequence[Piece], charsmap: bytes) -> bytes:
    """Serializes a unigram model that splits texts at spaces.

    Args:
        pieces: with one of type "unknown".
        charsmap: the compiled table of SentencePiece's normalization; empty for none.
    """
    unknown = [piece.type for piece in pieces].index("unknown")
    # -1: these ids are given by the callers of SentencePiece.
    trainer = _varint(_MODEL_TYPE, _UNIGRAM) + _varint(_UNK_ID, unknown)
    for number in (_BOS_ID, _EOS_ID, _PAD_ID):
        trainer += _varint(number, -1)
    normalizer = _bytes(_CHARSMAP, charsmap)
    for number in (_DUMMY_PREFIX, _REMOVE_SPACES, _ESCAPE_SPACES):
        normalizer += _varint(number, 1)
    parts = [
        _bytes(
            _PIECES,
            _bytes(_PIECE, piece.text.encode())
            + _key(_SCORE, _FIXED32)
            + struct.pack("<f", piece.score)
            + _varint(_TYPE, _NUMBERS[piece.type]),
        )
        for piece in pieces
    ]
    return b"".join(
        [*parts, _bytes(_TRAINER, trainer), _bytes(_NORMALIZER, normalizer)]
    )


def charsmap_of(content: bytes) -> bytes:
    """Returns the compiled table of normalization of a serialized model."""
    normalizer = dict(_fields(content)).get(_NORMALIZER, b"")
    return bytes(dict(_fields(bytes(normalizer))).get(_CHARSMAP, b""))


def _fields(content: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Yields the number and the value of each field of a message."""
    place = 0

    def varint() -> int:
        nonlocal place
        value = shift = 0
        while True:
            byte = content[place]
            place += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while place < len(content):
        key = varint()
        kind = key & 7
        if kind == _VARINT:
            yield key >> 3, varint()
            continue
        sizes = {_FIXED64: 8, _FIXED32: 4}
        size = varint() if kind == _BYTES else sizes[kind]
        value = content[place : place + size]
        if len(value) < size:
            raise ValueError("a field is cut short")
        place += size
        yield key >> 3, value


def _key(number: int, kind: int) -> bytes:
    return _raw_varint(number << 3 | kind)


def _raw_varint(value: int) -> bytes:
    # Negative numbers take ten bytes.
    value &= (1 << 64) - 1
    found = bytearray()
    while value >= 0x80:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    found.append(value)
    return bytes(found)


def _varint(number: int, value: int) -> bytes:
    return _key(number, _VARINT) + _raw_varint(value)


def _bytes(number: int, value: bytes) -> bytes:
    return _key(number, _BYTES) + _raw_varint(len(value)) + value
