"""Edits of texts, in graph: joining, filtering, applying, and conversion to answers.

Text outside the edits is unchanged to the byte, including capitals, accents and spaces
that the vocabulary does not represent.
"""

from typing import Any, NamedTuple

import tensorflow as tf

from bert_tf.tasks.endpoints import characters_before


class Edits(NamedTuple):
    """Edits of several texts.

    Attributes:
        texts: string (texts,), before the edits.
        owner: int64 (edits,), the index of the text; ascending.
        starts, ends: int32 (edits,), byte offsets in the text; ascending within a text,
            without overlaps.
        replacements: string (edits,), the new text between them.
        probabilities: float32 (edits,), the minimum over the parts of an edit.
    """

    texts: tf.Tensor
    owner: tf.Tensor
    starts: tf.Tensor
    ends: tf.Tensor
    replacements: tf.Tensor
    probabilities: tf.Tensor

    def where(self, kept: tf.Tensor) -> "Edits":
        """The edits for which `kept`, bool (edits,), is true."""
        return Edits(self.texts, *(tf.boolean_mask(v, kept) for v in self[1:]))

    @property
    def originals(self) -> tf.Tensor:
        """The old text between start and end, string (edits,)."""
        return tf.strings.substr(
            tf.gather(self.texts, self.owner), self.starts, self.ends - self.starts
        )


def joined(parts: Edits) -> Edits:
    """Joins adjacent edits, and drops those that change nothing.

    The ends of `parts` must ascend, too.
    """
    begins = differs_from_before(parts.owner)
    begins |= parts.starts > tf.roll(parts.ends, 1, 0)
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
    """The edits with at least the probability `threshold`; None: all."""
    return edits if threshold is None else edits.where(edits.probabilities >= threshold)


def apply(edits: Edits) -> tf.Tensor:
    """Applies the edits to their texts, string (texts,)."""
    count = tf.size(edits.texts)
    is_first = differs_from_before(edits.owner)
    end_before = tf.where(is_first, 0, tf.roll(edits.ends, 1, 0))
    kept = tf.strings.substr(
        tf.gather(edits.texts, edits.owner), end_before, edits.starts - end_before
    )
    parts = tf.strings.join([kept, edits.replacements])
    changed = tf.strings.unsorted_segment_join(parts, edits.owner, count)
    last = tf.maximum(tf.math.unsorted_segment_max(edits.ends, edits.owner, count), 0)
    rest = tf.strings.length(edits.texts) - last
    return tf.strings.join([changed, tf.strings.substr(edits.texts, last, rest)])


def edit_tensors(corrected: tf.Tensor, edits: Edits) -> dict[str, Any]:
    """The corrected texts and their edits as tensors.

    Returns:
        `corrected` string (texts,), and ragged (texts, (edits)): `originals` and
        `replacements` string; int32 `edit_starts` and `edit_ends`, byte offsets;
        `edit_first_characters` and `edit_last_characters`, the last exclusive; float32
        `edit_probabilities`.
    """
    texts = tf.gather(edits.texts, edits.owner)
    found = {
        "originals": edits.originals,
        "replacements": edits.replacements,
        "edit_starts": edits.starts,
        "edit_ends": edits.ends,
        "edit_first_characters": characters_before(texts, edits.starts),
        "edit_last_characters": characters_before(texts, edits.ends),
        "edit_probabilities": edits.probabilities,
    }
    return {"corrected": corrected, **by_text(found, edits.owner, edits.texts)}


def by_text(
    found: dict[str, tf.Tensor], owner: tf.Tensor, texts: tf.Tensor
) -> dict[str, tf.RaggedTensor]:
    """Groups values by the texts that own them; the owners must ascend."""
    rows = tf.size(texts, owner.dtype)
    return {
        name: tf.RaggedTensor.from_value_rowids(values, owner, nrows=rows)
        for name, values in found.items()
    }


def differs_from_before(values: tf.Tensor) -> tf.Tensor:
    """Marks values that differ from the one before, and the first, bool (places,)."""
    return tf.concat([[True], values[1:] != values[:-1]], 0)[: tf.size(values)]
