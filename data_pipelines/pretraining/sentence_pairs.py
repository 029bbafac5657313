"""Parts of documents to rows of two segments (or one), all of a group at once.

The original walks through a document sentence by sentence and collects a chunk until
it is long enough (`create_instances_from_document`, google-research/bert,
create_pretraining_data.py:214). A walk is slow in a graph. Here every sentence says
what row would begin at it, and where the next row would begin; the rows are then those
whose beginning is really reached from the first sentence of a part. "Really reached"
is found by pointer doubling: about ten gathers instead of thousands of steps.

The pool of "other documents" is the group: some dozens of parts that come together
from the records, in which parts of all documents are mixed.
"""

from typing import Literal, get_args

import tensorflow as tf

from data_pipelines.rows.packing import pack_ranges, pair_room, truncated_lengths
from data_pipelines.tokenizers.vocabulary import Vocabulary

Kind = Literal["next_sentence", "sentence_order", "full_sentences"]

# How often the original draws for a document that is not the own one.
_DRAWS_OF_OTHER_DOCUMENT = 10


def sentence_rows(
    group: dict[str, tf.Tensor],
    seed: tf.Tensor,
    *,
    kind: Kind,
    sequence_length: int,
    vocabulary: Vocabulary,
    short_row_rate: float = 0.1,
) -> dict[str, tf.Tensor]:
    """All rows of a group of parts of documents.

    With the sentences `[1 2] [3] [4 5]` of one document, `[6 7 8]` of another, and
    rows of 8 tokens, so 5 without the special ones, a group

        {"token_ids": [[1, 2, 3, 4, 5], [6, 7, 8]],
         "sentence_lengths": [[2, 1, 2], [3]], "document_id": [40, 50]}

    may become the rows (`next_sentence`)

        CLS 1 2 SEP 3 4 5 SEP       sentence_label 0
        CLS 6 7 8 SEP 4 5 SEP       sentence_label 1

    The kinds:

    * `next_sentence` (BERT): half of the second segments follow the first; the
      other half comes from another document and has the label 1. A chunk of a single
      sentence has nothing to follow and always gets the latter.
    * `sentence_order` (ALBERT): the second segment follows the first; half of the
      rows have the two swapped and the label 1.
    * `full_sentences` (RoBERTa): one segment, as many whole sentences as fit, across
      the ends of parts, which one more `[SEP]` marks. All labels are 0.

    Where the original is silent or wrong, we differ. If 10 draws find no other
    document (all parts of the group are of one), the original calls sentences of the
    same document random; here such a row gets the true next sentences. And a chunk of
    a single sentence that can have no other document (or, with `sentence_order`,
    needs none) is cut into halves; only a single token gives no row.

    Args:
        group: `token_ids` int32 `(parts, (tokens))` ragged, `sentence_lengths` int32
            `(parts, (sentences))` ragged, `document_id` int64 `(parts,)`.
        seed: int32 `(2,)`. The same group and seed give the same rows.
        kind: see above.
        sequence_length: of the rows, special tokens included.
        vocabulary: knows the ids of the special tokens.
        short_row_rate: share of the parts whose rows shall be shorter than they
            could be; the length is then uniform between 2 and the most.

    Returns:
        `token_ids`, `segment_ids`, `padding_mask` `(rows, sequence)` as from
        `packing.pack`, and `sentence_label` int32 `(rows,)`.

    Raises:
        ValueError: an unknown kind, or a length without room for two tokens.
    """
    if kind not in get_args(Kind):
        raise ValueError(
            f"Received the kind of sentence rows {kind!r}, expected one of "
            f"{list(get_args(Kind))}."
        )
    if pair_room(sequence_length, vocabulary) < 2:
        raise ValueError(
            f"Received sequence_length={sequence_length}, expected at least "
            f"{4 + vocabulary.num_separators}: two tokens and the special ones."
        )
    group = {**group, "token_ids": tf.cast(group["token_ids"], tf.int32)}
    if kind == "full_sentences":
        tokens, start, length = _full_sentences(
            group, sequence_length - 2, vocabulary.sep_id
        )
        ranges = [start, length]
        label = tf.zeros_like(start)
    else:
        tokens = group["token_ids"].values
        *ranges, label = _sentence_pairs(
            group,
            seed,
            pair_room(sequence_length, vocabulary),
            kind,
            short_row_rate,
        )
    rows = pack_ranges(
        tokens, *ranges, sequence_length=sequence_length, vocabulary=vocabulary
    )
    return {**rows, "sentence_label": label}


