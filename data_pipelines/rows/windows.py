"""Splits long texts into overlapping windows, and finds the best one for each token.

The windows of a text start `stride` tokens apart, as in google-research/bert's
run_squad.py; the last one ends with the text. Everything runs in the TensorFlow graph,
for all texts of a batch at once.
"""

import tensorflow as tf


def windows(
    lengths: tf.Tensor, room: tf.Tensor | int, stride: int
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Computes the start and length of the windows of each text.

    Lengths `[4, 9]` with a room of `[6, 5]` tokens and a stride of 3:

        text     0  1  1  1
        start    0  0  3  6
        length   4  5  5  3

    A text without tokens has one window without tokens.

    Args:
        lengths: int32 `(texts,)`, tokens of each text.
        room: int32 `(texts,)`, or one for all: maximum number of tokens of a window, at
            least `stride`.
        stride: tokens from one start to the next.

    Returns:
        Three int32 `(windows,)`: index of the text, first token, number of tokens.
    """
    room = tf.broadcast_to(room, tf.shape(lengths))
    beyond = tf.maximum(lengths - room, 0)
    counts = 1 + (beyond + stride - 1) // stride
    text = tf.repeat(tf.range(tf.size(lengths)), counts)
    first = tf.gather(tf.cumsum(counts, exclusive=True), text)
    start = (tf.range(tf.size(text)) - first) * stride
    length = tf.minimum(tf.gather(lengths, text) - start, tf.gather(room, text))
    return text, start, length


def slices(
    texts: tf.RaggedTensor, text: tf.Tensor, start: tf.Tensor, length: tf.Tensor
) -> tf.RaggedTensor:
    """Returns the tokens of each window.

    `[[7, 8, 9]]` with the windows `text [0, 0], start [0, 1], length [2, 2]` becomes
    `[[7, 8], [8, 9]]`.

    Args:
        texts: any dtype `(texts, (tokens))`.
        text, start, length: int32 `(windows,)`, from `windows`.
    """
    begins = tf.gather(tf.cast(texts.row_starts(), tf.int32), text) + start
    return ranges(texts.values, begins, length)


def ranges(values: tf.Tensor, start: tf.Tensor, length: tf.Tensor) -> tf.RaggedTensor:
    """Returns ranges of one long vector as rows, `(rows, (values))`.

    `[7, 8, 9]` with `start [0, 1], length [2, 2]` becomes `[[7, 8], [8, 9]]`.
    """
    places = tf.ragged.range(start, start + length)
    return places.with_values(tf.gather(values, places.values))


def most_context(
    text: tf.Tensor, start: tf.Tensor, length: tf.Tensor, room: int, stride: int
) -> tf.RaggedTensor:
    """Marks each token in the window with the most context on both sides.

    Each token of a text is True in exactly one of its windows. The score is that of the
    original (run_squad.py, `_check_is_max_context`): the length of the shorter side
    plus a hundredth of the window's length; of equal windows, the first is chosen. The
    windows `start [0, 3], length [5, 4]` of one text give

        [[T, T, T, T, F], [F, T, T, T]]

    Args:
        text, start, length: int32 `(windows,)`, from `windows`.
        room: maximum number of tokens of any window.
        stride: tokens from one start to the next.

    Returns:
        bool `(windows, (tokens))`.
    """
    places = tf.ragged.range(length)
    window = tf.cast(places.value_rowids(), tf.int32)
    token = tf.gather(start, window) + places.values  # (tokens of all windows,)
    own = _context(token, tf.gather(start, window), tf.gather(length, window))
    best = tf.ones_like(token, tf.bool)
    last = tf.size(text) - 1
    for distance in range(1, -(-room // stride) + 1):
        for shift in (-distance, distance):
            other = window + shift
            exists = (other >= 0) & (other <= last)
            other = tf.clip_by_value(other, 0, tf.maximum(last, 0))
            begin = tf.gather(start, other)
            exists &= tf.gather(text, other) == tf.gather(text, window)
            exists &= (token >= begin) & (token < begin + tf.gather(length, other))
            context = _context(token, begin, tf.gather(length, other))
            better = context >= own if shift < 0 else context > own
            best &= ~(exists & better)
    return places.with_values(best)


def _context(token: tf.Tensor, start: tf.Tensor, length: tf.Tensor) -> tf.Tensor:
    # In hundredths, because integers compare exactly.
    end = start + length - 1
    return 100 * tf.minimum(token - start, end - token) + length
