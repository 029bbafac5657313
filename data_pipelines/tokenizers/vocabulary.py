"""A vocabulary as a value: its pieces, and how texts are prepared to be cut into them.

    vocab.txt            the pieces, one a line
    merges.txt           of byte-level BPE, the pairs that are merged
    tokenization.json    the kind of tokenizer and the casing

The pieces of byte-level BPE spell bytes: each of the 256 has a visible symbol, as in
GPT-2's vocabulary. `Ġ` is the space.
"""

import dataclasses
import functools
import hashlib
import json
import posixpath
from collections import Counter
from collections.abc import Iterable
from typing import Any, Literal, get_args

import tensorflow as tf

from data_pipelines.files.json_files import read_json

TokenizerKind = Literal["wordpiece", "byte_bpe"]

PAD, UNK, CLS, SEP, MASK = "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"
SPECIAL_TOKENS = (PAD, UNK, CLS, SEP, MASK)

# Begins the WordPiece pieces that go on with a word.
CONTINUATION = "##"

_VISIBLE = (*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100))
_INVISIBLE = tuple(byte for byte in range(0x100) if byte not in _VISIBLE)
# The character that stands for each byte: itself where it can be seen (as Latin-1),
# the others from U+0100 on (openai/gpt-2, encoder.py:9).
BYTE_SYMBOLS = tuple(
    chr(byte if byte in _VISIBLE else 0x100 + _INVISIBLE.index(byte))
    for byte in range(0x100)
)
_BYTES = {symbol: byte for byte, symbol in enumerate(BYTE_SYMBOLS)}
SPACE = BYTE_SYMBOLS[0x20]

MERGES = "merges.txt"
TOKENIZATION = "tokenization.json"
_FORMAT = 1
# Replaced by the default of the kind when a vocabulary is made.
_OF_KIND: Any = None

# Readers take a first line with this beginning for a comment.
_VERSION = "#version: 0.2"
_PREFIX_SPACE = " add_prefix_space"