def _sentence_pairs(
    group: dict[str, tf.Tensor],
    seed: tf.Tensor,
    max_tokens: int,
    kind: Kind,
    short_row_rate: float,
) -> tuple[tf.Tensor, ...]:
    """Start and length of the first segments and of the second, and the labels."""
    length_seed, split_seed, other_seed, cut_seed = tf.unstack(
        tf.random.split(seed, 4, alg="philox")
    )
    sentence_lengths = group["sentence_lengths"]
    part_bounds = tf.cast(sentence_lengths.row_splits, tf.int32)  # (parts + 1,)
    part = tf.cast(sentence_lengths.value_rowids(), tf.int32)  # (sentences,)
    # In which token each sentence begins; one more for the end of the last.
    offset = _running_sum(sentence_lengths.values)  # (sentences + 1,)
    num_parts = tf.size(part_bounds) - 1
    num_sentences = tf.size(part)
    part_end = tf.gather(part_bounds, part + 1)  # (sentences,)

    # We usually want full rows. Sometimes we want shorter ones, which are closer to
    # the texts of fine-tuning (the original, create_pretraining_data.py:222).
    shape = [2, num_parts]
    is_short, how_short = tf.unstack(_uniform(shape, length_seed))
    target = tf.where(
        is_short < short_row_rate, 2 + _floor(how_short, max_tokens - 1), max_tokens
    )
    target = tf.gather(target, part)  # (sentences,)

    # The row that would begin at each sentence: its chunk ends before `chunk_end`.
    start = tf.range(num_sentences)
    start_offset = offset[:-1]
    chunk_end = tf.minimum(
        1 + tf.searchsorted(offset[1:], start_offset + target), part_end
    )
    chunk_size = chunk_end - start
    is_single = tf.equal(chunk_size, 1)
    where_to_split, coin = tf.unstack(_uniform([2, num_sentences], split_seed))
    first_size = 1 + tf.where(is_single, 0, _floor(where_to_split, chunk_size - 1))

    if kind == "next_sentence":
        draws, where_to_start = tf.split(
            _uniform([num_sentences, _DRAWS_OF_OTHER_DOCUMENT + 1], other_seed),
            [_DRAWS_OF_OTHER_DOCUMENT, 1],
            axis=1,
        )
        drawn = _floor(draws, num_parts)  # (sentences, draws)
        own = tf.gather(group["document_id"], part)[:, tf.newaxis]
        differs = tf.gather(group["document_id"], drawn) != own
        first_other = tf.argmax(tf.cast(differs, tf.int32), axis=1)
        other_part = tf.gather(drawn, first_other, batch_dims=1)  # (sentences,)
        is_random = (is_single | (coin < 0.5)) & tf.reduce_any(differs, axis=1)
    else:
        is_random = tf.zeros([num_sentences], tf.bool)
    # The sentences that a random second segment replaces are not lost: the next row
    # begins with them.
    following = tf.where(is_random, start + first_size, chunk_end)
    row = _reached(following, part_bounds)  # (rows,)

    def of_rows(values: tf.Tensor) -> tf.Tensor:
        return tf.gather(values, row)

    is_random, target = of_rows(is_random), of_rows(target)
    first_start = of_rows(start_offset)
    first_end = tf.gather(offset, row + of_rows(first_size))
    second_start, second_end = first_end, tf.gather(offset, of_rows(chunk_end))
    # A single sentence that is to be followed by itself: two halves of it.
    middle = first_start + (first_end - first_start) // 2
    is_halved = of_rows(is_single) & ~is_random
    first_end = tf.where(is_halved, middle, first_end)
    second_start = tf.where(is_halved, middle, second_start)

    if kind == "next_sentence":
        other_part = of_rows(other_part)
        other_first = tf.gather(part_bounds, other_part)
        other_end = tf.gather(part_bounds, other_part + 1)
        other_start = other_first + _floor(
            of_rows(where_to_start[:, 0]), other_end - other_first
        )
        other_offset = tf.gather(offset, other_start)
        wanted = tf.maximum(target - (first_end - first_start), 1)
        other_end = tf.minimum(
            1 + tf.searchsorted(offset[1:], other_offset + wanted), other_end
        )
        second_start = tf.where(is_random, other_offset, second_start)
        second_end = tf.where(is_random, tf.gather(offset, other_end), second_end)
        label = tf.cast(is_random, tf.int32)
    else:
        is_swapped = of_rows(coin) < 0.5
        first_start, second_start = (
            tf.where(is_swapped, second_start, first_start),
            tf.where(is_swapped, first_start, second_start),
        )
        first_end, second_end = (
            tf.where(is_swapped, second_end, first_end),
            tf.where(is_swapped, first_end, second_end),
        )
        label = tf.cast(is_swapped, tf.int32)

    segments = tf.stack([first_start, first_end, second_start, second_end])
    is_row = (first_end > first_start) & (second_end > second_start)
    first_start, first_end, second_start, second_end = tf.unstack(
        tf.boolean_mask(segments, is_row, axis=1)
    )
    first_length, second_length = truncated_lengths(
        first_end - first_start, second_end - second_start, max_tokens
    )
    # "We want to sometimes truncate from the front and sometimes from the back to
    # add more randomness and avoid biases." (the original, :428)
    first_cut, second_cut = tf.unstack(tf.random.split(cut_seed, 2, alg="philox"))
    first_start += _heads(first_end - first_start - first_length, first_cut)
    second_start += _heads(second_end - second_start - second_length, second_cut)
    label = tf.boolean_mask(label, is_row)
    return first_start, first_length, second_start, second_length, label


