"""Byte-level BPE tokenization, with or without offsets into the original text.

References:
    Radford et al., Language Models are Unsupervised Multitask Learners (2019),
    section 2.2: the pieces of GPT-2, also used by RoBERTa.
    Sennrich et al., Neural Machine Translation of Rare Words with Subword Units
    (2016), algorithm 1.
"""

import numpy as np
import tensorflow as tf

from data_pipelines.tokenizers.byte_symbols import bytes_of
from data_pipelines.tokenizers.normalization import (
    delete_invalid,
    replace_rows,
    vector_of,
)
from data_pipelines.tokenizers.offsets import into_original
from data_pipelines.tokenizers.unicode_forms import offsets_before_nfc, to_nfc
from data_pipelines.tokenizers.vocabulary import Vocabulary

# White space, letters and numbers of Unicode 16. TensorFlow has the tables of Unicode
# 15, so later additions are listed.
_SPACES = (
    r"\t-\r \x{85}\x{A0}\x{1680}\x{2000}-\x{200A}\x{2028}\x{2029}\x{202F}\x{205F}"
    r"\x{3000}"
)
_LETTERS = (
    r"\p{L}\x{1C89}\x{1C8A}\x{A7CB}-\x{A7CD}\x{A7DA}-\x{A7DC}\x{105C0}-\x{105F3}"
    r"\x{10D4A}-\x{10D65}\x{10D6F}-\x{10D85}\x{10EC2}-\x{10EC4}\x{11380}-\x{11389}"
    r"\x{1138B}\x{1138E}\x{11390}-\x{113B5}\x{113B7}\x{113D1}\x{113D3}"
    r"\x{11BC0}-\x{11BE0}\x{13460}-\x{143FA}\x{16100}-\x{1611D}\x{16D40}-\x{16D6C}"
    r"\x{18CFF}\x{1E5D0}-\x{1E5ED}\x{1E5F0}\x{2EBF0}-\x{2EE5D}"
)
_NUMBERS = (
    r"\p{N}\x{10D40}-\x{10D49}\x{116D0}-\x{116E3}\x{11BF0}-\x{11BF9}"
    r"\x{16130}-\x{16139}\x{16D70}-\x{16D79}\x{1CCF0}-\x{1CCF9}\x{1E5F1}-\x{1E5FA}"
)
# GPT-2's words (openai/gpt-2, encoder.py:53), except for the rule on spaces:
_WORD = (
    rf"'s|'t|'re|'ve|'m|'ll|'d| ?[{_LETTERS}]+| ?[{_NUMBERS}]+"
    rf"| ?[^{_SPACES}{_LETTERS}{_NUMBERS}]+|[{_SPACES}]+"
)
# The last of several spaces belongs to the next word. RE2 has no look-ahead to express
# this, so a byte that does not occur in UTF-8 is inserted before it.
_SPACES_BEFORE_WORD = rf"([{_SPACES}])([{_SPACES}][^{_SPACES}])"
_BORDER = b"\xff"
_CUT_BETWEEN, _CUT_AFTER = rb"\1" + _BORDER + rb"\2", rb"\0" + _BORDER
# Texts in which splitting at spaces could separate a word from its beginning.
_SPACES_ON_BOTH_SIDES = rf"[{_SPACES}] (?:[{_SPACES}]|$)"

_NO_RANK = np.iinfo(np.int32).max


