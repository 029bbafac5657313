"""Maps offsets in normalized texts to offsets in the original texts."""

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from data_pipelines.tokenizers.graphemes import grapheme_starts
from data_pipelines.tokenizers.normalization import is_plain


class Spans(NamedTuple):
    """Byte offsets of pieces in their texts, int32 `(texts, (pieces))`.

    Attributes:
        starts, ends: offsets, the end exclusive. They are grapheme boundaries: a piece
            that is part of a grapheme covers all of it.
        own_starts, own_ends: the same, but a grapheme with several pieces is divided
            among them by characters. Deleted characters belong to the piece before them
            in their grapheme, or to the one after them if there is none.
    """

    starts: tf.RaggedTensor
    ends: tf.RaggedTensor
    own_starts: tf.RaggedTensor
    own_ends: tf.RaggedTensor


def into_original(
    texts: tf.Tensor,
    starts: tf.RaggedTensor,
    ends: tf.RaggedTensor,
    normalize: Callable[[tf.Tensor], tf.Tensor],
) -> Spans:
    """Converts byte offsets in normalized texts to offsets in the original texts.

    Args:
        texts: string `(texts,)`, any bytes.
        starts: int32 `(texts, (pieces))`, offsets in the normalized texts.
        ends: the same, not less than the starts.
        normalize: the normalization. The normalized size of a character must depend
            only on the character, and be one byte for characters of `is_plain`.
    """
    # Offsets into plain texts are already correct.
    moved = ~is_plain(texts)
    values = tf.cond(
        tf.reduce_any(moved),
        lambda: _moved(texts, moved, starts, ends, normalize),
        lambda: (starts.values, ends.values) * 2,
    )
    return Spans(*map(starts.with_values, values))


def _moved(
    texts: tf.Tensor,
    moved: tf.Tensor,
    starts: tf.RaggedTensor,
    ends: tf.RaggedTensor,
    normalize: Callable[[tf.Tensor], tf.Tensor],
) -> tuple[tf.Tensor, ...]:
    """Returns the values of `Spans`; changes only offsets in texts that are `moved`."""
    characters, positions = tf.strings.unicode_decode_with_offsets(
        tf.where(moved, texts, ""), "UTF-8", errors="ignore"
    )  # (texts, (characters))
    positions = tf.cast(positions.values, tf.int32)
    distinct, which = tf.unique(characters.values)
    encoded = tf.strings.unicode_encode(distinct[:, tf.newaxis], "UTF-8")
    original_sizes = tf.strings.length(encoded)
    sizes = tf.strings.length(normalize(encoded))
    # The end of each character in all normalized texts laid end to end.
    borders = tf.cumsum(tf.gather(sizes, which))  # (characters,)
    text_starts = tf.gather(tf.pad(borders, [[1, 0]]), characters.row_starts())
    graphemes = grapheme_starts(encoded, which, characters.value_rowids())
    grapheme_ends = tf.concat([graphemes, [tf.size(which)]], 0)[1:]

    rows = starts.value_rowids()
    pieces = tf.where(tf.gather(moved, rows))  # (moved pieces, 1)
    text_starts = tf.gather(text_starts, tf.gather_nd(rows, pieces))

    def character_at(byte: tf.Tensor) -> tf.Tensor:
        return tf.searchsorted(borders, text_starts + byte, side="right")

    def of_grapheme(bounds: tf.Tensor, character: tf.Tensor) -> tf.Tensor:
        number = tf.searchsorted(graphemes, character, side="right") - 1
        return tf.gather(bounds, number)

    def end_of(character: tf.Tensor) -> tf.Tensor:
        size = tf.gather(original_sizes, tf.gather(which, character))
        return tf.gather(positions, character) + size

    start, end = (tf.gather_nd(places.values, pieces) for places in (starts, ends))
    # An empty piece begins at its end, perhaps before the first character.
    first = character_at(tf.minimum(start, end - 1))
    last = character_at(end - 1)
    whole_first = of_grapheme(graphemes, first)
    whole_last = of_grapheme(grapheme_ends, last) - 1
    # The last character before the piece that is not deleted.
    before = tf.where(text_starts + start > 0, character_at(start - 1), -1)
    own_first = tf.where(whole_first > before, whole_first, first)
    # Part of the last character may belong to the piece after this one.
    own_last = tf.maximum(last, tf.minimum(whole_last, character_at(end) - 1))

    def spans(first: tf.Tensor, last: tf.Tensor) -> tuple[tf.Tensor, ...]:
        moved_ends = tf.where(end > 0, end_of(last), 0)
        moved_starts = tf.where(start < end, tf.gather(positions, first), moved_ends)
        return tuple(
            tf.tensor_scatter_nd_update(places.values, pieces, new)
            for places, new in ((starts, moved_starts), (ends, moved_ends))
        )

    return spans(whole_first, whole_last) + spans(own_first, own_last)
