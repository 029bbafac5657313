"""A WordPiece vocabulary as a value: the lines of a `vocab.txt`."""

import dataclasses
import functools
import hashlib
from collections import Counter

import tensorflow as tf

PAD, UNK, CLS, SEP, MASK = "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"
SPECIAL_TOKENS = (PAD, UNK, CLS, SEP, MASK)


@dataclasses.dataclass(frozen=True)
class Vocabulary:
    """The pieces in the order of their ids; continuations begin with `##`.

    Raises:
        ValueError: a special token is missing, or a piece stands there twice or
            is empty.
    """

    tokens: tuple[str, ...]

    def __post_init__(self) -> None:
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

    @classmethod
    def from_file(cls, path: str) -> "Vocabulary":
        """Reads a `vocab.txt`, local or remote: UTF-8, one piece a line."""
        if not tf.io.gfile.exists(path):
            raise FileNotFoundError(
                f"No vocabulary file at {path!r}. Expected a text file with one "
                "piece a line."
            )
        with tf.io.gfile.GFile(path, "rb") as file:
            content = file.read()
        try:
            text = content.decode("utf-8")
        except UnicodeDecodeError as error:
            raise ValueError(
                f"The vocabulary {path!r} is not UTF-8 text (byte {error.start}). "
                "Expected one piece a line."
            ) from None
        # Not splitlines(): published vocabularies contain U+2028 as a piece.
        lines = text.split("\n")
        if lines[-1] == "":
            lines.pop()
        try:
            return cls(tuple(line.rstrip("\r") for line in lines))
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None

    def to_bytes(self) -> bytes:
        """What a `vocab.txt` of this vocabulary holds."""
        return "".join(f"{token}\n" for token in self.tokens).encode("utf-8")

    @functools.cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the file's bytes: two vocabularies with it are equal."""
        return hashlib.sha256(self.to_bytes()).hexdigest()

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