@dataclasses.dataclass(frozen=True)
class Vocabulary:
    """The pieces in the order of their ids, and the casing of the texts.

    Attributes:
        tokens: the pieces. Continuations begin with `##`; with merges, words that
            follow a space begin with `Ġ`.
        merges: of byte-level BPE, the pairs of pieces that become one, first ones
            first; None: WordPiece.
        add_prefix_space: of byte-level BPE, whether a text is cut as if a space stood
            before it: its first word is then the same piece as anywhere else.
        lower_case: whether texts are lower-cased before they are cut. Default: true
            for WordPiece, false for byte-level BPE.
        strip_accents: whether their accents are removed. Default: as `lower_case`.

    Raises:
        ValueError: a special token is missing, a piece stands there twice or is
            empty, a byte or what a merge needs is no piece, or byte-level BPE is to
            change texts.
    """

    tokens: tuple[str, ...]
    merges: tuple[tuple[str, str], ...] | None = None
    add_prefix_space: bool = False
    lower_case: bool = _OF_KIND
    strip_accents: bool = _OF_KIND

    def __post_init__(self) -> None:
        check_casing(self.kind, self.lower_case, self.strip_accents)
        if self.lower_case is None:
            object.__setattr__(self, "lower_case", self.kind == "wordpiece")
        if self.strip_accents is None:
            object.__setattr__(self, "strip_accents", self.lower_case)
        missing = [token for token in SPECIAL_TOKENS if token not in self._ids]
        if missing:
            raise ValueError(
                f"The vocabulary lacks the special tokens {missing}. Expected all of "
                f"{list(SPECIAL_TOKENS)}, one a line: add them, or learn a "
                "vocabulary with data_pipelines.learn_vocabulary."
            )
        if len(self._ids) < len(self.tokens):
            counts = Counter(self.tokens)
            twice = [token for token, count in counts.items() if count > 1]
            raise ValueError(
                f"The vocabulary has {len(twice)} pieces more than once: "
                f"{twice[:5]}. Expected each piece on one line only: remove the "
                "later ones."
            )
        if "" in self._ids:
            raise ValueError(
                f"The vocabulary has an empty line at line {self.id_of('') + 1}: "
                "remove it."
            )
        if self.merges is not None:
            needed = {*BYTE_SYMBOLS, *(a + b for a, b in self.merges)}
            needed.update(piece for pair in self.merges for piece in pair)
            lacking = sorted(needed - self._ids.keys())
            if lacking:
                raise ValueError(
                    f"The vocabulary lacks {len(lacking)} pieces that its merges or "
                    f"bytes need: {lacking[:5]}. Expected the {MERGES} that was "
                    "learned with it."
                )

    @classmethod
    def from_file(
        cls,
        path: str,
        lower_case: bool | None = None,
        strip_accents: bool | None = None,
    ) -> "Vocabulary":
        """Reads a `vocab.txt`, local or remote: UTF-8, one piece a line.

        `tokenization.json` in the same folder says the kind and the casing. Without
        it, pieces of byte-level BPE are recognised, and the casing is the received
        one. With byte-level BPE, `merges.txt` is read too: a pair of pieces a line, a
        space between them.

        Args:
            path: of the pieces.
            lower_case: whether texts are lower-cased; None: as the file says, or the
                default of the kind.
            strip_accents: whether accents are removed; None: likewise.

        Raises:
            FileNotFoundError: there is no such file, or no `merges.txt` where it is
                needed.
            ValueError: the files are not text or no vocabulary, or the casing is not
                the one in `tokenization.json`.
        """
        if not tf.io.gfile.exists(path):
            raise FileNotFoundError(
                f"No vocabulary file at {path!r}. Expected a text file with one "
                "piece a line."
            )
        tokens = tuple(line.rstrip("\r") for line in _lines(path, "one piece a line"))
        found: TokenizerKind = "byte_bpe" if _is_byte_level(tokens) else "wordpiece"
        kind, description = found, beside(path, TOKENIZATION)
        if tf.io.gfile.exists(description):
            kind, *casing = _read_tokenization(description)
            lower_case, strip_accents = _agreed(
                description, casing, lower_case, strip_accents
            )
        merges, add_prefix_space = None, False
        if kind == "byte_bpe" != found:
            raise ValueError(
                f"{path} holds no pieces of byte-level BPE, which {description} says. "
                "Expected the vocabulary that it was written with: put another one "
                "into a folder of its own."
            )
        if kind == "byte_bpe":
            merges, add_prefix_space = read_merges(beside(path, MERGES))
        try:
            return cls(
                tokens,
                merges,
                add_prefix_space,
                _OF_KIND if lower_case is None else lower_case,
                _OF_KIND if strip_accents is None else strip_accents,
            )
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None

    def with_casing(
        self, lower_case: bool | None = None, strip_accents: bool | None = None
    ) -> "Vocabulary":
        """The same pieces for texts of another casing.

        Args:
            lower_case: None: as it is.
            strip_accents: None: as `lower_case`, where it was that before, too.
        """
        follows = self.strip_accents == self.lower_case
        if strip_accents is None and not follows:
            strip_accents = self.strip_accents
        return dataclasses.replace(
            self,
            lower_case=self.lower_case if lower_case is None else lower_case,
            strip_accents=_OF_KIND if strip_accents is None else strip_accents,
        )

    @property
    def kind(self) -> TokenizerKind:
        """The tokenizer that cuts texts into these pieces."""
        return "wordpiece" if self.merges is None else "byte_bpe"

    def to_files(self, path: str) -> dict[str, bytes]:
        """The files to write for `from_file(path)`, the one at `path` last."""
        files = {beside(path, TOKENIZATION): self.tokenization_to_bytes()}
        if self.merges is not None:
            files[beside(path, MERGES)] = self.merges_to_bytes()
        return {**files, path: self.to_bytes()}

    def tokenization_to_bytes(self) -> bytes:
        """What a `tokenization.json` of this vocabulary holds."""
        description = {
            "format": _FORMAT,
            "kind": self.kind,
            "lower_case": self.lower_case,
            "strip_accents": self.strip_accents,
        }
        return json.dumps(description, indent=2).encode() + b"\n"

    def to_bytes(self) -> bytes:
        """What a `vocab.txt` of this vocabulary holds."""
        return "".join(f"{token}\n" for token in self.tokens).encode("utf-8")

    def merges_to_bytes(self) -> bytes:
        """What a `merges.txt` of this vocabulary holds."""
        first = _VERSION + _PREFIX_SPACE * self.add_prefix_space
        lines = [first, *(f"{left} {right}" for left, right in self.merges or ())]
        return "".join(f"{line}\n" for line in lines).encode("utf-8")

    @functools.cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the files' bytes: two vocabularies with it are equal."""
        merges = b"" if self.merges is None else self.merges_to_bytes()
        return hashlib.sha256(self.to_bytes() + merges).hexdigest()

    @functools.cached_property
    def continues(self) -> tuple[bool, ...]:
        """Whether each piece goes on with the word before it.

        Of byte-level BPE these are all that do not begin with a space: marks after a
        word are of the word. Special tokens do not.
        """
        if self.merges is None:
            return tuple(token.startswith(CONTINUATION) for token in self.tokens)
        return tuple(
            not token.startswith(SPACE) and token not in SPECIAL_TOKENS
            for token in self.tokens
        )

    @functools.cached_property
    def names(self) -> tuple[str, ...]:
        """The pieces as they are shown: of byte-level BPE the text, if it is UTF-8."""
        if self.merges is None:
            return self.tokens
        return tuple(_readable(token) for token in self.tokens)

    def joined(self, tokens: Iterable[str]) -> str:
        """Pieces as readable text: `["un", "##do", "it"]` becomes `"undo it"`."""
        if self.merges is None:
            return " ".join(tokens).replace(f" {CONTINUATION}", "")
        spelled = bytearray()
        for token in tokens:
            spelled += (
                f" {token}".encode() if token in SPECIAL_TOKENS else bytes_of(token)
            )
        return spelled.decode("utf-8", "replace").strip()

    @functools.cached_property
    def _ids(self) -> dict[str, int]:
        return {token: index for index, token in enumerate(self.tokens)}

    def id_of(self, token: str) -> int:
        """The id of a piece that is in the vocabulary."""
        return self._ids[token]

    def __contains__(self, token: str) -> bool:
        return token in self._ids

    def __len__(self) -> int:
        return len(self.tokens)

    @property
    def num_separators(self) -> int:
        """How many `[SEP]` are between two texts: two in RoBERTa, else one."""
        return 1 if self.merges is None else 2

    @property
    def pad_id(self) -> int:
        """Id of `[PAD]`."""
        return self._ids[PAD]

    @property
    def unk_id(self) -> int:
        """Id of `[UNK]`."""
        return self._ids[UNK]

    @property
    def cls_id(self) -> int:
        """Id of `[CLS]`."""
        return self._ids[CLS]

    @property
    def sep_id(self) -> int:
        """Id of `[SEP]`."""
        return self._ids[SEP]

    @property
    def mask_id(self) -> int:
        """Id of `[MASK]`."""
        return self._ids[MASK]


