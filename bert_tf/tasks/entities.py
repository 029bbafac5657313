"""Tags of words to entities, in graph, as `bert_tf.metrics.entities` finds them."""

import tensorflow as tf


def entity_tensors(
    texts: tf.Tensor,
    tagged: dict[str, tf.RaggedTensor],
    word_starts: tf.RaggedTensor,
    word_ends: tf.RaggedTensor,
) -> dict[str, tf.RaggedTensor]:
    """The entities of IOB2 tags; an `I-` that continues none of its type begins one.

    Args:
        texts: string (texts,).
        tagged: `tags` string and `probabilities` float32 (texts, (words)).
        word_starts, word_ends: int32 (texts, (words)), bytes of the text.

    Returns:
        Ragged (texts, (entities)): `entities` and `entity_types` string; int32
        `entity_starts` and `entity_ends`, bytes; int32 `entity_first_characters` and
        `entity_last_characters`, the last exclusive; float32 `entity_probabilities`,
        the means of the words'.
    """
    tags = tagged["tags"].values
    text = tagged["tags"].value_rowids()
    prefix = tf.strings.substr(tags, 0, 1)
    kind = tf.strings.regex_replace(tags, "^[BI]-", "")
    inside = prefix != "O"
    # The word before, if it is of the same text.
    follows = tf.concat([[False], text[1:] == text[:-1]], 0)[: tf.size(tags)]
    before = tf.concat([[""], kind[:-1]], 0)[: tf.size(tags)]
    continues = follows & inside & (prefix == "I") & (kind == before)
    continues &= tf.concat([[False], inside[:-1]], 0)[: tf.size(tags)]
    begins = inside & ~continues

    # Of each word in an entity, the number of the entity.
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
    first = tf.strings.length(
        tf.strings.substr(owners, tf.zeros_like(starts), starts), unit="UTF8_CHAR"
    )
    found = {
        "entities": entities,
        "entity_types": tf.boolean_mask(kind, begins),
        "entity_starts": starts,
        "entity_ends": ends,
        "entity_first_characters": first,
        "entity_last_characters": first + tf.strings.length(entities, unit="UTF8_CHAR"),
        "entity_probabilities": probabilities,
    }
    rows = tf.size(texts, owner.dtype)
    return {
        name: tf.RaggedTensor.from_value_rowids(values, owner, nrows=rows)
        for name, values in found.items()
    }
