"""Counts the words of a corpus as split by the tokenizer."""

import functools
from collections import Counter
from collections.abc import Callable

import tensorflow as tf

from data_pipelines.corpus import documents as corpus
from data_pipelines.corpus.chunks import batches_of_text
from data_pipelines.corpus.layout import Layout
from data_pipelines.tokenizers.normalization import normalize, separate_words
from data_pipelines.tokenizers.vocabulary import MAX_WORD_CHARACTERS


def count_words(
    source: str,
    lower_case: bool,
    strip_accents: bool | None = None,
    layout: Layout | None = None,
) -> Counter[str]:
    """Counts the words of one source.

    `"Don't, don't!"` gives `{"don": 2, "'": 2, "t": 2, ",": 1, "!": 1}`.

    Words are the units that `WordPieceTokenizer` splits into pieces: normalized, with
    separate ideographs and punctuation characters. Words of more than 200 characters,
    which are always [UNK], are left out. `strip_accents` defaults to `lower_case`.

    Raises:
        FileNotFoundError, ValueError: see `corpus.read_documents`.
    """
    separate = _separate(lower_case, strip_accents)
    counts: Counter[bytes] = Counter()
    for batch in batches_of_text(corpus.read_documents(source, layout)):
        for text in separate(tf.constant([text for text, _, _ in batch])).numpy():
            counts.update(text.split())
    words = {word.decode(): count for word, count in counts.items()}
    return Counter({w: words[w] for w in words if len(w) <= MAX_WORD_CHARACTERS})


@functools.cache
def _separate(
    lower_case: bool, strip_accents: bool | None
) -> Callable[[tf.Tensor], tf.Tensor]:
    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)], autograph=False)
    def separate(texts: tf.Tensor) -> tf.Tensor:
        with tf.device("CPU"):
            return separate_words(normalize(texts, lower_case, strip_accents))

    return separate
