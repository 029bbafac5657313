"""Vocabulary: the pieces of a tokenizer, and the casing of its texts.

Its files are `vocab.txt`, and those of `vocabulary_files` in the same folder.
"""

import dataclasses
import functools
import hashlib
import itertools
import json
from collections.abc import Iterable
from typing import Any, Literal

import tensorflow as tf

from data_pipelines.files.json_files import read_json_if_any
from data_pipelines.tokenizers import byte_symbols, spelling, vocabulary_files
from data_pipelines.tokenizers.added_tokens import AddedToken
from data_pipelines.tokenizers.casing import TokenizerKind, check_casing
from data_pipelines.tokenizers.vocabulary_files import (
    MERGES,
    SENTENCEPIECE,
    TOKENIZATION,
    beside,
)

PAD, UNK, CLS, SEP, MASK = "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"
SPECIAL_TOKENS = (PAD, UNK, CLS, SEP, MASK)
_SPECIAL_IDS = ("pad_id", "unk_id", "cls_id", "sep_id", "mask_id")

# As in google-research/bert, tokenization.py:300.
MAX_WORD_CHARACTERS = 200

# Replaced by the default of the kind when a vocabulary is created.
_BY_KIND: Any = None


@dataclasses.dataclass(frozen=True)
class Vocabulary:
    """The pieces in the order of their ids, and the casing of the texts.

    Attributes:
        tokens: the pieces, see `spelling`. The special tokens have the names of BERT.
        merges: for byte-level BPE, the pairs of pieces to merge, in order; None for
            other kinds.
        add_prefix_space: for byte-level BPE, whether a text is tokenized as if a space
            preceded it, so that its first word has the same pieces as elsewhere.
        lower_case: whether texts are lower-cased before tokenization, which only
            WordPiece can do. Default: true for WordPiece.
        strip_accents: whether accents are removed. Default: as `lower_case`.
        max_word_characters: for WordPiece; a longer word is one [UNK].
        added_tokens: pieces that are matched whole in texts.
        sentencepiece: for SentencePiece, its model as a serialized proto; None for
            other kinds.
        unicode_form: the normalization of texts before their tokenization, "NFC" or
            None; for byte-level BPE and SentencePiece.
        num_separators: the number of `[SEP]` between two texts. Default: two for
            byte-level BPE, as in RoBERTa, else one.
        special_names: the names of the special tokens in the files of the model that
            the vocabulary was converted from; None for those of the kind.
        pad_id, unk_id, cls_id, sep_id, mask_id: ids of the special tokens.

    Raises:
        ValueError: a special token is missing, a piece is empty or duplicate, a byte,
            an added token or a piece of a merge is missing, or a setting does not
            belong to the kind.
    """

    tokens: tuple[str, ...]
    merges: tuple[tuple[str, str], ...] | None = None
    add_prefix_space: bool = False
    lower_case: bool = _BY_KIND
    strip_accents: bool = _BY_KIND
    max_word_characters: int = MAX_WORD_CHARACTERS
    added_tokens: tuple[AddedToken, ...] = ()
    sentencepiece: bytes | None = dataclasses.field(default=None, repr=False)
    unicode_form: Literal["NFC"] | None = None
    num_separators: int = _BY_KIND
    special_names: tuple[str, ...] | None = None
    pad_id: int = dataclasses.field(init=False, repr=False, compare=False)
    unk_id: int = dataclasses.field(init=False, repr=False, compare=False)
    cls_id: int = dataclasses.field(init=False, repr=False, compare=False)
    sep_id: int = dataclasses.field(init=False, repr=False, compare=False)
    mask_id: int = dataclasses.field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_casing(self.kind, self.lower_case, self.strip_accents)
        if self.lower_case is None:
            object.__setattr__(self, "lower_case", self.kind == "wordpiece")
        if self.strip_accents is None:
            object.__setattr__(self, "strip_accents", self.lower_case)
        if self.num_separators is None:
            separators = 2 if self.kind == "byte_bpe" else 1
            object.__setattr__(self, "num_separators", separators)
        self._check_settings()
        missing = [token for token in SPECIAL_TOKENS if token not in self._ids]
        if missing:
            raise ValueError(
                f"The vocabulary lacks the special tokens {missing}. Expected all of "
                f"{list(SPECIAL_TOKENS)}, one per line: add them, or learn a "
                "vocabulary with data_pipelines.learn_vocabulary."
            )
        for name, token in zip(_SPECIAL_IDS, SPECIAL_TOKENS, strict=True):
            object.__setattr__(self, name, self._ids[token])
        self._check_pieces()
        added = [token.content for token in self.added_tokens]
        lacking = [token for token in added if token not in self._ids]
        if lacking or len(set(added)) < len(added) or {*added} & {*SPECIAL_TOKENS}:
            raise ValueError(
                f"Received the added tokens {added}. Expected each once, in the "
                f"vocabulary, which lacks {lacking}, and none of "
                f"{list(SPECIAL_TOKENS)}: correct them."
            )
        if self.max_word_characters < 1:
            raise ValueError(
                f"Received max_word_characters={self.max_word_characters}. Expected at "
                "least 1."
            )
        if self.merges is not None:
            needed = {piece for a, b in self.merges for piece in (a, b, a + b)}
            lacking = sorted(needed.union(byte_symbols.BYTE_SYMBOLS) - self._ids.keys())
            if lacking:
                raise ValueError(
                    f"The vocabulary lacks {len(lacking)} pieces required by its "
                    f"merges or bytes: {lacking[:5]}. Expected the {MERGES} that was "
                    "learned with it: restore the file."
                )

    def _check_settings(self) -> None:
        """Raises ValueError if a setting has no meaning for the kind."""
        if self.unicode_form is not None and (
            self.unicode_form != "NFC" or self.kind == "wordpiece"
        ):
            raise ValueError(
                f"Received unicode_form={self.unicode_form!r} for a vocabulary of "
                f"{self.kind}. Expected None, or 'NFC' for byte-level BPE or "
                "SentencePiece."
            )
        if self.num_separators not in (1, 2):
            raise ValueError(
                f"Received num_separators={self.num_separators}. Expected 1 or 2."
            )
        names = self.special_names
        if names is not None and len(set(names)) != len(SPECIAL_TOKENS):
            raise ValueError(
                f"Received special_names={names}. Expected a name for each of "
                f"{list(SPECIAL_TOKENS)}."
            )

    def _check_pieces(self) -> None:
        """Raises ValueError if a piece is empty or duplicate."""
        empty = [number for number, token in enumerate(self.tokens, 1) if not token]
        if empty:
            raise ValueError(
                f"The vocabulary has an empty piece in line {_shown(empty)}. Expected "
                f"one piece per line: {self._replacing(len(empty))}."
            )
        if len(self._ids) == len(self.tokens):
            return
        seen: dict[str, int] = {}
        # The first of equal pieces is kept.
        later = {
            number: token
            for number, token in enumerate(self.tokens, 1)
            if seen.setdefault(token, number) < number
        }
        twice = list(dict.fromkeys(later.values()))
        raise ValueError(
            f"The vocabulary has {len(twice)} pieces more than once: {twice[:5]}, "
            f"again in line {_shown(list(later))}. Expected each piece once: "
            f"{self._replacing(len(later))}."
        )

    def _replacing(self, count: int) -> str:
        """Returns advice for wrong lines, whose removal would shift all later ids."""
        numbers = itertools.count()
        names = (f"[unused{n}]" for n in numbers if f"[unused{n}]" not in self._ids)
        free = list(itertools.islice(names, min(count, 3)))
        return (
            f"write an unused piece there, such as {' '.join(free)}, so that the ids "
            "of all other pieces still match the weights"
        )

    @classmethod
    def from_file(
        cls,
        path: str,
        lower_case: bool | None = None,
        strip_accents: bool | None = None,
    ) -> "Vocabulary":
        """Reads a local or remote `vocab.txt`: UTF-8, one piece per line.

        White space around pieces and empty lines at the end are removed, as are counts
        after all pieces, with a warning; see `vocabulary_files.read_pieces`.

        `tokenization.json` in the same folder gives the kind and the casing. Without
        it, pieces of byte-level BPE are detected, and the casing is that of the
        arguments (None: the default of the kind). For byte-level BPE, `merges.txt` is
        read, too: one pair of pieces per line, separated by a space. For SentencePiece,
        which needs `tokenization.json`, `sentencepiece.model` is read.

        Raises:
            FileNotFoundError: there is no such file, or none of those that the kind
                needs beside it.
            ValueError: the files are not text or not a vocabulary, or the casing
                contradicts `tokenization.json`.
        """
        described = beside(path, TOKENIZATION)
        description = read_json_if_any(described)
        added = description.get("added_tokens", [])
        contents = [str(t.get("content")) for t in added if isinstance(t, dict)]
        is_sentencepiece = description.get("kind") == "sentencepiece"
        tokens = vocabulary_files.read_pieces(path, contents, is_sentencepiece)
        is_byte_level = byte_symbols.is_byte_level(tokens)
        kind: TokenizerKind = "byte_bpe" if is_byte_level else "wordpiece"
        if is_sentencepiece:
            kind = "sentencepiece"
        casing: list[Any] = [lower_case, strip_accents]
        more: dict[str, Any] = {}
        if tf.io.gfile.exists(described):
            kind, casing, more = vocabulary_files.read_tokenization(
                described, kind, casing
            )
        merges, add_prefix_space = None, False
        if kind == "sentencepiece":
            more["sentencepiece"] = vocabulary_files.read_sentencepiece(
                beside(path, SENTENCEPIECE)
            )
        if kind == "byte_bpe":
            merges, add_prefix_space = vocabulary_files.read_merges(
                beside(path, MERGES)
            )
        try:
            if "special_names" in more:
                more["special_names"] = tuple(more["special_names"])
            if "added_tokens" in more:
                more["added_tokens"] = tuple(
                    AddedToken(**values) for values in more["added_tokens"]
                )
            return cls(tokens, merges, add_prefix_space, *casing, **more)
        except (ValueError, TypeError) as error:
            raise ValueError(f"{path}: {error}") from None

    def with_casing(
        self, lower_case: bool | None = None, strip_accents: bool | None = None
    ) -> "Vocabulary":
        """Returns a vocabulary with the same pieces and another casing.

        None keeps `lower_case`, and keeps `strip_accents` if it differed from
        `lower_case`; otherwise it follows the new `lower_case`.
        """
        changes: dict[str, Any] = {"strip_accents": strip_accents}
        if strip_accents is None and self.strip_accents != self.lower_case:
            del changes["strip_accents"]
        if lower_case is not None:
            changes["lower_case"] = lower_case
        return dataclasses.replace(self, **changes)

    @property
    def kind(self) -> TokenizerKind:
        """The kind of tokenizer for these pieces."""
        if self.sentencepiece is not None:
            return "sentencepiece"
        return "wordpiece" if self.merges is None else "byte_bpe"

    def to_files(self, path: str) -> dict[str, bytes]:
        """Returns the files to write for `from_file(path)`, the one at `path` last."""
        casing = self.lower_case, self.strip_accents
        description = vocabulary_files.tokenization_to_bytes(
            self.kind, *casing, self._unusual
        )
        files = {beside(path, TOKENIZATION): description}
        if self.merges is not None:
            files[beside(path, MERGES)] = self._merges_to_bytes()
        if self.sentencepiece is not None:
            files[beside(path, SENTENCEPIECE)] = self.sentencepiece
        return {**files, path: self.to_bytes()}

    def to_bytes(self) -> bytes:
        """Returns the content of `vocab.txt`."""
        return "".join(f"{token}\n" for token in self.tokens).encode()

    def _merges_to_bytes(self) -> bytes:
        if self.merges is None:
            return b""
        return vocabulary_files.merges_to_bytes(self.merges, self.add_prefix_space)

    @property
    def _unusual(self) -> dict[str, Any]:
        """Settings that differ from those of most vocabularies, as JSON values."""
        found: dict[str, Any] = {}
        if self.max_word_characters != MAX_WORD_CHARACTERS:
            found["max_word_characters"] = self.max_word_characters
        if self.added_tokens:
            found["added_tokens"] = [dataclasses.asdict(t) for t in self.added_tokens]
        if self.unicode_form is not None:
            found["unicode_form"] = self.unicode_form
        if self.num_separators != (2 if self.kind == "byte_bpe" else 1):
            found["num_separators"] = self.num_separators
        if self.special_names is not None:
            found["special_names"] = list(self.special_names)
        return found

    @functools.cached_property
    def fingerprint(self) -> str:
        """SHA-256 of pieces, merges, SentencePiece's model and unusual settings."""
        content = self.to_bytes() + self._merges_to_bytes()
        content += self.sentencepiece or b""
        if self._unusual:
            content += json.dumps(self._unusual, sort_keys=True).encode()
        return hashlib.sha256(content).hexdigest()

    @functools.cached_property
    def continues(self) -> tuple[bool, ...]:
        """Flags of the pieces: True if a piece continues the word before it.

        Special tokens do not.
        """
        return tuple(
            spelling.continues(self.kind, token) and token not in self._whole
            for token in self.tokens
        )

    @functools.cached_property
    def _whole(self) -> frozenset[str]:
        """Tokens that are not written in byte symbols, and do not continue a word."""
        return frozenset((*SPECIAL_TOKENS, *(t.content for t in self.added_tokens)))

    @functools.cached_property
    def names(self) -> tuple[str, ...]:
        """The pieces in readable form, see `spelling.readable`."""
        return tuple(
            token if token in self._whole else spelling.readable(self.kind, token)
            for token in self.tokens
        )

    def joined(self, tokens: Iterable[str]) -> str:
        """Joins pieces to readable text: `["un", "##do", "it"]` becomes `"undo it"`."""
        return spelling.joined(self.kind, tokens, self._whole)

    @functools.cached_property
    def _ids(self) -> dict[str, int]:
        return {token: index for index, token in enumerate(self.tokens)}

    def id_of(self, token: str) -> int:
        """Returns the id of a piece of the vocabulary."""
        return self._ids[token]

    def __contains__(self, token: str) -> bool:
        return token in self._ids

    def __len__(self) -> int:
        return len(self.tokens)


def _shown(numbers: list[int]) -> str:
    shown = ", ".join(map(str, numbers[:5]))
    return f"{shown} and {len(numbers) - 5} more" if len(numbers) > 5 else shown
