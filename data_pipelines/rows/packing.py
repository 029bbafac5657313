"""Packs segments into rows: `[CLS] A [SEP] B [SEP]`, segment ids, padding mask.

With byte-level BPE there are two separators between A and B, as in RoBERTa.
"""

import tensorflow as tf

from data_pipelines.rows.ragged import from_lengths, rows_and_places
from data_pipelines.rows.windows import ranges
from data_pipelines.tokenizers.vocabulary import Vocabulary


def pack(
    first: tf.RaggedTensor,
    second: tf.RaggedTensor | None,
    *,
    sequence_length: int,
    vocabulary: Vocabulary,
) -> dict[str, tf.Tensor]:
    """Packs segments that fit into the rows, see `truncate_pair`.

    For `A = [[11, 12]]`, `B = [[13]]` and a sequence length of 7:

        token_ids     CLS   11   12  SEP   13  SEP  PAD
        segment_ids     0    0    0    0    1    1    0
        padding_mask    T    T    T    T    T    T    F

    Args:
        first: int32 `(rows, (tokens))`.
        second: the same, or None for rows of one segment, `[CLS] A [SEP]`.
        sequence_length: length of the rows; shorter ones are padded.

    Returns:
        `token_ids` int32, `segment_ids` int32 and `padding_mask` bool, each
        `(rows, sequence)`.

    Raises:
        tf.errors.InvalidArgumentError: a row is too short for its segments.
    """
    token_ids, second_starts = join(first, second, vocabulary)
    length = tf.cast(token_ids.row_lengths(), tf.int32)[:, tf.newaxis]  # (rows, 1)
    fits = tf.debugging.assert_less_equal(
        length,
        sequence_length,
        message="Segments are longer than the row: truncate them first.",
    )
    with tf.control_dependencies([fits]):
        position = tf.range(sequence_length)[tf.newaxis, :]  # (1, sequence)
    padding_mask = position < length
    is_second = padding_mask & (position >= second_starts[:, tf.newaxis])
    return {
        "token_ids": filled_rows(token_ids, sequence_length, vocabulary.pad_id),
        "segment_ids": tf.cast(is_second, tf.int32),
        "padding_mask": padding_mask,
    }


def truncated_lengths(
    first_length: tf.Tensor, second_length: tf.Tensor, max_tokens: int
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the lengths after removing tokens from the longer segment, one at a time.

    Lengths 9 and 3 with at most 10 tokens become 7 and 3; 9 and 9 become 5 and 5. If
    both are equally long, the second loses a token, as in the original
    (`truncate_seq_pair`, create_pretraining_data.py:418; `_truncate_seq_pair`,
    run_classifier.py:557).
    """
    half = max_tokens // 2
    return (
        tf.minimum(
            first_length, tf.maximum(max_tokens - second_length, max_tokens - half)
        ),
        tf.minimum(second_length, tf.maximum(max_tokens - first_length, half)),
    )


def truncate_pair(
    first: tf.RaggedTensor, second: tf.RaggedTensor, max_tokens: int
) -> tuple[tf.RaggedTensor, tf.RaggedTensor]:
    """Truncates the ends of pairs with more than `max_tokens` tokens in total.

    `[[1, 2, 3, 4]], [[5]]` with at most 3 tokens become `[[1, 2]], [[5]]`. Used for
    fine-tuning and serving: it is not random. To truncate a single segment, slice it:
    `first[:, :max_tokens]`.

    Args:
        first, second: int32 `(rows, (tokens))`.
        max_tokens: maximum for both segments together, without special tokens.
    """
    first_length, second_length = truncated_lengths(
        first.row_lengths(), second.row_lengths(), max_tokens
    )
    return (
        ranges(first.values, first.row_starts(), first_length),
        ranges(second.values, second.row_starts(), second_length),
    )


def join(
    first: tf.RaggedTensor, second: tf.RaggedTensor | None, vocabulary: Vocabulary
) -> tuple[tf.RaggedTensor, tf.Tensor]:
    """Joins segments with their special tokens, without padding.

    `A = [[11, 12]]`, `B = [[13]]` give `[[CLS, 11, 12, SEP, 13, SEP]]` and `[4]`, the
    position where the second segment begins.

    Args:
        first: int32 `(sequences, (tokens))`.
        second: the same, or None for `[CLS] A [SEP]`.

    Returns:
        Token ids int32 `(sequences, (tokens))`, and the start of the second segment
        int32 `(sequences,)`, or the length if there is no second segment.
    """
    parts = [first] if second is None else [first, second]
    counts = [tf.cast(part.row_lengths(), tf.int32) for part in parts]
    # The place of the first token of each segment in its sequence.
    begins = [tf.ones_like(counts[0])]
    if second is not None:
        begins.append(1 + counts[0] + vocabulary.num_separators)
    lengths = begins[-1] + counts[-1] + 1
    starts = tf.cumsum(lengths, exclusive=True)
    # Everything is a separator that is nothing else.
    ids = tf.fill([tf.reduce_sum(lengths)], vocabulary.sep_id)
    cls_ids = tf.fill(tf.shape(starts), vocabulary.cls_id)
    ids = tf.tensor_scatter_nd_update(ids, starts[:, tf.newaxis], cls_ids)
    for part, count, begin in zip(parts, counts, begins, strict=True):
        row, place = rows_and_places(count)
        target = tf.gather(starts + begin, row) + place
        ids = tf.tensor_scatter_nd_update(ids, target[:, tf.newaxis], part.values)
    front = begins[1] if second is not None else lengths
    return from_lengths(ids, lengths), front


def pair_room(max_length: int, vocabulary: Vocabulary) -> int:
    """Returns the number of tokens for two segments in a sequence of `max_length`."""
    return max_length - 2 - vocabulary.num_separators


def filled_rows(
    values: tf.RaggedTensor, width: tf.Tensor | int, missing: int | float | str
) -> tf.Tensor:
    """Truncates or pads rows to the same width.

    Args:
        values: ragged `(rows, (values))`.
        width: int or int scalar tensor.
        missing: padding value.

    Returns:
        Dense `(rows, width)`.
    """
    if isinstance(width, int):
        return values.to_tensor(missing, shape=[None, width])
    shape = tf.stack([values.nrows(), tf.cast(width, values.row_splits.dtype)])
    return values.to_tensor(missing, shape=shape)
