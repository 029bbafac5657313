"""The files beside a vocabulary: merges of byte-level BPE, and its description.

`tokenization.json` is written wherever a vocabulary is learned, and in model folders:
`{"format": 1, "kind": "wordpiece", "lower_case": true, "strip_accents": true}`. Where
a vocabulary of others has them, `max_word_characters` and `added_tokens` are beside.
"""

import json
import posixpath
from collections.abc import Iterable
from typing import Any, get_args

import tensorflow as tf

from data_pipelines.files.json_files import read_json
from data_pipelines.tokenizers.casing import TokenizerKind

MERGES, TOKENIZATION = "merges.txt", "tokenization.json"
_FORMAT = 1
# With values that readers of the first format would leave out.
_FORMAT_WITH_MORE = 2
_MORE = ("max_word_characters", "added_tokens")
# Readers take a first line with this beginning for a comment.
_VERSION = "#version: 0.2"
_PREFIX_SPACE = " add_prefix_space"


def beside(path: str, name: str) -> str:
    """The path of a name in the folder of another file."""
    return posixpath.join(posixpath.dirname(path), name)


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

    Raises:
        FileNotFoundError: there is none.
        ValueError: it is not UTF-8 text.
    """
    if not tf.io.gfile.exists(path):
        raise FileNotFoundError(
            f"No {name} at {path!r}. Expected a text file with {expected}."
        )
    with tf.io.gfile.GFile(path, "rb") as file:
        content = file.read()
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"The {name} {path!r} is not UTF-8 text (byte {error.start}). "
            f"Expected {expected}."
        ) from None
    # Not splitlines(): published vocabularies contain U+2028 as a piece.
    return text.removesuffix("\n").split("\n") if text else []
