"""Finds entities in tags of words, in graph, like `bert_tf.metrics.entities`."""

import tensorflow as tf

from bert_tf.tasks.edits import by_text, differs_from_before
from bert_tf.tasks.endpoints import characters_before


def entity_tensors(
    texts: tf.Tensor,
    tagged: dict[str, tf.RaggedTensor],
    word_starts: tf.RaggedTensor,
    word_ends: tf.RaggedTensor,
) -> dict[str, tf.RaggedTensor]:
    """Finds the entities of IOB2 tags.

    An `I-` that does not continue an entity of its type begins one.

    Args:
        texts: string (texts,).
        tagged: `tags` string and `probabilities` float32 (texts, (words)).
        word_starts, word_ends: int32 (texts, (words)), byte offsets in the text.

    Returns:
        Ragged (texts, (entities)): `entities` and `entity_types` string; int32
        `entity_starts` and `entity_ends`, byte offsets; int32 `entity_first_characters`
        and `entity_last_characters`, the last exclusive; float32
        `entity_probabilities`, the mean over the words.
    """
    tags = tagged["tags"].values
    text = tagged["tags"].value_rowids()
    prefix = tf.strings.substr(tags, 0, 1)
    kind = tf.strings.regex_replace(tags, "^[BI]-", "")
    inside = prefix != "O"
    # The word before is in the same text, and in an entity of the same type.
    continues = ~differs_from_before(text) & ~differs_from_before(kind)
    continues &= (prefix == "I") & tf.roll(inside, 1, 0)
    begins = inside & ~continues

    # The number of the entity of each word that is in one.
    number = tf.boolean_mask(tf.cumsum(tf.cast(begins, tf.int32)) - 1, inside)
    count = tf.reduce_sum(tf.cast(begins, tf.int32))
    owner = tf.boolean_mask(text, begins)
    starts = tf.boolean_mask(word_starts.values, begins)
    ends = tf.math.unsorted_segment_max(
        tf.boolean_mask(word_ends.values, inside), number, count
    )
    probabilities = tf.math.unsorted_segment_mean(
        tf.boolean_mask(tagged["probabilities"].values, inside), number, count
    )
    owners = tf.gather(texts, owner)
    entities = tf.strings.substr(owners, starts, ends - starts)
    found = {
        "entities": entities,
        "entity_types": tf.boolean_mask(kind, begins),
        "entity_starts": starts,
        "entity_ends": ends,
        "entity_first_characters": characters_before(owners, starts),
        "entity_last_characters": characters_before(owners, ends),
        "entity_probabilities": probabilities,
    }
    return by_text(found, owner, texts)
