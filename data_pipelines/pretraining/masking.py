"""Masking for language models: chooses tokens to predict, and replaces them."""

from typing import get_args

import tensorflow as tf

from data_pipelines.pretraining.randomness import split, uniform
from data_pipelines.pretraining.row_options import Masking, RowOptions, Unmasked
from data_pipelines.tokenizers.vocabulary import Vocabulary

# Parameter of the geometric distribution of span lengths: 5 words on average (Joshi et
# al., SpanBERT, 2020, section 3.1).
_SPAN_END_RATE = 0.2


def mask_tokens(
    token_ids: tf.Tensor,
    padding_mask: tf.Tensor,
    seed: tf.Tensor,
    vocabulary: Vocabulary,
    options: RowOptions,
) -> dict[str, tf.Tensor]:
    """Masks some tokens of each row.

    The row `CLS the cat sat SEP PAD`, with at most two predictions, may become

        token_ids       CLS  the  MASK  sat  SEP  PAD
        mlm_positions     2    0
        mlm_ids         cat  PAD
        mlm_weights       1    0

    `round(real tokens * mlm_rate)` tokens of a row are chosen, at least one and at most
    `max_predictions`; special tokens count, but are never chosen. Tokens are chosen in
    *units*, in random order; a unit that would exceed the number is skipped, as in the
    original (create_pretraining_data.py:342). A unit is

    * `token`: one token;
    * `whole_word`: a token and the continuations after it, see
      `Vocabulary.continues`;
    * `span`: several consecutive words; after each word the span ends with a
      probability of 0.2. Long spans fit less often, so the chosen spans are shorter on
      average.

    Two more values of `masking` mask nothing and use no rate: every token but the first
    of a row is predicted by a model that does not see it,

    * `next_token`: at the position before it, by a model that does not look ahead
      (Radford et al. 2018, section 3.1);
    * `every_token`: at its own position (but not the last), by a model that looks ahead
      and back separately (Peters et al. 2018, section 3.1).

    A chosen token becomes `[MASK]` with probability `mask_rate`, a uniformly random
    token with probability `random_rate`, and is unchanged otherwise; this is decided
    per token, with `span` per span. If both rates are 0, all tokens stay visible.

    Args:
        token_ids: int32 `(rows, sequence)`.
        padding_mask: bool `(rows, sequence)`, True = real token.
        seed: int32 `(2,)`. The same rows and seed give the same masks.
        vocabulary: vocabulary of the ids.
        options: `masking` and the rates, see above, and `max_predictions`.

    Returns:
        `token_ids`, masked, of the same shape; `mlm_positions` int32, `mlm_ids` int32
        and `mlm_weights` float32 `(rows, predictions)`, with ascending positions,
        padded with 0.
    """
    masking, max_predictions = options.masking, options.max_predictions
    if masking in get_args(Unmasked):
        return _unmasked(token_ids, padding_mask, vocabulary, options)
    unit_seed, order_seed, what_seed, random_seed = split(seed, 4)
    num_tokens = tf.reduce_sum(tf.cast(padding_mask, tf.int32), axis=1)
    # In 64 bits and half to even, like `round` of Python in the original.
    number = tf.round(tf.cast(num_tokens, tf.float64) * options.mlm_rate)
    number = tf.clip_by_value(tf.cast(number, tf.int32), 1, max_predictions)

    may_be_chosen = padding_mask
    for special_id in (vocabulary.cls_id, vocabulary.sep_id, vocabulary.pad_id):
        may_be_chosen &= tf.not_equal(token_ids, special_id)
    opens = _opens_unit(token_ids, may_be_chosen, unit_seed, vocabulary, masking)
    is_chosen, unit = _choose(may_be_chosen, opens, number, order_seed, masking)

    what = uniform(tf.shape(token_ids), what_seed)
    if masking == "span":
        what = tf.gather(what, unit, batch_dims=1)
    random_ids = tf.random.stateless_uniform(
        tf.shape(token_ids), random_seed, 0, len(vocabulary), tf.int32, alg="philox"
    )
    mask_rate, random_rate = options.mask_rate, options.random_rate
    replaced = tf.where(what < mask_rate + random_rate, random_ids, token_ids)
    replaced = tf.where(what < mask_rate, vocabulary.mask_id, replaced)
    return {
        "token_ids": tf.where(is_chosen, replaced, token_ids),
        **_labels(token_ids, is_chosen, max_predictions, vocabulary.pad_id),
    }


