"""SentencePiece tokenization (Kudo and Richardson 2018), with or without offsets.

The op is that of TensorFlow Text, which TensorFlow Serving links.
"""

import numpy as np
import tensorflow as tf
import tensorflow_text as text

from data_pipelines.tokenizers.normalization import delete_invalid, vector_of
from data_pipelines.tokenizers.offsets import into_original
from data_pipelines.tokenizers.sentencepiece_model import read_model
from data_pipelines.tokenizers.unicode_forms import offsets_before_nfc, to_nfc
from data_pipelines.tokenizers.vocabulary import UNK, Vocabulary

# White space, which separates words whatever the table of the model says.
_SPACES = (
    r"[\t-\r\x{85}\x{A0}\x{1680}\x{2000}-\x{200A}\x{2028}\x{2029}\x{202F}\x{205F}"
    r"\x{3000}]"
)


class SentencePieceTokenizer(tf.Module):
    """Splits texts into the likeliest pieces of a unigram model.

    Texts are normalized by the table in the model, after `unicode_form`. Each word
    begins with a space, also the first one of a text. Invalid bytes are deleted. A
    special token written in a text is treated as text.
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        super().__init__(name="sentencepiece_tokenizer")
        self.vocabulary = vocabulary
        model = vocabulary.sentencepiece or b""
        pieces, _ = read_model(model, "sentencepiece.model")
        ids = {token: index for index, token in enumerate(vocabulary.tokens)}
        with tf.init_scope(), tf.device("CPU"):
            self._tokenizer = text.SentencepieceTokenizer(model, out_type=tf.int32)
            self._ids = tf.constant(
                np.array([ids.get(p.text, ids[UNK]) for p in pieces], np.int32)
            )

    def tokenize(self, texts: tf.Tensor) -> tf.RaggedTensor:
        """Returns the ids of the pieces of each text, see `Tokenizer`."""
        with tf.device("CPU"):
            pieces = self._tokenizer.tokenize(self._normalized(vector_of(texts)))
            return self._own_ids(pieces)

    def tokenize_words(self, words: tf.Tensor) -> tf.RaggedTensor:
        """Returns the same: each text begins with a space."""
        return self.tokenize(words)

    def tokenize_with_offsets(
        self, texts: tf.Tensor, opens: tf.Tensor | None = None
    ) -> tuple[tf.RaggedTensor, tf.RaggedTensor, tf.RaggedTensor]:
        """Returns the ids and their offsets, see `Tokenizer`.

        Spaces at the beginning of a piece are excluded.
        """
        with tf.device("CPU"):
            original = vector_of(texts)
            valid = delete_invalid(original)
            spaced = self._normalized(original)
            pieces, starts, ends = self._tokenizer.tokenize_with_offsets(spaced)
            starts, ends = (tf.cast(places, tf.int32) for places in (starts, ends))
            starts = _after_spaces(spaced, starts, ends)
            composed = to_nfc(valid) if self._composes else valid
            starts, ends = into_original(composed, starts, ends, _with_plain_spaces)[:2]
            if self._composes:
                starts, ends = offsets_before_nfc(valid, composed, starts, ends)
            spans = into_original(original, starts, ends, delete_invalid)
            return self._own_ids(pieces), spans.starts, spans.ends

    @property
    def _composes(self) -> bool:
        return self.vocabulary.unicode_form is not None

    def _normalized(self, texts: tf.Tensor) -> tf.Tensor:
        texts = delete_invalid(texts)
        return _with_plain_spaces(to_nfc(texts) if self._composes else texts)

    def _own_ids(self, pieces: tf.RaggedTensor) -> tf.RaggedTensor:
        return pieces.with_values(tf.gather(self._ids, pieces.values))


def _with_plain_spaces(texts: tf.Tensor) -> tf.Tensor:
    return tf.strings.regex_replace(texts, _SPACES, " ")


def _after_spaces(
    texts: tf.Tensor, starts: tf.RaggedTensor, ends: tf.RaggedTensor
) -> tf.RaggedTensor:
    """Moves starts behind the spaces at the beginning of their pieces."""
    values = tf.io.decode_raw(tf.strings.reduce_join(texts), tf.uint8)
    solid = tf.cast(tf.where(tf.not_equal(values, ord(" ")))[:, 0], tf.int32)
    solid = tf.concat([solid, [tf.size(values)]], 0)
    first = tf.cumsum(tf.strings.length(texts), exclusive=True)  # (texts,)
    first = tf.repeat(first, starts.row_lengths())
    place = tf.searchsorted(solid, first + starts.values)
    moved = tf.gather(solid, place) - first
    return starts.with_values(tf.minimum(moved, ends.values))
