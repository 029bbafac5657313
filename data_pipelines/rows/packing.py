"""Segments to rows: `[CLS] A [SEP] B [SEP]`, segment ids, padding mask.

With byte-level BPE there are two separators between A and B, as RoBERTa has it.
"""

import tensorflow as tf

from data_pipelines.tokenizers.vocabulary import Vocabulary


def pack(
    first: tf.RaggedTensor,
    second: tf.RaggedTensor | None,
    *,
    sequence_length: int,
    vocabulary: Vocabulary,
) -> dict[str, tf.Tensor]:
    """Packs segments that are short enough already, see `truncate_pair`.

    With `A = [[11, 12]]`, `B = [[13]]` and a sequence length of 7:

        token_ids     CLS   11   12  SEP   13  SEP  PAD
        segment_ids     0    0    0    0    1    1    0
        padding_mask    T    T    T    T    T    T    F

    Args:
        first: int32 `(rows, (tokens))`.
        second: the same, or None for rows of one segment, `[CLS] A [SEP]`.
        sequence_length: length of the rows; shorter ones are padded.
        vocabulary: knows the ids of the special tokens.

    Returns:
        `token_ids` int32, `segment_ids` int32 and `padding_mask` bool, each
        `(rows, sequence)`.

    Raises:
        tf.errors.InvalidArgumentError: a row is too short for its segments.
    """
    tokens = tf.cast(first.values, tf.int32)
    first_start = tf.cast(first.row_starts(), tf.int32)
    first_length = tf.cast(first.row_lengths(), tf.int32)
    if second is None:
        return pack_ranges(
            tokens,
            first_start,
            first_length,
            sequence_length=sequence_length,
            vocabulary=vocabulary,
        )
    second_start = tf.cast(second.row_starts(), tf.int32) + tf.size(tokens)
    return pack_ranges(
        tf.concat([tokens, tf.cast(second.values, tf.int32)], 0),
        first_start,
        first_length,
        second_start,
        tf.cast(second.row_lengths(), tf.int32),
        sequence_length=sequence_length,
        vocabulary=vocabulary,
    )


def pack_ranges(
    tokens: tf.Tensor,
    first_start: tf.Tensor,
    first_length: tf.Tensor,
    second_start: tf.Tensor | None = None,
    second_length: tf.Tensor | None = None,
    *,
    sequence_length: int,
    vocabulary: Vocabulary,
) -> dict[str, tf.Tensor]:
    """Packs segments that are given as ranges of one long vector of ids.

    `tokens = [11, 12, 13]`, starts `[0]` and `[2]`, lengths `[2]` and `[1]` give the
    row that `pack` shows.

    Args:
        tokens: int32 `(tokens,)`.
        first_start: int32 `(rows,)`, where in `tokens` each first segment begins.
        first_length: int32 `(rows,)`, of how many tokens it is.
        second_start: the same of the second segments, or None: rows of one segment.
            As many separators are before them as the vocabulary says.
        second_length: the same.
        sequence_length: length of the rows; shorter ones are padded.
        vocabulary: knows the ids of the special tokens.

    Returns:
        As `pack`.

    Raises:
        tf.errors.InvalidArgumentError: a row is too short for its segments.
    """
    position = tf.range(sequence_length)[tf.newaxis, :]  # (1, sequence)
    first_separator = first_length[:, tf.newaxis] + 1  # (rows, 1)
    in_first = (position >= 1) & (position < first_separator)
    index = first_start[:, tf.newaxis] + position - 1  # (rows, sequence)
    is_separator = tf.equal(position, first_separator)
    is_token = in_first
    last = first_separator
    if second_start is not None and second_length is not None:
        begin = first_separator + vocabulary.num_separators
        last = begin + second_length[:, tf.newaxis]
        in_second = (position >= begin) & (position < last)
        second_index = second_start[:, tf.newaxis] + position - begin
        index = tf.where(in_second, second_index, index)
        is_separator = (position >= first_separator) & (position < begin)
        is_separator |= tf.equal(position, last)
        is_token |= in_second
        segment_ids = tf.cast((position >= begin) & (position <= last), "int32")
    else:
        segment_ids = tf.zeros_like(index)
    fits = tf.debugging.assert_less(
        last,
        sequence_length,
        message="Segments are longer than the row; truncate them first.",
    )
    # One place more, so that there is something to gather without any token.
    tokens = tf.concat([tokens, [vocabulary.pad_id]], 0)
    with tf.control_dependencies([fits]):
        gathered = tf.gather(tokens, tf.where(is_token, index, tf.size(tokens) - 1))
    token_ids = tf.where(is_separator, vocabulary.sep_id, gathered)
    token_ids = tf.where(tf.equal(position, 0), vocabulary.cls_id, token_ids)
    return {
        "token_ids": token_ids,
        "segment_ids": segment_ids,
        "padding_mask": position <= last,
    }


