"""Packs several short sequences into one row, to save computation on padding.

Each sequence has its own positions, and its tokens attend only to each other, so its
vectors are the same as in a row of its own.
"""

import tensorflow as tf

from data_pipelines.rows.ragged import rows_and_places
from data_pipelines.tokenizers.vocabulary import Vocabulary


def pack_rows(
    token_ids: tf.RaggedTensor,
    second_starts: tf.Tensor,
    *,
    row_length: int | tf.Tensor,
    vocabulary: Vocabulary,
    pad_to_bucket: bool = False,
) -> dict[str, tf.Tensor]:
    """Packs whole sequences into as few rows as first-fit finds.

    The sequences `[[CLS, 11, SEP, 12, SEP], [CLS, 13, SEP], [CLS, 14, 15, SEP]]` in
    rows of 8:

        token_ids     CLS 11 SEP 12 SEP CLS 13 SEP    CLS 14 15 SEP PAD PAD PAD PAD
        segment_ids     0  0   0  1   1   0  0   0      0  0  0   0   0   0   0   0
        padding_mask    T  T   T  T   T   T  T   T      T  T  T   T   F   F   F   F
        positions       0  1   2  3   4   0  1   2      0  1  2   3   0   0   0   0
        sequence_ids    0  0   0  0   0   1  1   1      2  2  2   2  -1  -1  -1  -1
        first_tokens    0  5   8

    Args:
        token_ids: int32 `(sequences, (tokens))`, including special tokens, none longer
            than a row.
        second_starts: int32 `(sequences,)`, the start of the second segment, or the
            length of the sequence if it has none.
        row_length: tokens per row.
        pad_to_bucket: whether to add empty rows, less than a fifth of all, so that a
            compiler sees few different numbers of rows: 1 to 8, 10, 12, 14, 16, 20, ...

    Returns:
        `token_ids`, `segment_ids`, `positions`, `sequence_ids` int32 and
        `padding_mask` bool `(rows, row_length)`; `first_tokens` int32
        `(sequences,)`, the start of each sequence in all rows laid end to end.

    Raises:
        tf.errors.InvalidArgumentError: a sequence is longer than a row.
    """
    lengths = tf.cast(token_ids.row_lengths(), tf.int32)
    row, place, num_rows = first_fit(lengths, row_length)
    if pad_to_bucket:
        tops = [high * 2**power for power in range(12) for high in (4, 5, 6, 7)]
        buckets = tf.constant(sorted({1, 2, 3, *tops}))
        bucket = tf.searchsorted(buckets, num_rows[tf.newaxis])[0]
        num_rows = tf.gather(buckets, bucket)
    first_tokens = row * row_length + place  # (sequences,)
    sequence, positions = rows_and_places(lengths)
    target = (tf.gather(first_tokens, sequence) + positions)[:, tf.newaxis]
    is_second = positions >= tf.gather(second_starts, sequence)
    shape = [num_rows * row_length]

    def laid(values: tf.Tensor, padding: int) -> tf.Tensor:
        flat = tf.tensor_scatter_nd_update(tf.fill(shape, padding), target, values)
        return tf.reshape(flat, [num_rows, row_length])

    sequence_ids = laid(sequence, -1)
    return {
        "token_ids": laid(tf.cast(token_ids.values, tf.int32), vocabulary.pad_id),
        "segment_ids": laid(tf.cast(is_second, tf.int32), 0),
        "padding_mask": sequence_ids >= 0,
        "positions": laid(positions, 0),
        "sequence_ids": sequence_ids,
        "first_tokens": first_tokens,
    }


def first_fit(
    lengths: tf.Tensor, row_length: int | tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Assigns sequences to rows by first-fit, the longest first.

    Lengths `[5, 3, 4]` in rows of 8 give the rows `[0, 0, 1]`, the positions
    `[0, 5, 0]`, and 2 rows.

    Args:
        lengths: int32 `(sequences,)`.
        row_length: tokens per row.

    Returns:
        The row of each sequence and its position in the row, both int32 `(sequences,)`,
        and the number of rows, an int32 scalar.

    Raises:
        tf.errors.InvalidArgumentError: a length exceeds `row_length`.
    """
    count = tf.size(lengths)
    order = tf.argsort(lengths, direction="DESCENDING", stable=True)
    fits = tf.debugging.assert_less_equal(
        lengths,
        row_length,
        message="A sequence is longer than a row: truncate it or use longer rows.",
    )
    with tf.control_dependencies([fits]):
        ordered = tf.gather(lengths, order)
    rows = tf.TensorArray(tf.int32, count)
    places = tf.TensorArray(tf.int32, count)

    def put(
        index: tf.Tensor, used: tf.Tensor, rows: tf.TensorArray, places: tf.TensorArray
    ) -> tuple[tf.Tensor, tf.Tensor, tf.TensorArray, tf.TensorArray]:
        room = used + ordered[index] <= row_length
        row = tf.argmax(room, output_type=tf.int32)  # The first row with room.
        return (
            index + 1,
            used + ordered[index] * tf.one_hot(row, count, dtype=tf.int32),
            rows.write(index, row),
            places.write(index, used[row]),
        )

    _, used, rows, places = tf.while_loop(
        lambda index, *_: index < count,
        put,
        (0, tf.zeros([count], tf.int32), rows, places),
    )
    back = tf.argsort(order)
    return (
        tf.gather(rows.stack(), back),
        tf.gather(places.stack(), back),
        tf.reduce_sum(tf.cast(used > 0, tf.int32)),
    )
