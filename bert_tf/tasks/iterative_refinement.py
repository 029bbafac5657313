"""Iterative refinement (GECToR): corrects corrected texts again, and trains for it."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import tensorflow as tf

from bert_tf.tasks.edits import Edits, apply, confident
from bert_tf.tasks.piece_edits import edits_of_pieces
from data_pipelines.datasets.examples import CorrectionExample
from data_pipelines.finetuning.correction import CorrectionEncoding
from data_pipelines.finetuning.encoding import chunks_of, encoder_of
from data_pipelines.rows.features import Features
from data_pipelines.tokenizers.wordpiece import WordPieceTokenizer

# The number of iterations after which GECToR gains little.
NUM_ITERATIONS = 3

# The number of bits for a byte offset in a text.
_PLACE_BITS = 32


def refine(
    first: Edits,
    correct: Callable[[dict[str, tf.Tensor]], Edits],
    threshold: float | None,
) -> tuple[tf.Tensor, Edits]:
    """Corrects corrected texts again, until nothing changes or the third iteration.

    Args:
        first: the edits of the first iteration.
        correct: computes edits from the column `text`, string (texts,), which may be
            empty.
        threshold: the minimum probability of an edit. None: one iteration with all
            edits, from which a threshold can be chosen.

    Returns:
        The corrected texts, string (texts,), and the edits that produce them.
    """
    edits = confident(first, threshold)
    corrected = apply(edits)
    if threshold is None:
        return corrected, edits
    before = first.texts
    for _ in range(NUM_ITERATIONS - 1):
        changed = tf.where(corrected != before)[:, 0]
        texts = {"text": tf.gather(corrected, changed)}
        again = confident(correct(texts), threshold)
        again = again._replace(texts=corrected, owner=tf.gather(changed, again.owner))
        before, corrected = corrected, apply(again)
        edits = _composed(edits, again, corrected)
    return corrected, edits


def with_iterations(
    encoding: CorrectionEncoding,
    examples: Sequence[CorrectionExample],
    num_iterations: int = NUM_ITERATIONS,
) -> list[CorrectionExample]:
    """Adds the partly corrected texts of later iterations to the training examples.

    A model that corrects its own corrections meets partly corrected texts. They are
    computed from the gold tags by the functions that correct: `He gone his house`, with
    the correction `He has been gone to the house`, is followed by `He has gone the
    house`, the result of a first iteration.

    Args:
        encoding: the encoding of the examples.
        examples: examples with corrections, of which the first is used.
        num_iterations: see `refine`.
    """
    encode = encoder_of(encoding)
    found = list(examples)
    unfinished = [e for e in examples if e.text != e.corrected[0]]
    for _ in range(num_iterations - 1):
        unfinished = list(_after_an_iteration(encode, encoding.tokenizer, unfinished))
        found += unfinished
    return found


def _after_an_iteration(
    encode: Callable[[Sequence[Any]], tuple[Features, Features]],
    tokenizer: WordPieceTokenizer,
    examples: Sequence[CorrectionExample],
) -> Iterator[CorrectionExample]:
    """Yields the texts after the gold tags are applied, if they are not yet correct."""
    for chunk in chunks_of(examples):
        features, origin = encode(chunk)
        is_asked = features["is_asked"] == 1
        decoded = {
            name: tf.ragged.boolean_mask(features[name], is_asked)
            for name in ("tags", "written")
        }
        certain = tf.ones_like(decoded["tags"], tf.float32)
        edits = edits_of_pieces(
            {**decoded, "probabilities": certain}, origin, tokenizer
        )
        texts = apply(edits)
        goals = [example.corrected[0] for example in chunk]
        pieces = [tokenizer.tokenize(some).to_list() for some in (texts, goals)]
        for example, text, own, goal in zip(chunk, texts.numpy(), *pieces, strict=True):
            reached = text.decode("utf-8", "replace")
            if own != goal and reached not in (example.text, ""):
                yield CorrectionExample(example.id, reached, example.corrected)


def _composed(first: Edits, second: Edits, corrected: tf.Tensor) -> Edits:
    """Composes edits with edits of the resulting texts, as edits of the first texts.

    The second edits result in `corrected`, string (texts,).
    """
    # All offsets are in the intermediate texts.
    grown = tf.strings.length(first.replacements) - (first.ends - first.starts)
    shift = _sums_before(grown, first.owner, tf.size(first.texts))
    starts = tf.concat([first.starts + shift, second.starts], 0)
    ends = tf.concat([first.ends + shift + grown, second.ends], 0)
    owner = tf.concat([first.owner, second.owner], 0)
    number, count = _touching(owner, starts, ends)
    owner = tf.math.unsorted_segment_max(owner, number, count)
    starts = tf.math.unsorted_segment_min(starts, number, count)
    ends = tf.math.unsorted_segment_max(ends, number, count)
    probabilities = tf.concat([first.probabilities, second.probabilities], 0)

    # The growth of each group by the first and by the second edits.
    size = tf.size(grown)
    by_first = tf.math.unsorted_segment_sum(grown, number[:size], count)
    grown = tf.strings.length(second.replacements) - (second.ends - second.starts)
    by_second = tf.math.unsorted_segment_sum(grown, number[size:], count)
    num_texts = tf.size(first.texts)
    back = _sums_before(by_first, owner, num_texts)
    forth = _sums_before(by_second, owner, num_texts)
    replacements = tf.strings.substr(
        tf.gather(corrected, owner), starts + forth, ends - starts + by_second
    )
    edits = Edits(
        first.texts,
        owner,
        starts - back,
        ends - back - by_first,
        replacements,
        tf.math.unsorted_segment_min(probabilities, number, count),
    )
    return edits.where(edits.originals != replacements)


def _touching(
    owner: tf.Tensor, starts: tf.Tensor, ends: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """The group number of each span, where touching spans form a group."""
    count = tf.size(owner)
    text = tf.bitwise.left_shift(owner, tf.constant(_PLACE_BITS, tf.int64))
    places = tf.concat([text + tf.cast(p, tf.int64) for p in (starts, ends)], 0)
    is_end = tf.cast(tf.range(2 * count) >= count, tf.int64)
    # A start sorts before an end at the same offset, so that such spans touch.
    order = tf.argsort(2 * places + is_end, stable=True)
    depth = tf.cumsum(1 - 2 * tf.gather(is_end, order))
    opens = (depth == 1) & (tf.gather(is_end, order) == 0)
    numbers = tf.cumsum(tf.cast(opens, tf.int32)) - 1
    number = tf.gather(numbers, tf.argsort(order))[:count]
    return number, tf.reduce_sum(tf.cast(opens, tf.int32))


def _sums_before(values: tf.Tensor, owner: tf.Tensor, count: tf.Tensor) -> tf.Tensor:
    """The sum of the values before each one in its text; owners must ascend."""
    before = tf.cumsum(values, exclusive=True)
    totals = tf.math.unsorted_segment_sum(values, owner, count)
    return before - tf.gather(tf.cumsum(totals, exclusive=True), owner)
