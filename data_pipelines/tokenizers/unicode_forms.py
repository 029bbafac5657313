"""Normalization form C of Unicode, in which letters and their marks are composed."""

import tensorflow as tf
import tensorflow_text as text

from data_pipelines.tokenizers.normalization import is_plain, replace_rows
from data_pipelines.tokenizers.offsets import into_original


def to_nfc(texts: tf.Tensor) -> tf.Tensor:
    """Composes the characters of texts, string `(texts,)` of valid UTF-8."""
    # Plain texts, most of an English corpus, stay as they are.
    other = tf.where(~is_plain(texts))[:, 0]
    composed = text.normalize_utf8(tf.gather(texts, other), "NFC")
    return replace_rows(texts, other, composed)


def offsets_before_nfc(
    texts: tf.Tensor,
    composed: tf.Tensor,
    starts: tf.RaggedTensor,
    ends: tf.RaggedTensor,
) -> tuple[tf.RaggedTensor, tf.RaggedTensor]:
    """Converts byte offsets in composed texts to offsets in the texts before.

    Args:
        texts: string `(texts,)`, valid UTF-8.
        composed: `to_nfc(texts)`.
        starts: int32 `(texts, (pieces))`, offsets in the composed texts.
        ends: the same, not less than the starts.

    Returns:
        The same two. A piece that is part of a grapheme covers all of it.
    """

    def moved() -> tuple[tf.Tensor, tf.Tensor]:
        whole = into_original(composed, starts, ends, tf.identity)
        _, offsets = text.normalize_utf8_with_offsets_map(texts, "NFC")

        def source(places: tf.Tensor) -> tf.Tensor:
            # The op needs an offset for each text. Of a place in a stretch that was
            # composed it gives the end.
            ragged = starts.with_values(tf.cast(places, tf.int64))
            one = tf.zeros([ragged.nrows(), 1], tf.int64)
            padded = tf.concat([ragged, one], axis=1)
            found = text.find_source_offsets(offsets, padded)
            return tf.cast(found[:, :-1].values, tf.int32)

        first, last = source(whole.starts.values), source(whole.ends.values)
        # Such a stretch begins where the last piece before began that is not within it.
        is_border = first < source(whole.starts.values + 1)
        is_empty = tf.equal(whole.starts.values, whole.ends.values)
        borders = tf.where(is_border | is_empty)[:, 0]
        piece = tf.range(tf.size(first, tf.int64))
        border = tf.searchsorted(borders, piece, side="right") - 1
        border = tf.gather(tf.concat([borders, [-1]], 0), border)
        text_start = tf.repeat(starts.row_starts(), starts.row_lengths())
        is_known = border >= text_start
        found = tf.gather(first, tf.where(is_known, border, piece))
        return tf.where(is_known, found, 0), last

    values = tf.cond(
        tf.reduce_all(is_plain(texts)), lambda: (starts.values, ends.values), moved
    )
    return starts.with_values(values[0]), ends.with_values(values[1])
