"""WordPiece tokenization, with or without offsets into the original text."""

import tensorflow as tf
import tensorflow_text as text

from data_pipelines.tokenizers.added_tokens import AddedTokenCutter
from data_pipelines.tokenizers.normalization import (
    IDEOGRAPHS,
    normalize,
    replace_rows,
    vector_of,
)
from data_pipelines.tokenizers.offsets import Spans, into_original
from data_pipelines.tokenizers.spelling import CONTINUATION
from data_pipelines.tokenizers.vocabulary import UNK, Vocabulary

_MAX_CHARACTER_BYTES = 4
# Maximum bytes of a word, which the op counts in 32 bits.
_MOST_BYTES = 2**30


class WordPieceTokenizer(tf.Module):
    """Splits texts into words, and words into the longest pieces of a vocabulary.

    The ids are those of `FullTokenizer` in google-research/bert, for every text:
    capitals, accents, ideographs, invalid UTF-8, very long words. A special token
    written in a text is treated as text: `"[MASK]"` gives `[`, `mask`, `]`.

    The op is that of Song et al., Fast WordPiece Tokenization (2021); loading a
    SavedModel with it requires `import tensorflow_text`.
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        super().__init__(name="wordpiece_tokenizer")
        self.vocabulary = vocabulary
        pieces = {*vocabulary.tokens} - {
            token.content for token in vocabulary.added_tokens if not token.is_piece
        }
        # Eager constants, so that all functions share one copy.
        with tf.init_scope(), tf.device("CPU"):
            # The op splits at white space, punctuation and ideographs by itself. Its
            # limit is in bytes, and only bounds the work here.
            self._pieces = text.FastWordpieceTokenizer(
                # A name in brackets never matches a word.
                [
                    token if token in pieces else f"[added {token_id}]"
                    for token_id, token in enumerate(vocabulary.tokens)
                ],
                suffix_indicator=CONTINUATION,
                max_bytes_per_word=min(
                    _MOST_BYTES, vocabulary.max_word_characters * _MAX_CHARACTER_BYTES
                ),
                token_out_type=tf.int32,
                unknown_token=UNK,
            )
            self._opens_word = tf.constant(
                [not continues for continues in vocabulary.continues]
            )
        added = [token for token in vocabulary.added_tokens if token.normalized]
        self._added = None
        if added:
            contents = [token.content for token in added]
            self._added = AddedTokenCutter(
                added,
                list(self._normalize(tf.constant(contents)).numpy()),
                [vocabulary.id_of(content) for content in contents],
                spaced=f"[{IDEOGRAPHS}]",
            )

    def tokenize(self, texts: tf.Tensor) -> tf.RaggedTensor:
        """Returns the ids of the pieces of each text, see `Tokenizer`.

        `["unaffable!"]` gives the ids of `[["una", "##ffa", "##ble", "!"]]`. A text
        without words has no pieces.
        """
        # String ops run on the CPU. By default, the numeric ops between them would be
        # placed on a GPU, and their operands copied back and forth.
        with tf.device("CPU"):
            ids, _, _ = self._tokenize_normalized(self._normalize(texts))
            return ids

    def tokenize_words(self, words: tf.Tensor) -> tf.RaggedTensor:
        """Returns the ids of words that follow others, the same as for any text."""
        return self.tokenize(words)

    def tokenize_with_offsets(
        self, texts: tf.Tensor, opens: tf.Tensor | None = None
    ) -> tuple[tf.RaggedTensor, tf.RaggedTensor, tf.RaggedTensor]:
        """Returns the ids and their offsets, see `Tokenizer`; `opens` is ignored.

        `["L'Été"]` gives `["l", "'", "ete"]`, starts `[0, 1, 2]`, ends `[1, 2, 7]`.

        If a grapheme has two pieces, such as a decomposed Hangul syllable, both cover
        all of it, including deleted marks.
        """
        ids, spans = self.tokenize_with_spans(texts)
        return ids, spans.starts, spans.ends

    def tokenize_with_spans(self, texts: tf.Tensor) -> tuple[tf.RaggedTensor, Spans]:
        """Returns the ids and their offsets, with graphemes divided among pieces."""
        with tf.device("CPU"):
            ids, starts, ends = self._tokenize_normalized(self._normalize(texts))
            # Characters depend on neighbours in two harmless cases: a final sigma is as
            # long as any other, and reordered marks stay within their word.
            return ids, into_original(texts, starts, ends, self._normalize)

    def _normalize(self, texts: tf.Tensor) -> tf.Tensor:
        casing = self.vocabulary.lower_case, self.vocabulary.strip_accents
        return normalize(vector_of(texts), *casing)

    def _tokenize_normalized(
        self, normalized: tf.Tensor
    ) -> tuple[tf.RaggedTensor, tf.RaggedTensor, tf.RaggedTensor]:
        if self._added is None:
            return self._cut_words(normalized)
        opens = tf.ones_like(normalized, tf.bool)
        return self._added.cut(normalized, opens, lambda x, _: self._cut_words(x))

    def _cut_words(
        self, normalized: tf.Tensor
    ) -> tuple[tf.RaggedTensor, tf.RaggedTensor, tf.RaggedTensor]:
        ids, starts, ends = self._pieces.tokenize_with_offsets(normalized)
        splits = ids.row_splits
        ids = ids.values  # (pieces,)
        starts = tf.cast(starts.values, tf.int32)
        ends = tf.cast(ends.values, tf.int32)

        opens = tf.gather(self._opens_word, ids)
        word_first = tf.where(opens)[:, 0]  # (words,)
        word_last = tf.concat([word_first, splits[-1:]], 0)[1:] - 1
        word_start = tf.gather(starts, word_first)
        word_size = tf.gather(ends, word_last) - word_start
        may_be_long = word_size > self.vocabulary.max_word_characters

        def replace_long_words() -> tuple[tf.Tensor, ...]:
            # Characters are counted only in words with that many bytes, which are rare.
            most = self.vocabulary.max_word_characters
            words = tf.where(may_be_long)[:, 0]
            first, start, size = (
                tf.gather(values, words)
                for values in (word_first, word_start, word_size)
            )
            texts = tf.gather(
                normalized, tf.searchsorted(splits, first, side="right") - 1
            )
            spelled = tf.strings.substr(texts, start, size)
            characters = tf.strings.length(spelled, unit="UTF8_CHAR")
            is_long = replace_rows(  # (words,)
                may_be_long, words, characters > most
            )
            word_of_piece = tf.cumsum(tf.cast(opens, tf.int32)) - 1
            replaced = tf.gather(is_long, word_of_piece)  # (pieces,)
            word_end = tf.gather(word_start + word_size, word_of_piece)
            kept = opens | ~replaced
            kept_before = tf.pad(tf.cumsum(tf.cast(kept, tf.int64)), [[1, 0]])
            return (
                tf.boolean_mask(tf.where(replaced, self.vocabulary.unk_id, ids), kept),
                tf.boolean_mask(starts, kept),
                tf.boolean_mask(tf.where(replaced, word_end, ends), kept),
                tf.gather(kept_before, splits),
            )

        ids, starts, ends, splits = tf.cond(
            tf.reduce_any(may_be_long),
            replace_long_words,
            lambda: (ids, starts, ends, splits),
        )
        return tuple(
            tf.RaggedTensor.from_row_splits(values, splits, validate=False)
            for values in (ids, starts, ends)
        )