def _full_sentences(
    group: dict[str, tf.Tensor], max_tokens: int, separator_id: int
) -> tuple[tf.Tensor, ...]:
    """The tokens with `[SEP]` after each part, and start and length of the rows."""
    lengths = group["sentence_lengths"].values
    num_parts = tf.size(group["document_id"])
    # A sentence longer than a row is cut, so that every token gets into some row.
    num_pieces = (lengths + max_tokens - 1) // max_tokens
    sentence = tf.repeat(tf.range(tf.size(lengths)), num_pieces)  # (pieces,)
    place = tf.range(tf.size(sentence)) - tf.gather(_running_sum(num_pieces), sentence)
    pieces = tf.minimum(tf.gather(lengths, sentence) - place * max_tokens, max_tokens)
    part = tf.gather(
        tf.cast(group["sentence_lengths"].value_rowids(), tf.int32), sentence
    )
    ends_part = tf.concat([part[1:], [num_parts]], 0) > part  # (pieces,)

    separator = tf.fill([num_parts, 1], separator_id)
    tokens = tf.concat([group["token_ids"], separator], axis=1).values
    separators = tf.cast(ends_part, tf.int32)
    offset = _running_sum(pieces + separators)  # (pieces + 1,)
    # The [SEP] after a part needs no place if the row ends there: it has its own.
    end = offset[1:] - separators  # (pieces,)
    following = tf.searchsorted(end, offset[:-1] + max_tokens, side="right")
    row = _reached(following, tf.stack([0, tf.size(pieces)]))
    start = tf.gather(offset, row)
    return tokens, start, tf.gather(end, tf.gather(following, row) - 1) - start


def _reached(following: tf.Tensor, part_bounds: tf.Tensor) -> tf.Tensor:
    """The places that are reached from the first of each part, ascending.

    Args:
        following: int32 `(places,)`, for each place the next one, or the first of
            the next part.
        part_bounds: int32 `(parts + 1,)`, the first place of each part, and the
            number of places.

    Returns:
        int32 `(reached,)`.
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
    # Before each turn `jump` is `width` steps and `reached` knows of all places fewer
    # than `width` steps away. No walk has more steps than its part has places.
    _, _, reached = tf.while_loop(
        lambda width, *_: width <= longest,
        double,
        (tf.constant(1), following, tf.maximum(is_first, 0)),
    )
    return tf.cast(tf.where(reached[:-1] > 0)[:, 0], tf.int32)


def _heads(number: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """How many of `number` (rows,) tossed coins show heads, each with p = 0.5.

    Counted in random bits: unlike `tf.random.stateless_binomial` it needs no
    logarithms, whose last bits differ between machines.
    """
    width = 30  # Bits of an int32 that are used at a time; 1 << 30 is no overflow.
    num_words = 1 + tf.reduce_max(tf.concat([number, [0]], 0)) // width
    bits = tf.random.stateless_uniform(
        [tf.size(number), num_words], seed, None, None, tf.int32, alg="philox"
    )
    left = number[:, tf.newaxis] - width * tf.range(num_words)
    tossed = tf.bitwise.left_shift(1, tf.clip_by_value(left, 0, width)) - 1
    heads = tf.raw_ops.PopulationCount(x=tf.bitwise.bitwise_and(bits, tossed))
    return tf.reduce_sum(tf.cast(heads, tf.int32), axis=1)


def _running_sum(values: tf.Tensor) -> tf.Tensor:
    return tf.concat([[0], tf.cumsum(values)], 0)


def _uniform(shape: list, seed: tf.Tensor) -> tf.Tensor:
    # The algorithm is named, because the automatic choice depends on the device.
    return tf.random.stateless_uniform(shape, seed, alg="philox")


def _floor(uniform: tf.Tensor, number: tf.Tensor | int) -> tf.Tensor:
    """Uniform numbers in [0, 1) as whole numbers in [0, number)."""
    return tf.cast(uniform * tf.cast(number, tf.float32), tf.int32)
