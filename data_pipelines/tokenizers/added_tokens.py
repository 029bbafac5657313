"""Tokens that were added to a finished vocabulary, and are matched whole in texts.

The rules are those of Hugging Face `tokenizers` 0.23 (added_vocabulary.rs): a text is
split at these tokens first, and the text between them is tokenized separately.
"""

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

# The classes \s and \w of Rust's regex crate.
_SPACE = (
    r"[\t-\r \x{85}\x{A0}\x{1680}\x{2000}-\x{200A}\x{2028}\x{2029}\x{202F}\x{205F}"
    r"\x{3000}]"
)
_WORD = r"[\pL\pM\p{Nd}\p{Nl}\p{Pc}\x{200C}\x{200D}\x{24B6}-\x{24E9}]"
_MAX_CHARACTER_BYTES = 4
# A byte that does not occur in UTF-8.
_BORDER = b"\xff"

# Three int32 (texts, (pieces)): ids, and the start and end bytes of pieces.
Pieces = tuple[tf.RaggedTensor, tf.RaggedTensor, tf.RaggedTensor]
# Function of texts, string (texts,), and whether each begins its original text, bool
# (texts,).
Cut = Callable[[tf.Tensor, tf.Tensor], Pieces]


@dataclasses.dataclass(frozen=True)
class AddedToken:
    """A token that was added to a vocabulary, as by `add_tokens` of transformers.

    Attributes:
        content: the token, which is in the vocabulary.
        single_word: whether it matches only if no letter, mark or digit is next to it.
        lstrip, rstrip: whether white space before or after it belongs to the match.
        normalized: whether it is searched in the normalized text (with its content
            normalized, too), or in the original text.
        special: whether it is left out of decoded texts.
        is_piece: whether words are also split into it, as into any other piece.
    """

    content: str
    single_word: bool = False
    lstrip: bool = False
    rstrip: bool = False
    normalized: bool = True
    special: bool = False
    is_piece: bool = False

    def __post_init__(self) -> None:
        looks_around = self.lstrip or self.rstrip or self.single_word
        bare = self.content.strip()
        if (
            not self.content
            or "\n" in self.content
            or self.content.endswith("\r")
            or (looks_around and self.content != bare)
        ):
            raise ValueError(
                f"Received {self}. Expected an added token of one line, without spaces "
                "at its ends if single_word, lstrip or rstrip is set: correct it."
            )


