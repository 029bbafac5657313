"""Builds segment pairs from parts of documents, for a whole group at once.

The original walks through a document sentence by sentence and collects a chunk until
it is long enough (`create_instances_from_document`, google-research/bert,
create_pretraining_data.py:214). Such a loop is slow in a graph. Instead, the row that
would begin at each sentence is computed, and the beginning of the row after it; the
actual rows are those reached from the first sentence of a part. Pointer doubling finds
them with about ten gathers instead of thousands of steps.
"""

import tensorflow as tf

from data_pipelines.pretraining.randomness import split, uniform
from data_pipelines.pretraining.row_options import SentenceTask
from data_pipelines.rows.packing import truncated_lengths
from data_pipelines.rows.windows import ranges

# Number of attempts of the original to draw a different document.
_DRAWS_OF_OTHER_DOCUMENT = 10


def sentence_pairs(
    group: dict[str, tf.Tensor],
    seed: tf.Tensor,
    task: SentenceTask,
    max_tokens: int,
    short_row_rate: float,
) -> tuple[tf.RaggedTensor, tf.RaggedTensor, tf.Tensor, tf.Tensor]:
    """Returns segment pairs of at most `max_tokens` tokens in total, and their labels.

    For the other arguments see `sentence_rows.sentence_rows`.

    Returns:
        First and second segments, both int32 `(rows, (tokens))`; the labels, int32
        `(rows,)`; and bool `(rows,)`, whether the row was made of a single sentence
        without a successor.
    """
    length_seed, pair_seed, other_seed, cut_seed = split(seed, 4)
    # Shorter rows are more similar to the texts of fine-tuning (the original, :222).
    shape = [2, tf.size(group["document_id"])]
    is_short, how_short = tf.unstack(uniform(shape, length_seed))
    short = 2 + _floor(how_short, max_tokens - 1)
    targets = tf.where(is_short < short_row_rate, short, max_tokens)  # (parts,)
    pairs, label, is_single = _whole_sentences(
        group, targets, pair_seed, other_seed, task
    )

    # "We want to sometimes truncate from the front and sometimes from the back to add
    # more randomness and avoid biases." (the original, :428)
    lengths = pairs[1::2] - pairs[::2]
    kept = truncated_lengths(lengths[0], lengths[1], max_tokens)
    first, second = (
        ranges(
            group["token_ids"].values,
            pairs[2 * i] + _heads(lengths[i] - kept[i], segment_seed),
            kept[i],
        )
        for i, segment_seed in enumerate(split(cut_seed, 2))
    )
    return first, second, label, is_single


