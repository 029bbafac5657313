"""Places in a text that was changed, as places in the text that it was."""

from collections.abc import Callable

import tensorflow as tf

from data_pipelines.tokenizers.normalization import is_plain


def into_original(
    texts: tf.Tensor,
    starts: tf.RaggedTensor,
    ends: tf.RaggedTensor,
    normalize: Callable[[tf.Tensor], tf.Tensor],
) -> tuple[tf.RaggedTensor, tf.RaggedTensor]:
    """Bytes of normalised texts as bytes of the original ones.

    Args:
        texts: string `(texts,)`, any bytes.
        starts: int32 `(texts, (pieces))`, bytes of the normalised text.
        ends: the same, not before the starts.
        normalize: what was done to the texts. How many bytes a character leaves may
            depend on the character alone; of those that `is_plain` knows, it is one.

    Returns:
        Two int32 `(texts, (pieces))` that lie between characters of the original
        text: a piece that is part of what became of a character has all of it.
    """
    # The offsets into plain texts are right already: no character is looked at.
    moved = ~is_plain(texts)
    characters, positions = tf.strings.unicode_decode_with_offsets(
        tf.where(moved, texts, ""), "UTF-8", errors="ignore"
    )  # (texts, (characters))
    positions = tf.cast(positions.values, tf.int32)
    distinct, which = tf.unique(characters.values)
    encoded = tf.strings.unicode_encode(distinct[:, tf.newaxis], "UTF-8")
    original_sizes = tf.strings.length(encoded)
    sizes = tf.strings.length(normalize(encoded))
    # The end of each character in all normalised texts laid end to end.
    borders = tf.cumsum(tf.gather(sizes, which))  # (characters,)
    text_starts = tf.gather(tf.pad(borders, [[1, 0]]), characters.row_starts())

    rows = starts.value_rowids()
    pieces = tf.where(tf.gather(moved, rows))  # (moved pieces, 1)
    text_starts = tf.gather(text_starts, tf.gather_nd(rows, pieces))

    def character_at(byte: tf.Tensor) -> tf.Tensor:
        return tf.searchsorted(borders, text_starts + byte, side="right")

    start, end = (tf.gather_nd(places.values, pieces) for places in (starts, ends))
    # An empty piece begins where it ends, perhaps before the first character.
    first = character_at(tf.minimum(start, end - 1))
    last = character_at(end - 1)
    moved_ends = tf.gather(positions, last) + tf.gather(
        original_sizes, tf.gather(which, last)
    )
    moved_ends = tf.where(end > 0, moved_ends, 0)
    moved_starts = tf.where(start < end, tf.gather(positions, first), moved_ends)
    return tuple(
        places.with_values(tf.tensor_scatter_nd_update(places.values, pieces, bytes_))
        for places, bytes_ in ((starts, moved_starts), (ends, moved_ends))
    )