def bytes_of(piece: str) -> bytes:
    """What a piece of byte-level BPE spells; of other characters, their UTF-8."""
    if all(symbol in _BYTES for symbol in piece):
        return bytes(_BYTES[symbol] for symbol in piece)
    return piece.encode()


def _readable(piece: str) -> str:
    try:
        return bytes_of(piece).decode()
    except UnicodeDecodeError:
        return piece


def _is_byte_level(tokens: tuple[str, ...]) -> bool:
    # WordPiece with so many letters has a ##a among them; in byte-level BPE no piece
    # is a mark and a letter.
    return {*BYTE_SYMBOLS} <= {*tokens} and not any(
        token.startswith(CONTINUATION) and token.removeprefix(CONTINUATION).isalpha()
        for token in tokens
    )


def beside(path: str, name: str) -> str:
    """The file of a name in the folder of another."""
    return posixpath.join(posixpath.dirname(path), name)


def check_casing(
    kind: TokenizerKind, lower_case: bool | None, strip_accents: bool | None
) -> None:
    """Raises ValueError if byte-level BPE is to change texts."""
    if kind == "byte_bpe" and (lower_case or strip_accents):
        raise ValueError(
            f"Received lower_case={lower_case} and strip_accents={strip_accents} for a "
            "vocabulary of byte-level BPE, which spells texts as they are. Expected "
            "neither: leave the options out."
        )


def _read_tokenization(path: str) -> tuple[TokenizerKind, bool, bool]:
    values = read_json(path)
    kind, casing = (
        values.get("kind"),
        [values.get(name) for name in ("lower_case", "strip_accents")],
    )
    if (
        values.get("format") != _FORMAT
        or kind not in get_args(TokenizerKind)
        or not all(isinstance(value, bool) for value in casing)
    ):
        raise ValueError(
            f"{path} holds {values}. Expected the format {_FORMAT}, a kind of "
            f"{list(get_args(TokenizerKind))}, and lower_case and strip_accents true "
            "or false: restore it, or remove it if the vocabulary is another one."
        )
    return kind, *casing


def _agreed(
    path: str,
    casing: list[bool],
    lower_case: bool | None,
    strip_accents: bool | None,
) -> list[bool]:
    """The casing in a `tokenization.json`, if the received one is not another."""
    for expected, received in zip(casing, (lower_case, strip_accents), strict=True):
        if received not in (None, expected):
            raise ValueError(
                f"Received lower_case={lower_case} and strip_accents={strip_accents}. "
                f"Expected lower_case={casing[0]} and strip_accents={casing[1]}, with "
                f"which the vocabulary was learned ({path}): leave the options out, or "
                "learn another vocabulary."
            )
    return casing


def read_merges(path: str) -> tuple[tuple[tuple[str, str], ...], bool]:
    """The pairs in a `merges.txt`, and whether a space is put before texts.

    Raises:
        FileNotFoundError: there is none.
        ValueError: a line is no pair.
    """
    if not tf.io.gfile.exists(path):
        raise FileNotFoundError(
            f"No merges at {path!r}, and the pieces beside it are those of byte-level "
            "BPE. Expected the merges that were learned with them."
        )
    lines = _lines(path, "two pieces a line")
    first = lines.pop(0) if lines and lines[0].startswith("#version") else ""
    pairs = [line.split(" ") for line in lines if line]
    wrong = [pair for pair in pairs if len(pair) != 2]
    if wrong:
        raise ValueError(
            f"{path} has the line {' '.join(wrong[0])!r}. Expected two pieces "
            "with a space between them."
        )
    return (
        tuple((left, right) for left, right in pairs),
        first.endswith(_PREFIX_SPACE),
    )


def _lines(path: str, expected: str) -> list[str]:
    with tf.io.gfile.GFile(path, "rb") as file:
        content = file.read()
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"The vocabulary {path!r} is not UTF-8 text (byte {error.start}). "
            f"Expected {expected}."
        ) from None
    # Not splitlines(): published vocabularies contain U+2028 as a piece.
    lines = text.split("\n")
    if lines[-1] == "":
        lines.pop()
    return lines