def _whole_sentences(
    group: dict[str, tf.Tensor],
    targets: tf.Tensor,
    pair_seed: tf.Tensor,
    other_seed: tf.Tensor,
    task: SentenceTask,
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Returns pairs of segments of whole sentences, not yet truncated, and labels.

    Returns:
        The first and end token of the first segment, and of the second, int32
        `(4, rows)`; labels and single sentences as from `sentence_pairs`.
    """
    sentence_lengths = group["sentence_lengths"]
    part_bounds = tf.cast(sentence_lengths.row_splits, tf.int32)  # (parts + 1,)
    part = tf.cast(sentence_lengths.value_rowids(), tf.int32)  # (sentences,)
    # The first token of each sentence, and the end of the last one.
    offset = running_sum(sentence_lengths.values)  # (sentences + 1,)

    # The row that would begin at each sentence: its second segment begins with the
    # sentence `middle`, and the row ends before the sentence `end`.
    start = tf.range(tf.size(part))
    target = tf.gather(targets, part)
    end = _end_of_chunk(offset, offset[:-1] + target, tf.gather(part_bounds, part + 1))
    is_single = tf.equal(end - start, 1)
    where_to_split, coin = tf.unstack(uniform([2, tf.size(part)], pair_seed))
    num_more = tf.where(is_single, 0, _floor(where_to_split, end - start - 1))
    middle = start + 1 + num_more
    if task == "next_sentence":
        other_part, where_to_start, has_other = _other_parts(
            group["document_id"], part, other_seed
        )
        is_random = has_other & (is_single | (coin < 0.5))
    else:
        is_random = tf.zeros_like(is_single)
    # Sentences replaced by a random second segment are not lost: the next row begins
    # with them.
    row = reached(tf.where(is_random, middle, end), part_bounds)  # (rows,)

    def at_row(values: tf.Tensor) -> tf.Tensor:
        return tf.gather(values, row)

    first, second = tf.gather(offset, row), tf.gather(offset, at_row(middle))
    # A single sentence without a random successor is split into two halves.
    is_halved = at_row(is_single & ~is_random)
    second = tf.where(is_halved, first + (second - first) // 2, second)
    pairs = tf.stack([first, second, second, tf.gather(offset, at_row(end))])
    if task == "next_sentence":
        label, other = at_row(is_random), at_row(other_part)
        begin, last = tf.gather(part_bounds, other), tf.gather(part_bounds, other + 1)
        begin = tf.gather(offset, begin + _floor(at_row(where_to_start), last - begin))
        room = tf.maximum(at_row(target) - (second - first), 1)
        stop = tf.gather(offset, _end_of_chunk(offset, begin + room, last))
        pairs = tf.where(label, tf.stack([first, second, begin, stop]), pairs)
    else:
        label = at_row(coin) < 0.5
        pairs = tf.where(label, tf.gather(pairs, [2, 3, 0, 1]), pairs)
    is_row = tf.reduce_all(pairs[1::2] > pairs[::2], axis=0)
    return (
        tf.boolean_mask(pairs, is_row, axis=1),
        tf.boolean_mask(tf.cast(label, tf.int32), is_row),
        tf.boolean_mask(at_row(is_single), is_row),
    )


def _other_parts(
    document_id: tf.Tensor, part: tf.Tensor, seed: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Draws a random part of another document for each sentence.

    Returns:
        The part, int32; where to begin in it, float32 in [0, 1); and whether a part of
        another document was found, bool; all `(sentences,)`.
    """
    numbers = uniform([tf.size(part), _DRAWS_OF_OTHER_DOCUMENT + 1], seed)
    drawn = _floor(numbers[:, :-1], tf.size(document_id))  # (sentences, draws)
    own = tf.gather(document_id, part)[:, tf.newaxis]
    differs = tf.gather(document_id, drawn) != own
    first_other = tf.argmax(tf.cast(differs, tf.int32), axis=1)
    return (
        tf.gather(drawn, first_other, batch_dims=1),
        numbers[:, -1],
        tf.reduce_any(differs, axis=1),
    )


def _end_of_chunk(offset: tf.Tensor, token: tf.Tensor, last: tf.Tensor) -> tf.Tensor:
    """Returns the end, exclusive, of a chunk of sentences that reaches `token`."""
    return tf.minimum(1 + tf.searchsorted(offset[1:], token), last)


def reached(following: tf.Tensor, part_bounds: tf.Tensor) -> tf.Tensor:
    """Returns the places int32 `(reached,)` reachable from the first of each part.

    Args:
        following: int32 `(places,)`, the next place of each place, or the first of the
            next part.
        part_bounds: int32 `(parts + 1,)`, the first place of each part, and the
            number of places.
    """
    size = tf.size(following)
    following = tf.concat([following, [size]], 0)  # The end leads to itself.
    longest = tf.reduce_max(part_bounds[1:] - part_bounds[:-1])

    def double(width: tf.Tensor, jump: tf.Tensor, reached: tf.Tensor) -> tuple:
        landed = tf.math.unsorted_segment_max(reached, jump, size + 1)
        return 2 * width, tf.gather(jump, jump), tf.maximum(reached, landed)

    is_first = tf.math.unsorted_segment_max(
        tf.ones_like(part_bounds), part_bounds, size + 1
    )
    # Loop invariant: `jump` leads `width` steps ahead, and `reached` marks all places
    # less than `width` steps away. No path is longer than its part.
    _, _, reached = tf.while_loop(
        lambda width, *_: width <= longest,
        double,
        (tf.constant(1), following, tf.maximum(is_first, 0)),
    )
    return tf.cast(tf.where(reached[:-1] > 0)[:, 0], tf.int32)


def _heads(number: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Returns the number of heads among `number` int32 `(rows,)` coin tosses.

    Random bits are counted: unlike `tf.random.stateless_binomial`, this needs no
    logarithms, whose last bits differ between machines.
    """
    width = 30  # Bits of an int32 to use at a time; 1 << 30 does not overflow.
    num_words = 1 + tf.reduce_max(tf.concat([number, [0]], 0)) // width
    bits = tf.random.stateless_uniform(
        [tf.size(number), num_words], seed, None, None, tf.int32, alg="philox"
    )
    left = number[:, tf.newaxis] - width * tf.range(num_words)
    tossed = tf.bitwise.left_shift(1, tf.clip_by_value(left, 0, width)) - 1
    heads = tf.raw_ops.PopulationCount(x=tf.bitwise.bitwise_and(bits, tossed))
    return tf.reduce_sum(tf.cast(heads, tf.int32), axis=1)


def running_sum(values: tf.Tensor) -> tf.Tensor:
    """Returns cumulative sums with a leading 0: `[2, 1]` becomes `[0, 2, 3]`."""
    return tf.concat([[0], tf.cumsum(values)], 0)


def _floor(uniform: tf.Tensor, number: tf.Tensor | int) -> tf.Tensor:
    """Scales uniform numbers in [0, 1) to integers in [0, number)."""
    return tf.cast(uniform * tf.cast(number, tf.float32), tf.int32)