def truncated_lengths(
    first_length: tf.Tensor, second_length: tf.Tensor, max_tokens: int
) -> tuple[tf.Tensor, tf.Tensor]:
    """The lengths after tokens were taken from the longer segment, one at a time.

    Lengths 9 and 3 with at most 10 tokens become 7 and 3; 9 and 9 become 5 and 5. The
    second gives where both are as long, as in the original (`truncate_seq_pair`,
    create_pretraining_data.py:418; `_truncate_seq_pair`, run_classifier.py:557).
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
    """Cuts the ends of pairs off that have more than `max_tokens` together.

    `[[1, 2, 3, 4]], [[5]]` with at most 3 tokens become `[[1, 2]], [[5]]`. For rows
    of fine-tuning and serving: nothing in it is random. For one segment, slice:
    `first[:, :max_tokens]`.

    Args:
        first: `(rows, (tokens))`.
        second: `(rows, (tokens))`.
        max_tokens: of both segments, without special tokens.
    """
    first_length, second_length = truncated_lengths(
        first.row_lengths(), second.row_lengths(), max_tokens
    )
    return _keep(first, first_length), _keep(second, second_length)


def _keep(segments: tf.RaggedTensor, lengths: tf.Tensor) -> tf.RaggedTensor:
    rows = segments.value_rowids()
    place = tf.range(tf.size(rows, rows.dtype)) - tf.gather(segments.row_starts(), rows)
    values = tf.boolean_mask(segments.values, place < tf.gather(lengths, rows))
    return tf.RaggedTensor.from_row_lengths(values, lengths, validate=False)


def join(
    first: tf.RaggedTensor, second: tf.RaggedTensor | None, vocabulary: Vocabulary
) -> tuple[tf.RaggedTensor, tf.Tensor]:
    """Segments with their special tokens, not yet laid into rows.

    `A = [[11, 12]]`, `B = [[13]]` give `[[CLS, 11, 12, SEP, 13, SEP]]` and, as the
    place where the second segment begins, `[4]`.

    Args:
        first: int32 `(sequences, (tokens))`.
        second: the same, or None for `[CLS] A [SEP]`.
        vocabulary: knows the ids of the special tokens.

    Returns:
        int32 `(sequences, (tokens))`, and int32 `(sequences,)`: the length where
        there is no second segment.
    """
    ones = tf.ones([first.nrows(), 1], tf.int32)
    separator = ones * vocabulary.sep_id
    parts = [ones * vocabulary.cls_id, first, separator]
    front = 2
    if second is not None:
        between = vocabulary.num_separators - 1
        parts += [separator] * between + [second, separator]
        front += between
    return tf.concat(parts, axis=1), tf.cast(first.row_lengths(), tf.int32) + front


def pair_room(max_length: int, vocabulary: Vocabulary) -> int:
    """How many tokens of two segments there are in a sequence of such a length."""
    return max_length - 2 - vocabulary.num_separators


def filled_rows(
    values: tf.RaggedTensor, width: tf.Tensor | int, missing: int | float | str
) -> tf.Tensor:
    """Rows that are all so wide: cut off, or filled up.

    Args:
        values: `(rows, (places))`.
        width: int scalar, known or not when the graph is made.
        missing: what rows are filled up with.

    Returns:
        `(rows, width)`.
    """
    if isinstance(width, int):
        return values.to_tensor(missing, shape=[None, width])
    shape = tf.stack([values.nrows(), tf.cast(width, values.row_splits.dtype)])
    return values.to_tensor(missing, shape=shape)
