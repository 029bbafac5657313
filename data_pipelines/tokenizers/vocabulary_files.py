"""Files of a vocabulary: pieces, merges of byte-level BPE, and its description.

`tokenization.json` is written with every learned vocabulary, and in model folders:
`{"format": 1, "kind": "wordpiece", "lower_case": true, "strip_accents": true}`. For
converted models it may also contain other fields of `Vocabulary`.
"""

import json
import posixpath
import re
from collections.abc import Collection, Iterable
from typing import Any, get_args

import tensorflow as tf
from absl import logging

from data_pipelines.files.byte_lines import BYTE_ORDER_MARK
from data_pipelines.files.fingerprints import present
from data_pipelines.files.json_files import read_json
from data_pipelines.files.paths import exists
from data_pipelines.tokenizers.casing import TokenizerKind

MERGES, TOKENIZATION = "merges.txt", "tokenization.json"
SENTENCEPIECE = "sentencepiece.model"
_FORMAT = 1
# Format with values that readers of the first format would ignore.
_FORMAT_WITH_MORE = 2
_MORE = (
    "max_word_characters",
    "added_tokens",
    "unicode_form",
    "num_separators",
    "special_names",
)
# Readers treat a first line with this prefix as a comment.
_VERSION = "#version: 0.2"
_PREFIX_SPACE = " add_prefix_space"
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
# A piece and its count, or its logarithm.
_COUNTED = re.compile(r"(\S+)[ \t]+(-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)")
# About half of the pieces of SentencePiece begin with its space symbol, while
# multilingual WordPiece has one or two pieces with it.
_MAX_SENTENCEPIECE_SHARE = 0.1


def beside(path: str, name: str) -> str:
    """Returns the path of a file name in the folder of another file."""
    return posixpath.join(posixpath.dirname(path), name)


def files_of(path: str) -> list[str]:
    """Returns the files of a vocabulary; an empty list if there is no vocabulary."""
    others = (beside(path, name) for name in (TOKENIZATION, MERGES, SENTENCEPIECE))
    return [path, *present(*others)] if present(path) else []


def read_merges(path: str) -> tuple[tuple[tuple[str, str], ...], bool]:
    """Reads the pairs in a `merges.txt`, and `add_prefix_space`.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: a line is not a pair.
    """
    expected = "two pieces per line, from the same byte-level BPE as the vocabulary"
    lines = read_lines(path, "merges", expected)
    first = lines.pop(0) if lines and lines[0].startswith("#version") else ""
    pairs = [line.split(" ") for line in lines if line]
    wrong = [pair for pair in pairs if len(pair) != 2]
    if wrong:
        raise ValueError(
            f"{path} has the line {' '.join(wrong[0])!r}. Expected two pieces "
            "separated by a space: restore the file."
        )
    return tuple((a, b) for a, b in pairs), first.endswith(_PREFIX_SPACE)


def read_sentencepiece(path: str) -> bytes:
    """Reads the serialized model of SentencePiece.

    Raises:
        FileNotFoundError: there is no such file.
    """
    if not exists(path):
        raise FileNotFoundError(
            f"No SentencePiece model at {path!r}, whose tokenization.json says "
            "sentencepiece. Expected the model beside its vocabulary: restore the file."
        )
    with tf.io.gfile.GFile(path, "rb") as file:
        return file.read()


def read_pieces(
    path: str, as_written: Collection[str] = (), is_sentencepiece: bool = False
) -> tuple[str, ...]:
    r"""Reads the pieces of a vocabulary, one per line, the first with the id 0.

    Spaces and tabs around pieces and empty lines at the end are removed. If all lines
    have a number after the piece, `the\t1061` or `the 1061`, it is a count, which is
    dropped with a warning.

    Args:
        path: path of the file.
        as_written: pieces that may begin or end with a space.
        is_sentencepiece: whether pieces of SentencePiece are expected.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file has another format (SentencePiece, JSON, merges), is not
            UTF-8 text, or some of its lines have several columns.
    """
    lines = read_lines(path, "vocabulary file", "one piece per line")
    pieces = [line if line in as_written else line.strip(" \t") for line in lines]
    while pieces and not pieces[-1]:
        pieces.pop()
    if is_sentencepiece:
        return tuple(pieces)
    _check_format(path, pieces)
    counted = [found for found in map(_COUNTED.fullmatch, pieces) if found]
    if pieces and len(counted) == len(pieces):
        numbers = [found[2] for found in counted]
        ids = list(map(str, range(len(pieces))))
        if numbers != ids and set(numbers) == set(ids):
            raise ValueError(
                f"{path} has ids after its pieces, in another order. Expected one "
                f"piece per line, in the order of the ids: sort -k2n {path} | cut -f1."
            )
        logging.warning(
            "%s: dropped the number after each piece, such as %r, as a count.",
            *(path, pieces[0]),
        )
        return tuple(found[1] for found in counted)
    columns = [number for number, piece in enumerate(pieces, 1) if "\t" in piece]
    if columns:
        raise ValueError(
            f"{path}, line {columns[0]}: {pieces[columns[0] - 1]!r} contains a tab. "
            f"Expected one piece per line, as in {len(pieces) - len(columns)} of "
            f"{len(pieces)} lines: remove the other columns (cut -f1)."
        )
    return tuple(pieces)