class ByteBPETokenizer(tf.Module):
    """Splits texts into words, and merges the bytes of each word into pieces.

    The ids are those of Hugging Face `tokenizers` (0.23) for RoBERTa, for every UTF-8
    text; invalid bytes are deleted. Nothing else is normalized, unless the vocabulary
    has a `unicode_form`, as that of ModernBERT. A special token written in a text is
    treated as text.

    Without a `unicode_form`, only TensorFlow's own ops and constants are used.
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        super().__init__(name="byte_bpe_tokenizer")
        self.vocabulary = vocabulary
        spelled = [bytes_of(token) for token in vocabulary.tokens]
        byte_ids = np.zeros(256, np.int32)
        for token_id, piece in enumerate(spelled):
            if len(piece) == 1:
                byte_ids[piece[0]] = token_id
        keys, ranks, merged, is_orderly = _merge_tables(vocabulary)
        # Eager constants, so that all functions share one copy.
        with tf.init_scope(), tf.device("CPU"):
            self._byte_ids = tf.constant(byte_ids)
            self._keys = tf.constant(keys)
            self._ranks = tf.constant(ranks)
            self._merged = tf.constant(merged)
            self._is_orderly = tf.constant(is_orderly)
            self._sizes = tf.constant([len(piece) for piece in spelled])
            before, after = (
                [len(piece) - len(strip(piece, b" ")) for piece in spelled]
                for strip in (bytes.lstrip, bytes.rstrip)
            )
            self._spaces_before, self._spaces_after = map(tf.constant, (before, after))

    def tokenize(self, texts: tf.Tensor) -> tf.RaggedTensor:
        """Returns the ids of the pieces of each text, see `Tokenizer`.

        `["A cat's  hat"]` gives the ids of `[["A", "Ġcat", "'s", "Ġ", "Ġhat"]]`; with
        `add_prefix_space`, the first piece is `ĠA`.
        """
        with tf.device("CPU"):
            texts = self._normalized(delete_invalid(vector_of(texts)))
            return self._tokenize(texts, self._opens_with_space(texts))

    def tokenize_words(self, words: tf.Tensor) -> tf.RaggedTensor:
        """Returns the ids of words that follow others: with a space in front."""
        with tf.device("CPU"):
            words = self._normalized(delete_invalid(vector_of(words)))
            return self._tokenize(words, _may_have_prefix(words))

    def tokenize_with_offsets(
        self, texts: tf.Tensor, opens: tf.Tensor | None = None
    ) -> tuple[tf.RaggedTensor, tf.RaggedTensor, tf.RaggedTensor]:
        """Returns the ids and their offsets, see `Tokenizer`.

        Spaces at the ends of a piece are excluded, like `trim_offsets` of RoBERTa:
        `["A cat"]` gives starts `[0, 2]`, ends `[1, 5]`; a piece of only spaces becomes
        empty. `add_prefix_space` applies where `opens` is True.
        """
        with tf.device("CPU"):
            original = vector_of(texts)
            valid = delete_invalid(original)
            texts = self._normalized(valid)
            has_prefix = self._opens_with_space(texts)
            if opens is not None:
                has_prefix &= opens
            ids = self._tokenize(texts, has_prefix)
            ends = tf.cumsum(tf.gather(self._sizes, ids.values))
            # From the beginning of the text of each piece.
            before = tf.gather(tf.pad(ends, [[1, 0]]), ids.row_starts())
            before += tf.cast(has_prefix, tf.int32)
            ends -= tf.repeat(before, ids.row_lengths())
            starts = ends - tf.gather(self._sizes, ids.values)
            starts += tf.gather(self._spaces_before, ids.values)
            starts = tf.minimum(starts, ends)
            ends = tf.maximum(ends - tf.gather(self._spaces_after, ids.values), starts)
            starts, ends = ids.with_values(starts), ids.with_values(ends)
            if self.vocabulary.unicode_form is not None:
                starts, ends = offsets_before_nfc(valid, texts, starts, ends)
            spans = into_original(original, starts, ends, delete_invalid)
            return ids, spans.starts, spans.ends

    def _normalized(self, texts: tf.Tensor) -> tf.Tensor:
        return texts if self.vocabulary.unicode_form is None else to_nfc(texts)

    def _opens_with_space(self, texts: tf.Tensor) -> tf.Tensor:
        if self.vocabulary.add_prefix_space:
            return _may_have_prefix(texts)
        return tf.zeros_like(texts, tf.bool)

    def _tokenize(self, texts: tf.Tensor, has_prefix: tf.Tensor) -> tf.RaggedTensor:
        """Returns the ids of valid texts, some of them with a space before them."""
        # Most of the work is done once per distinct part between spaces.
        is_whole = tf.strings.regex_full_match(
            texts, rf"(?s:.*){_SPACES_ON_BOTH_SIDES}(?s:.*)"
        )
        parts = tf.strings.split(tf.where(is_whole, "", texts), " ")
        opens = parts.row_starts()  # (texts,)
        parts_of_texts = replace_rows(
            parts.values,
            tf.boolean_mask(opens, is_whole),
            tf.boolean_mask(texts, is_whole),
        )
        has_space = replace_rows(
            tf.ones_like(parts_of_texts, tf.int32), opens, tf.cast(has_prefix, tf.int32)
        )
        spelled, part = tf.unique(parts_of_texts)
        distinct, part = tf.unique(2 * part + has_space)
        spelled = tf.gather(spelled, distinct // 2)
        pieces = self._pieces(tf.where(distinct % 2 > 0, " " + spelled, spelled))
        return parts.with_values(tf.gather(pieces, part)).merge_dims(1, 2)

    def _pieces(self, parts: tf.Tensor) -> tf.RaggedTensor:
        """Returns pieces int32 `(parts, (pieces))` of any valid UTF-8."""
        # Not regex_split of TF Text, which drops everything after a NUL.
        parts = tf.strings.regex_replace(parts, _SPACES_BEFORE_WORD, _CUT_BETWEEN)
        parts = tf.strings.regex_replace(parts, _WORD, _CUT_AFTER)
        words = tf.strings.split(parts, _BORDER)  # (parts, (words)), some empty
        distinct, word = tf.unique(words.values)
        pieces = self._merge(distinct)
        return words.with_values(tf.gather(pieces, word)).merge_dims(1, 2)

    def _merge(self, words: tf.Tensor) -> tf.RaggedTensor:
        """Merges each word until no pair is left; int32 `(words, (pieces))`."""
        num_words = tf.size(words)
        values = tf.io.decode_raw(tf.strings.reduce_join(words), tf.uint8)
        ids = tf.gather(self._byte_ids, tf.cast(values, tf.int32))  # (bytes,)
        word = tf.repeat(tf.range(num_words), tf.strings.length(words))
        place = tf.range(tf.size(ids))
        # Bytes that were merged into the piece before them become -1.
        result = ids

        def merge(
            place: tf.Tensor,
            word: tf.Tensor,
            ids: tf.Tensor,
            rank: tf.Tensor,
            result: tf.Tensor,
        ) -> tuple[tf.Tensor, ...]:
            best = tf.gather(tf.math.unsorted_segment_min(rank, word, num_words), word)
            has_pair = best < _NO_RANK
            left = tf.where(has_pair & tf.equal(rank, best))[:, 0]  # (pairs,)
            left = tf.boolean_mask(left, self._may_merge(left, word, rank))
            right = left + 1
            merged = tf.gather(self._merged, tf.gather(rank, left))
            ids = replace_rows(ids, left, merged)
            result = replace_rows(result, tf.gather(place, left), merged)
            gone = -tf.ones_like(merged)
            result = replace_rows(result, tf.gather(place, right), gone)
            # Words without a pair are done.
            is_kept = replace_rows(has_pair, right, tf.zeros_like(left, tf.bool))
            left = tf.gather(tf.cumsum(tf.cast(is_kept, tf.int64)) - 1, left)
            kept = tf.where(is_kept)[:, 0]
            place, word, ids, rank = (
                tf.gather(values, kept) for values in (place, word, ids, rank)
            )
            # The pairs on both sides of a merged piece are new.
            changed = tf.concat([tf.maximum(left - 1, 0), left], 0)
            rank = replace_rows(rank, changed, self._rank(ids, word, changed))
            return place, word, ids, rank, result

        rank = self._rank(ids, word, tf.range(tf.size(ids, tf.int64)))
        result = tf.while_loop(
            lambda place, *_: tf.size(place) > 0,
            merge,
            (place, word, ids, rank, result),
            shape_invariants=tuple(tf.TensorShape([None]) for _ in range(5)),
        )[-1]
        is_piece = result >= 0
        return tf.RaggedTensor.from_value_rowids(
            tf.boolean_mask(result, is_piece),
            tf.cast(tf.boolean_mask(word, is_piece), tf.int64),
            tf.cast(num_words, tf.int64),
            validate=False,
        )

    def _rank(self, ids: tf.Tensor, word: tf.Tensor, places: tf.Tensor) -> tf.Tensor:
        """Returns the rank of the pair at each place, or `_NO_RANK`."""
        after = places + 1
        is_pair = after < tf.size(ids, tf.int64)
        after = tf.where(is_pair, after, places)
        is_pair &= tf.equal(tf.gather(word, places), tf.gather(word, after))
        left, right = tf.gather(ids, places), tf.gather(ids, after)
        key = tf.cast(left, tf.int64) * len(self.vocabulary) + tf.cast(right, tf.int64)
        found = tf.minimum(tf.searchsorted(self._keys, key), tf.size(self._keys) - 1)
        is_pair &= tf.equal(tf.gather(self._keys, found), key)
        return tf.where(is_pair, tf.gather(self._ranks, found), _NO_RANK)

    def _may_merge(
        self, left: tf.Tensor, word: tf.Tensor, rank: tf.Tensor
    ) -> tf.Tensor:
        """Selects those of the best pairs that are merged at the same time.

        In `aaa` this is one pair. If the merged piece may be merged again before the
        same pair further to the right, only the first pair of the word is merged.
        """
        before = tf.pad(left[:-1], [[1, 0]], constant_values=-2)
        opens_run = left > before + 1
        run = tf.cumsum(tf.cast(opens_run, tf.int32)) - 1
        run_start = tf.gather(tf.boolean_mask(left, opens_run), run)
        of_word = tf.gather(word, left)
        opens_word = of_word > tf.pad(of_word[:-1], [[1, 0]], constant_values=-1)
        is_orderly = tf.gather(self._is_orderly, tf.gather(rank, left))
        return opens_word | (is_orderly & tf.equal((left - run_start) % 2, 0))


def _merge_tables(
    vocabulary: Vocabulary,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Builds the lookup tables of merges.

    `keys` int64 `(pairs,)`, ascending, `left * pieces + right`, and `ranks` int32
    `(pairs,)` of each; `merged` int32 `(merges,)`, the resulting piece of each merge,
    and `is_orderly` bool `(merges,)`, whether all pairs with that piece come later.
    """
    merges = vocabulary.merges or ()
    ids = [[vocabulary.id_of(piece) for piece in (a, b, a + b)] for a, b in merges]
    left, right, merged = np.array(ids, np.int64).reshape(-1, 3).T
    # If a pair occurs twice, the later rank counts.
    pairs = left * len(vocabulary) + right
    keys, from_end = np.unique(pairs[::-1], return_index=True)
    ranks = len(merges) - 1 - from_end
    first_use = np.full(len(vocabulary), _NO_RANK, np.int64)
    for side in (left, right):
        np.minimum.at(first_use, side[ranks], ranks)
    is_orderly = first_use[merged] > np.arange(len(merges))
    # A key that no pair has, so that the table is never empty.
    keys = np.concatenate([[-1], keys])
    ranks = np.concatenate([[_NO_RANK], ranks])
    return keys, ranks.astype(np.int32), merged.astype(np.int32), is_orderly


def _may_have_prefix(texts: tf.Tensor) -> tf.Tensor:
    """Returns True for texts that are not empty and do not begin with a space."""
    first = tf.strings.substr(texts, 0, 1)
    return (first != " ") & (first != "")
