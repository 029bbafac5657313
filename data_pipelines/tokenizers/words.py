"""Running text to the words that a tagger reads."""

import tensorflow as tf
import tensorflow_text as text

_SPACE = r"[\s\p{Z}]+"
# A word of its own wherever it stands, or where the word begins or ends with it.
_ALWAYS = r"[()\[\]{}<>\"“”„«»‹›…!?;。、，！？；：]"
_MARKS = rf"{_ALWAYS}|^['’‘]|[,:]$|\.$"
# A full stop after four letters or more ends a sentence, else an abbreviation.
_SENTENCE_END = r"[^.]{4,}\."


def split_words(
    texts: tf.Tensor,
) -> tuple[tf.RaggedTensor, tf.RaggedTensor, tf.RaggedTensor]:
    """Cuts at white space, and marks off their words; in graph.

    `"Mr. Hu (62), of Paris."` becomes `Mr. Hu ( 62 ) , of Paris .`, as the data for
    taggers has it. A text of words with spaces between them, `"of Paris ."`, stays as
    it is.

    Args:
        texts: string `(texts,)`, UTF-8.

    Returns:
        Three ragged `(texts, (words))`: string, the words; int32, the bytes at which
        they begin and end in their text.
    """
    with tf.device("CPU"):
        # The op drops what follows a NUL: another control is as little of a word.
        texts = tf.strings.regex_replace(texts, r"\x00", "\x01")
        rough, starts, _ = text.regex_split_with_offsets(texts, _SPACE)
        words = rough.values
        # A stop that stays is hidden from the pattern by a letter as long as it.
        stays = ~tf.strings.regex_full_match(words, _SENTENCE_END)
        stays &= tf.strings.length(words) > 1
        hidden = tf.where(stays, tf.strings.regex_replace(words, r"\.$", "x"), words)
        _, firsts, lasts = text.regex_split_with_offsets(hidden, _MARKS, _MARKS)
        # The place of each word in the rough one.
        owner = firsts.value_rowids()
        first, last, begin = (
            tf.cast(places, tf.int32)
            for places in (firsts.values, lasts.values, tf.gather(starts.values, owner))
        )
        fine = tf.strings.substr(tf.gather(words, owner), first, last - first)
        counts = tf.RaggedTensor.from_row_splits(
            firsts.row_lengths(), rough.row_splits, validate=False
        )
        lengths = tf.reduce_sum(counts, axis=1)
        return tuple(
            tf.RaggedTensor.from_row_lengths(values, lengths, validate=False)
            for values in (fine, begin + first, begin + last)
        )
