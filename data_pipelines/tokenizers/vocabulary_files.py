"""The files beside a vocabulary: merges of byte-level BPE, and its description.

`tokenization.json` is written wherever a vocabulary is learned, and in model folders:
`{"format": 1, "kind": "wordpiece", "lower_case": true, "strip_accents": true}`. Where
a vocabulary of others has them, `max_word_characters` and `added_tokens` are beside.
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
_FORMAT = 1
# With values that readers of the first format would leave out.
_FORMAT_WITH_MORE = 2
_MORE = ("max_word_characters", "added_tokens")
# Readers take a first line with this beginning for a comment.
_VERSION = "#version: 0.2"
_PREFIX_SPACE = " add_prefix_space"
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
# A piece and its count, or its logarithm.
_COUNTED = re.compile(r"(\S+)[ \t]+(-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)")
# Of the pieces of SentencePiece about a half begin with its sign of a space, which
# multilingual WordPiece has as one or two pieces.
_MAX_SENTENCEPIECE_SHARE = 0.1


def beside(path: str, name: str) -> str:
    """The path of a name in the folder of another file."""
    return posixpath.join(posixpath.dirname(path), name)


def files_of(path: str) -> list[str]:
    """The files that a vocabulary is read from; none where there is no vocabulary."""
    others = beside(path, TOKENIZATION), beside(path, MERGES)
    return [path, *present(*others)] if present(path) else []


def read_merges(path: str) -> tuple[tuple[tuple[str, str], ...], bool]:
    """Reads the pairs in a `merges.txt`, and whether a space is put before texts.

    Raises:
        FileNotFoundError: there is none.
        ValueError: a line is no pair.
    """
    expected = "two pieces a line, learned with the pieces of byte-level BPE beside it"
    lines = read_lines(path, "merges", expected)
    first = lines.pop(0) if lines and lines[0].startswith("#version") else ""
    pairs = [line.split(" ") for line in lines if line]
    wrong = [pair for pair in pairs if len(pair) != 2]
    if wrong:
        raise ValueError(
            f"{path} has the line {' '.join(wrong[0])!r}. Expected two pieces "
            "with a space between them."
        )
    return tuple((a, b) for a, b in pairs), first.endswith(_PREFIX_SPACE)


def read_pieces(path: str, as_written: Collection[str] = ()) -> tuple[str, ...]:
    r"""Reads the pieces of a vocabulary, one a line, the first with the id 0.

    Spaces and tabs around them and empty lines at the end are left out. Where all
    lines have a number behind their piece, `the\t1061` or `the 1061`, it is a count,
    which is left out with a warning.

    Args:
        as_written: pieces that may begin or end with a space.

    Raises:
        FileNotFoundError: there is no file.
        ValueError: it is of another format (SentencePiece, JSON, merges), not UTF-8
            text, or some of its lines have several columns.
    """
    lines = read_lines(path, "vocabulary file", "one piece a line")
    pieces = [line if line in as_written else line.strip(" \t") for line in lines]
    while pieces and not pieces[-1]:
        pieces.pop()
    _check_format(path, pieces)
    counted = [found for found in map(_COUNTED.fullmatch, pieces) if found]
    if pieces and len(counted) == len(pieces):
        numbers = [found[2] for found in counted]
        ids = list(map(str, range(len(pieces))))
        if numbers != ids and set(numbers) == set(ids):
            raise ValueError(
                f"{path} has ids behind its pieces, in another order. Expected one "
                f"piece a line, in the order of the ids: sort -k2n {path} | cut -f1."
            )
        logging.warning(
            "%s: a number is behind each piece, such as %r: left out, as a count.",
            *(path, pieces[0]),
        )
        return tuple(found[1] for found in counted)
    columns = [number for number, piece in enumerate(pieces, 1) if "\t" in piece]
    if columns:
        raise ValueError(
            f"{path}, line {columns[0]}: {pieces[columns[0] - 1]!r} has a tab within. "
            f"Expected one piece a line, as {len(pieces) - len(columns)} of "
            f"{len(pieces)} lines have it: leave the other columns out (cut -f1)."
        )
    return tuple(pieces)


def _check_format(path: str, lines: list[str]) -> None:
    """Raises ValueError if a file has a vocabulary, but of another format."""
    first = lines[0] if lines else ""
    num_sentencepiece = sum(line.startswith("▁") for line in lines)
    if first.startswith("{"):
        found = "is JSON, a vocabulary of Hugging Face or GPT-2"
        advice = "convert the folder that it is in (bert_tf.convert)"
    elif first.startswith("#version"):
        found = "has the merges of byte-level BPE"
        advice = "name the vocabulary beside it"
    elif num_sentencepiece > _MAX_SENTENCEPIECE_SHARE * len(lines):
        found = "has the pieces of SentencePiece (▁)"
        advice = "that tokenizer is not supported; learn a vocabulary instead"
    else:
        return
    raise ValueError(
        f"{path} {found}. Expected pieces of WordPiece or byte-level BPE, one a line: "
        f"{advice}."
    )


def merges_to_bytes(merges: Iterable[tuple[str, str]], add_prefix_space: bool) -> bytes:
    """The content of a `merges.txt`."""
    first = _VERSION + _PREFIX_SPACE * add_prefix_space
    lines = [first, *map(" ".join, merges)]
    return "".join(f"{line}\n" for line in lines).encode()


def tokenization_to_bytes(
    kind: TokenizerKind, lower_case: bool, strip_accents: bool, more: dict[str, Any]
) -> bytes:
    """The content of a `tokenization.json`; `more` is what a usual one leaves out."""
    values: dict[str, Any] = {"format": _FORMAT_WITH_MORE if more else _FORMAT}
    values |= {"kind": kind, "lower_case": lower_case, "strip_accents": strip_accents}
    values |= more
    return json.dumps(values, indent=2).encode() + b"\n"


def read_tokenization(
    path: str, found: TokenizerKind, received: list[Any]
) -> tuple[TokenizerKind, list[Any], dict[str, Any]]:
    """Reads the kind, the casing (lower_case, strip_accents), and more, in a file.

    Raises:
        ValueError: the file is damaged, says byte-level BPE where another kind of
            pieces was found, or another casing than the received one, where that is
            not None.
    """
    values = read_json(path)
    kind, kinds = values.get("kind"), get_args(TokenizerKind)
    casing = [values.get(name) for name in ("lower_case", "strip_accents")]
    is_described = kind in kinds and all(isinstance(value, bool) for value in casing)
    more = {name: values[name] for name in _MORE if name in values}
    version = _FORMAT_WITH_MORE if more else _FORMAT
    if values.get("format") != version or not is_described:
        raise ValueError(
            f"{path} holds {values}. Expected the format {version}, a kind of "
            f"{list(kinds)}, and lower_case and strip_accents true or false: restore "
            "it, or remove it if the vocabulary is another one."
        )
    if kind == "byte_bpe" != found:
        raise ValueError(
            f"{path} says byte_bpe, but the pieces are not those of byte-level BPE. "
            "Expected the vocabulary that it was written with: put another one into a "
            "folder of its own."
        )
    if any(b not in (None, a) for a, b in zip(casing, received, strict=True)):
        raise ValueError(
            f"Received lower_case={received[0]} and strip_accents={received[1]}. "
            f"Expected lower_case={casing[0]} and strip_accents={casing[1]}, with "
            f"which the vocabulary was learned ({path}): leave the options out, or "
            "learn another vocabulary."
        )
    return kind, casing, more


def read_lines(path: str, name: str, expected: str) -> list[str]:
    """Reads the lines of a file, which errors call by the name and what is expected.

    A byte order mark is left out; lines may end as on any system.

    Raises:
        FileNotFoundError: there is none.
        ValueError: it is not UTF-8 text.
    """
    if not exists(path):
        raise FileNotFoundError(
            f"No {name} at {path!r}. Expected a text file with {expected}."
        )
    with tf.io.gfile.GFile(path, "rb") as file:
        content = file.read()
    if content.startswith(_UTF_16) or b"\0" in content:
        raise ValueError(
            f"The {name} {path!r} is in UTF-16, or no text. Expected UTF-8 with "
            f"{expected}: convert it (iconv -f UTF-16 -t UTF-8)."
        )
    try:
        text = content.removeprefix(BYTE_ORDER_MARK).decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"The {name} {path!r} is not UTF-8 text (byte {error.start}). "
            f"Expected {expected}."
        ) from None
    if "\r" in text:
        # Alone, it is the end of a line of an old system.
        text = text.replace("\r\n", "\n")
        text = text.rstrip("\r") if "\n" in text else text.replace("\r", "\n")
    # Not splitlines(): published vocabularies contain U+2028 as a piece.
    return text.removesuffix("\n").split("\n") if text else []
