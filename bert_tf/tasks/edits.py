"""Edits of texts, in graph: joined, applied, and of several passes.

What no edit touches stays as it is, to the byte: capitals, accents and spaces, also
those that the vocabulary does not know.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import tensorflow as tf

# As often as GECToR looks at its own corrections, for most of what it gains by that.
NUM_PASSES = 3

# So many bits hold a place in a text.
_PLACE_BITS = 32


class Edits(NamedTuple):
    """What is changed in some texts.

    Attributes:
        texts: string (texts,), before the changes.
        owner: int64 (edits,), the place of the text; ascending.
        starts, ends: int32 (edits,), bytes of the text; ascending in each, and no two
            overlap.
        replacements: string (edits,), what stands between them afterwards.
        probabilities: float32 (edits,), the least of all that an edit is made of.
    """

    texts: tf.Tensor
    owner: tf.Tensor
    starts: tf.Tensor
    ends: tf.Tensor
    replacements: tf.Tensor
    probabilities: tf.Tensor

    def where(self, kept: tf.Tensor) -> "Edits":
        """Those for which `kept`, bool (edits,), says so."""
        return Edits(self.texts, *(tf.boolean_mask(v, kept) for v in self[1:]))

    @property
    def originals(self) -> tf.Tensor:
        """String (edits,): what stands between start and end before."""
        return tf.strings.substr(
            tf.gather(self.texts, self.owner), self.starts, self.ends - self.starts
        )

    @classmethod
    def none(cls, texts: tf.Tensor) -> "Edits":
        """No edit of these texts."""
        places = tf.zeros([0], tf.int32)
        return cls(
            texts,
            tf.zeros([0], tf.int64),
            places,
            places,
            tf.zeros([0], tf.string),
            tf.zeros([0], tf.float32),
        )


def joined(parts: Edits) -> Edits:
    """Edits that touch one another as one, without those that change nothing.

    Args:
        parts: in order; the ends ascend, too.
    """
    is_first = _differs_from_before(parts.owner)
    begins = is_first | (parts.starts > tf.roll(parts.ends, 1, 0))
    number = tf.cumsum(tf.cast(begins, tf.int32)) - 1
    count = tf.reduce_sum(tf.cast(begins, tf.int32))
    edits = Edits(
        parts.texts,
        tf.boolean_mask(parts.owner, begins),
        tf.math.unsorted_segment_min(parts.starts, number, count),
        tf.math.unsorted_segment_max(parts.ends, number, count),
        tf.strings.unsorted_segment_join(parts.replacements, number, count),
        tf.math.unsorted_segment_min(parts.probabilities, number, count),
    )
    return edits.where(edits.originals != edits.replacements)


def confident(edits: Edits, threshold: float | None) -> Edits:
    """Those that are at least so probable; None: all."""
    return edits if threshold is None else edits.where(edits.probabilities >= threshold)


def apply(edits: Edits) -> tf.Tensor:
    """The texts with their edits, string (texts,)."""
    count = tf.size(edits.texts)
    is_first = _differs_from_before(edits.owner)
    end_before = tf.where(is_first, 0, tf.roll(edits.ends, 1, 0))
    kept = tf.strings.substr(
        tf.gather(edits.texts, edits.owner), end_before, edits.starts - end_before
    )
    parts = tf.strings.join([kept, edits.replacements])
    changed = tf.strings.unsorted_segment_join(parts, edits.owner, count)
    last = tf.maximum(tf.math.unsorted_segment_max(edits.ends, edits.owner, count), 0)
    rest = tf.strings.length(edits.texts) - last
    return tf.strings.join([changed, tf.strings.substr(edits.texts, last, rest)])


def in_passes(
    first: Edits, correct: Callable[[tf.Tensor], Edits], threshold: float | None
) -> tuple[tf.Tensor, Edits]:
    """Corrects what was corrected, until nothing changes or it was seen three times.

    Args:
        first: edits of the first pass.
        correct: from string (texts,), perhaps none, to their edits.
        threshold: of the probability of an edit. None: one pass, with all edits, of
            which a threshold can be chosen.

    Returns:
        String (texts,), the corrected texts, and the edits that lead there.
    """
    edits = confident(first, threshold)
    corrected = apply(edits)
    if threshold is None:
        return corrected, edits
    before = first.texts
    for _ in range(NUM_PASSES - 1):
        changed = tf.where(corrected != before)[:, 0]
        again = confident(correct(tf.gather(corrected, changed)), threshold)
        again = again._replace(texts=corrected, owner=tf.gather(changed, again.owner))
        before, corrected = corrected, apply(again)
        edits = _one_after_another(edits, again, corrected)
    return corrected, edits


def edit_tensors(corrected: tf.Tensor, edits: Edits) -> dict[str, Any]:
    """What a model answers of each text.

    Returns:
        `corrected` string (texts,), and ragged (texts, (edits)): `originals` and
        `replacements` string; int32 `edit_starts` and `edit_ends`, bytes of the text;
        `edit_first_characters` and `edit_last_characters`, the last exclusive; float32
        `edit_probabilities`.
    """
    texts = tf.gather(edits.texts, edits.owner)

    def characters(place: tf.Tensor) -> tf.Tensor:
        beginnings = tf.strings.substr(texts, tf.zeros_like(place), place)
        return tf.strings.length(beginnings, unit="UTF8_CHAR")

    found = {
        "originals": edits.originals,
        "replacements": edits.replacements,
        "edit_starts": edits.starts,
        "edit_ends": edits.ends,
        "edit_first_characters": characters(edits.starts),
        "edit_last_characters": characters(edits.ends),
        "edit_probabilities": edits.probabilities,
    }
    rows = tf.size(edits.texts, tf.int64)
    return {
        "corrected": corrected,
        **{
            name: tf.RaggedTensor.from_value_rowids(values, edits.owner, nrows=rows)
            for name, values in found.items()
        },
    }


def _one_after_another(first: Edits, second: Edits, corrected: tf.Tensor) -> Edits:
    """Edits of texts, then of what came of them, as edits of the former.

    Args:
        first: of the texts.
        second: of the texts that `first` gives.
        corrected: string (texts,), the texts that `second` gives.
    """
    # All in places of the texts in the middle.
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

    # By how much each has grown, in the first pass and in the second.
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
    """Of each span the number of those that touch, in the order of the texts."""
    count = tf.size(owner)
    text = tf.bitwise.left_shift(owner, tf.constant(_PLACE_BITS, tf.int64))
    places = tf.concat([text + tf.cast(p, tf.int64) for p in (starts, ends)], 0)
    is_end = tf.cast(tf.range(2 * count) >= count, tf.int64)
    # Where one begins as another ends, the beginning comes first: they touch.
    order = tf.argsort(2 * places + is_end, stable=True)
    depth = tf.cumsum(1 - 2 * tf.gather(is_end, order))
    opens = (depth == 1) & (tf.gather(is_end, order) == 0)
    numbers = tf.cumsum(tf.cast(opens, tf.int32)) - 1
    number = tf.gather(numbers, tf.argsort(order))[:count]
    return number, tf.reduce_sum(tf.cast(opens, tf.int32))


def _sums_before(values: tf.Tensor, owner: tf.Tensor, count: tf.Tensor) -> tf.Tensor:
    """Of each value, the sum of those before it in its text; owners ascend."""
    before = tf.cumsum(values, exclusive=True)
    totals = tf.math.unsorted_segment_sum(values, owner, count)
    return before - tf.gather(tf.cumsum(totals, exclusive=True), owner)


def _differs_from_before(values: tf.Tensor) -> tf.Tensor:
    return tf.concat([[True], values[1:] != values[:-1]], 0)[: tf.size(values)]