def _labels(
    token_ids: tf.Tensor, is_chosen: tf.Tensor, max_predictions: int, pad_id: int
) -> dict[str, tf.Tensor]:
    sequence_length = tf.shape(token_ids)[1]
    # The largest distances from the end are the first positions, in order. Rows shorter
    # than the number of predictions are padded with distances of 0.
    distance = tf.where(is_chosen, sequence_length - tf.range(sequence_length), 0)
    distance = tf.pad(distance, [[0, 0], [0, max_predictions]])
    distance, _ = tf.math.top_k(distance, max_predictions)  # (rows, predictions)
    is_used = distance > 0
    positions = tf.where(is_used, sequence_length - distance, 0)
    original = tf.gather(token_ids, positions, batch_dims=1)
    return {
        "mlm_positions": positions,
        "mlm_ids": tf.where(is_used, original, pad_id),
        "mlm_weights": tf.cast(is_used, tf.float32),
    }


def _unmasked(
    token_ids: tf.Tensor,
    padding_mask: tf.Tensor,
    vocabulary: Vocabulary,
    options: RowOptions,
) -> dict[str, tf.Tensor]:
    is_asked = padding_mask & (tf.range(tf.shape(token_ids)[1]) > 0)
    if options.masking == "every_token":
        # Nothing follows the last token.
        is_asked &= tf.pad(padding_mask[:, 1:], [[0, 0], [0, 1]])
    labels = _labels(token_ids, is_asked, options.max_predictions, vocabulary.pad_id)
    if options.masking == "next_token":
        labels["mlm_positions"] = tf.maximum(labels["mlm_positions"] - 1, 0)
    return {"token_ids": token_ids, **labels}


def _opens_unit(
    token_ids: tf.Tensor,
    may_be_chosen: tf.Tensor,
    seed: tf.Tensor,
    vocabulary: Vocabulary,
    masking: Masking,
) -> tf.Tensor:
    """Returns bool `(rows, sequence)`, True where a unit begins."""
    if masking == "token":
        return may_be_chosen
    continues = tf.constant(vocabulary.continues)
    after_chosable = tf.pad(may_be_chosen[:, :-1], [[0, 0], [1, 0]])
    # The first token of a segment begins a unit, even if it continues a cut word.
    opens_word = ~tf.gather(continues, token_ids) | ~after_chosable
    if masking == "span":
        ends = uniform(tf.shape(token_ids), seed)
        opens_word &= (ends < _SPAN_END_RATE) | ~after_chosable
    return may_be_chosen & opens_word


def _choose(
    may_be_chosen: tf.Tensor,
    opens: tf.Tensor,
    number: tf.Tensor,
    seed: tf.Tensor,
    masking: Masking,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Chooses units in random order until `number` tokens are chosen.

    Returns:
        The chosen tokens, bool `(rows, sequence)`, and the index of the unit of each
        token in its row, int32 `(rows, sequence)`.
    """
    shape = tf.shape(opens)
    num_rows, sequence_length = shape[0], shape[1]
    opens = tf.cast(opens, tf.int32)
    unit = tf.maximum(tf.cumsum(opens, axis=1) - 1, 0)  # (rows, sequence)
    num_units = tf.reduce_sum(opens, axis=1, keepdims=True)
    score = uniform(shape, seed)
    score = tf.where(tf.range(sequence_length) < num_units, score, -1.0)

    first_of_row = sequence_length * tf.range(num_rows)[:, tf.newaxis]
    if masking == "token":
        # All units have size 1, so the first ones of the order are chosen.
        score, order = tf.math.top_k(
            score,
            tf.minimum(tf.reduce_max(tf.concat([number, [1]], 0)), sequence_length),
        )
        rank = tf.range(tf.shape(order)[1])
        is_taken = (score >= 0) & (rank < number[:, tf.newaxis])
    else:
        score, order = tf.math.top_k(score, sequence_length)  # (rows, units)
        size = tf.math.unsorted_segment_sum(
            tf.reshape(tf.cast(may_be_chosen, tf.int32), [-1]),
            tf.reshape(first_of_row + unit, [-1]),
            num_rows * sequence_length,
        )
        size = tf.gather(tf.reshape(size, shape), order, batch_dims=1)
        # The number of tokens left to choose after each unit.
        left = tf.scan(
            lambda left, unit: tf.where(unit <= left, left - unit, left),
            tf.transpose(size),
            number,
        )  # (units, rows)
        before = tf.concat([number[tf.newaxis, :], left[:-1]], 0)
        is_taken = tf.transpose(before > left)
    # Map from the random order of units back to the order in the row.
    is_unit_taken = tf.math.unsorted_segment_max(
        tf.reshape(tf.cast(is_taken, tf.int32), [-1]),
        tf.reshape(first_of_row + order, [-1]),
        num_rows * sequence_length,
    )
    is_unit_taken = tf.reshape(is_unit_taken, shape) > 0
    return may_be_chosen & tf.gather(is_unit_taken, unit, batch_dims=1), unit