class AddedTokenCutter(tf.Module):
    """Finds added tokens in texts: the leftmost match, and the longest of several.

    Args:
        tokens: the added tokens, in the order in which they were added.
        contents: the spelling of each in the texts.
        ids: the id of each.
        spaced: characters that count as separate words for `single_word`, as an RE2
            character class.
    """

    def __init__(
        self,
        tokens: Sequence[AddedToken],
        contents: Sequence[bytes],
        ids: Sequence[int],
        spaced: str = "",
    ) -> None:
        super().__init__(name="added_token_cutter")
        rows: dict[bytes, tuple[AddedToken, int]] = {}
        for content, token, token_id in zip(contents, tokens, ids, strict=True):
            # Of tokens with the same spelling, the first one counts.
            rows.setdefault(content, (token, token_id))
        patterns = [
            f"{_SPACE}*" * rows[content][0].lstrip
            + _quoted(content)
            + f"{_SPACE}*" * rows[content][0].rstrip
            for content in sorted(rows, key=len, reverse=True)
        ]
        self._pattern = f"({'|'.join(patterns)})"
        self._spaced = spaced
        self._has_single_words = any(token.single_word for token, _ in rows.values())
        hashes = _hashed(tf.constant(list(rows), tf.string)).numpy()
        found = [list(rows.values())[place] for place in np.argsort(hashes)]
        # Eager constants, so that all functions share one copy.
        with tf.init_scope(), tf.device("CPU"):
            self._hashes = tf.constant(np.sort(hashes))
            self._ids = tf.constant([token_id for _, token_id in found], tf.int32)
            self._is_single = tf.constant([token.single_word for token, _ in found])

    def cut(self, texts: tf.Tensor, opens: tf.Tensor, cut: Cut) -> Pieces:
        """Returns ids and offsets of added tokens, and of the rest as given by `cut`.

        The offsets of a token exclude the white space that it strips.

        Args:
            texts: string `(texts,)`, valid UTF-8.
            opens: bool `(texts,)`, passed to `cut` for the first part of each text.
            cut: tokenizes the parts between added tokens.
        """
        parts, is_added = self.parts(texts)
        first_bytes = _first_bytes(parts)
        added = tf.boolean_mask(parts.values, is_added)
        row, start, end = self._found(added)
        pieces = cut(*self.between(parts, is_added, opens))
        counts = tf.cast(is_added, tf.int64)
        merged = []
        for of_rest, of_added, moved in zip(
            pieces, (tf.gather(self._ids, row), start, end), (0, 1, 1), strict=True
        ):
            one = tf.RaggedTensor.from_row_lengths(of_added, counts, validate=False)
            # One of the two is empty for each part.
            both = tf.concat([of_rest, one], axis=1)
            offsets = tf.repeat(moved * first_bytes, both.row_lengths())
            both = both.with_values(both.values + offsets)
            merged.append(parts.with_values(both).merge_dims(1, 2))
        return tuple(merged)

    def between(
        self, parts: tf.RaggedTensor, is_added: tf.Tensor, opens: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns the arguments of `cut` for all parts; "" for added tokens."""
        first = parts.row_starts()[:, tf.newaxis]
        opens = tf.tensor_scatter_nd_update(tf.ones_like(is_added), first, opens)
        return tf.where(is_added, "", parts.values), opens

    def parts(self, texts: tf.Tensor) -> tuple[tf.RaggedTensor, tf.Tensor]:
        """Splits texts into parts, string `(texts, (parts))`, without losing bytes.

        Also returns bool `(all parts,)`, whether each part is an added token. There is
        another part, perhaps empty, between two added tokens and at the ends.
        """
        parts, is_added = _split(
            tf.strings.regex_replace(texts, self._pattern, _BORDER + rb"\1" + _BORDER)
        )
        if not self._has_single_words:
            return parts, is_added
        # Matches next to a word are text after all, as is the text they separated.
        places = tf.where(is_added)[:, 0]
        row, start, end = self._found(tf.gather(parts.values, places))
        first_byte = tf.gather(_first_bytes(parts), places)
        text = tf.gather(texts, tf.gather(parts.value_rowids(), places))
        is_word = self._ends_with_word(text, first_byte + start)
        is_word |= self._begins_with_word(text, first_byte + end)
        stays = ~(tf.gather(self._is_single, row) & is_word)
        is_added = tf.tensor_scatter_nd_update(is_added, places[:, tf.newaxis], stays)
        marked = tf.where(is_added, _BORDER + parts.values + _BORDER, parts.values)
        return _split(
            tf.strings.unsorted_segment_join(
                marked, parts.value_rowids(), parts.nrows()
            )
        )

    def _found(self, added: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Returns the table row of each added token, and its bytes without spaces."""
        trimmed = tf.strings.regex_replace(added, f"^{_SPACE}+", "")
        start = tf.strings.length(added) - tf.strings.length(trimmed)
        trimmed = tf.strings.regex_replace(trimmed, f"{_SPACE}+$", "")
        row, is_known = self._row(added)
        row = tf.where(is_known, row, self._row(trimmed)[0])
        return row, start, start + tf.strings.length(trimmed)

    def _row(self, contents: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        hashes = _hashed(contents)
        row = tf.searchsorted(self._hashes, hashes)
        row = tf.minimum(row, tf.size(self._hashes) - 1)
        return row, tf.equal(tf.gather(self._hashes, row), hashes)

    def _ends_with_word(self, texts: tf.Tensor, end: tf.Tensor) -> tf.Tensor:
        size = tf.minimum(end, _MAX_CHARACTER_BYTES)
        before = tf.strings.substr(texts, end - size, size)
        return self._is_word(before, r"\C*{}")

    def _begins_with_word(self, texts: tf.Tensor, start: tf.Tensor) -> tf.Tensor:
        size = tf.minimum(tf.strings.length(texts) - start, _MAX_CHARACTER_BYTES)
        after = tf.strings.substr(texts, start, size)
        return self._is_word(after, r"{}\C*")

    def _is_word(self, texts: tf.Tensor, pattern: str) -> tf.Tensor:
        found = tf.strings.regex_full_match(texts, pattern.format(_WORD))
        if self._spaced:
            found &= ~tf.strings.regex_full_match(texts, pattern.format(self._spaced))
        return found


def _split(marked: tf.Tensor) -> tuple[tf.RaggedTensor, tf.Tensor]:
    parts = tf.strings.split(marked, _BORDER)
    place = tf.range(tf.size(parts.values, tf.int64))
    place -= tf.repeat(parts.row_starts(), parts.row_lengths())
    return parts, tf.equal(place % 2, 1)


def _first_bytes(parts: tf.RaggedTensor) -> tf.Tensor:
    """Returns the first byte of each part in its text, int32 `(all parts,)`."""
    sizes = tf.strings.length(parts.values)
    starts = tf.cumsum(sizes, exclusive=True)
    of_text = tf.gather(tf.pad(starts, [[0, 1]]), parts.row_starts())
    return starts - tf.repeat(of_text, parts.row_lengths())


def _hashed(contents: tf.Tensor) -> tf.Tensor:
    return tf.strings.to_hash_bucket_fast(contents, 2**62)


def _quoted(content: bytes) -> str:
    """Returns an RE2 pattern that matches a text literally."""
    return "".join(rf"\x{{{ord(character):X}}}" for character in content.decode())