def _check_format(path: str, lines: list[str]) -> None:
    """Raises ValueError if a file is a vocabulary in another format."""
    first = lines[0] if lines else ""
    num_sentencepiece = sum(line.startswith("▁") for line in lines)
    if first.startswith("{"):
        found = "is JSON, a vocabulary of Hugging Face or GPT-2"
        advice = "convert its model folder (bert_tf.convert)"
    elif first.startswith("#version"):
        found = "contains the merges of byte-level BPE"
        advice = "give the vocabulary in the same folder"
    elif num_sentencepiece > _MAX_SENTENCEPIECE_SHARE * len(lines):
        found = "contains the pieces of SentencePiece (▁)"
        advice = (
            "convert the folder of its model (bert_tf.convert), or learn a vocabulary"
        )
    else:
        return
    raise ValueError(
        f"{path} {found}. Expected pieces of WordPiece or byte-level BPE, one per "
        f"line: {advice}."
    )


def merges_to_bytes(merges: Iterable[tuple[str, str]], add_prefix_space: bool) -> bytes:
    """Returns the content of a `merges.txt`."""
    first = _VERSION + _PREFIX_SPACE * add_prefix_space
    lines = [first, *map(" ".join, merges)]
    return "".join(f"{line}\n" for line in lines).encode()


def tokenization_to_bytes(
    kind: TokenizerKind, lower_case: bool, strip_accents: bool, more: dict[str, Any]
) -> bytes:
    """Returns the content of a `tokenization.json`; `more` has unusual settings."""
    values: dict[str, Any] = {"format": _FORMAT_WITH_MORE if more else _FORMAT}
    values |= {"kind": kind, "lower_case": lower_case, "strip_accents": strip_accents}
    values |= more
    return json.dumps(values, indent=2).encode() + b"\n"


def read_tokenization(
    path: str, found: TokenizerKind, received: list[Any]
) -> tuple[TokenizerKind, list[Any], dict[str, Any]]:
    """Reads the kind, the casing (lower_case, strip_accents) and other settings.

    Args:
        path: path of the file.
        found: kind detected from the pieces.
        received: casing given by the user, None if not given.

    Raises:
        ValueError: the file is damaged, gives byte-level BPE for other pieces, or
            contradicts the received casing.
    """
    values = read_json(path)
    kind, kinds = values.get("kind"), get_args(TokenizerKind)
    casing = [values.get(name) for name in ("lower_case", "strip_accents")]
    is_described = kind in kinds and all(isinstance(value, bool) for value in casing)
    more = {name: values[name] for name in _MORE if name in values}
    version = _FORMAT_WITH_MORE if more else _FORMAT
    if values.get("format") != version or not is_described:
        raise ValueError(
            f"{path} contains {values}. Expected the format {version}, one of the "
            f"kinds {list(kinds)}, and true or false for lower_case and strip_accents: "
            "restore the file, or remove it if it is from another vocabulary."
        )
    if kind == "byte_bpe" != found:
        raise ValueError(
            f"{path} says byte_bpe, but the pieces are not those of byte-level BPE. "
            "Expected the vocabulary with which it was written: put other vocabularies "
            "into separate folders."
        )
    if any(b not in (None, a) for a, b in zip(casing, received, strict=True)):
        raise ValueError(
            f"Received lower_case={received[0]} and strip_accents={received[1]}. "
            f"Expected lower_case={casing[0]} and strip_accents={casing[1]}, with "
            f"which the vocabulary was learned ({path}): omit the options, or learn "
            "another vocabulary."
        )
    return kind, casing, more


def read_lines(path: str, name: str, expected: str) -> list[str]:
    """Reads the lines of a text file, without a byte order mark and line ends.

    Args:
        path: path of the file.
        name: name of the file in messages.
        expected: expected content, for messages.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is not UTF-8 text.
    """
    if not exists(path):
        raise FileNotFoundError(
            f"No {name} at {path!r}. Expected a text file with {expected}: check the "
            "name."
        )
    with tf.io.gfile.GFile(path, "rb") as file:
        content = file.read()
    if content.startswith(_UTF_16) or b"\0" in content:
        raise ValueError(
            f"The {name} {path!r} is in UTF-16, or not text. Expected UTF-8 with "
            f"{expected}: convert it (iconv -f UTF-16 -t UTF-8)."
        )
    try:
        text = content.removeprefix(BYTE_ORDER_MARK).decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"The {name} {path!r} is not UTF-8 text (byte {error.start}). "
            f"Expected {expected}: convert it (iconv -t UTF-8)."
        ) from None
    if "\r" in text:
        # A lone carriage return ends lines on old systems.
        text = text.replace("\r\n", "\n")
        text = text.rstrip("\r") if "\n" in text else text.replace("\r", "\n")
    # Not splitlines(): published vocabularies contain U+2028 as a piece.
    return text.removesuffix("\n").split("\n") if text else []
