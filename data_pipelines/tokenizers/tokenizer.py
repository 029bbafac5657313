"""Tokenizers split texts into the pieces of a vocabulary, whatever its kind."""

from collections.abc import Sequence
from typing import Protocol

import tensorflow as tf

from data_pipelines.tokenizers.added_tokens import AddedToken, AddedTokenCutter
from data_pipelines.tokenizers.byte_bpe import ByteBPETokenizer
from data_pipelines.tokenizers.normalization import delete_invalid, vector_of
from data_pipelines.tokenizers.offsets import Spans, into_original
from data_pipelines.tokenizers.sentencepiece import SentencePieceTokenizer
from data_pipelines.tokenizers.vocabulary import Vocabulary
from data_pipelines.tokenizers.wordpiece import WordPieceTokenizer


class Tokenizer(Protocol):
    """Splits texts into pieces with graph ops: eagerly, in `tf.data`, in a SavedModel.

    Texts are string `(texts,)`, any bytes; other shapes raise a ValueError.
    """

    vocabulary: Vocabulary

    def tokenize(self, texts: tf.Tensor) -> tf.RaggedTensor:
        """Returns the ids of the pieces of each text, int32 `(texts, (pieces))`."""

    def tokenize_words(self, words: tf.Tensor) -> tf.RaggedTensor:
        """Returns the same for words or sentences that follow others in a text."""

    def tokenize_with_offsets(
        self, texts: tf.Tensor, opens: tf.Tensor | None = None
    ) -> tuple[tf.RaggedTensor, tf.RaggedTensor, tf.RaggedTensor]:
        """Returns the ids, and byte offsets of the pieces in the original texts.

        Offsets are grapheme boundaries of the original text: a piece that is part of a
        grapheme covers all of it, including marks that belong to no piece. `opens`,
        bool `(texts,)`, is True for beginnings of texts; None: all.

        Returns:
            Three int32 `(texts, (pieces))`: ids as from `tokenize`, the start of each
            piece, and its end, exclusive.
        """


class AddedTokenTokenizer(tf.Module):
    """Finds added tokens in the original text; another tokenizer splits the rest.

    Args:
        tokenizer: tokenizer of the text between added tokens.
        tokens: the added tokens to find, from its vocabulary.
    """

    def __init__(self, tokenizer: Tokenizer, tokens: Sequence[AddedToken]) -> None:
        super().__init__(name="added_token_tokenizer")
        self.vocabulary = tokenizer.vocabulary
        self._tokenizer = tokenizer
        contents = [token.content for token in tokens]
        self._cutter = AddedTokenCutter(
            tokens,
            [content.encode() for content in contents],
            [self.vocabulary.id_of(content) for content in contents],
        )

    def tokenize(self, texts: tf.Tensor) -> tf.RaggedTensor:
        """Returns the ids of the pieces of each text, see `Tokenizer`."""
        return self.tokenize_with_offsets(texts)[0]

    def tokenize_words(self, words: tf.Tensor) -> tf.RaggedTensor:
        """Returns the ids of words that follow others; added tokens get no space."""
        with tf.device("CPU"):
            words = delete_invalid(vector_of(words))
            follows = self._tokenizer.tokenize_words

            def cut(parts: tf.Tensor, opens: tf.Tensor) -> tuple[tf.RaggedTensor, ...]:
                first = follows(tf.where(opens, "", parts))
                later = self._tokenizer.tokenize(tf.where(opens, parts, ""))
                ids = tf.concat([first, later], axis=1)
                return ids, ids, ids

            return self._cutter.cut(words, tf.zeros_like(words, tf.bool), cut)[0]

    def tokenize_with_offsets(
        self, texts: tf.Tensor, opens: tf.Tensor | None = None
    ) -> tuple[tf.RaggedTensor, tf.RaggedTensor, tf.RaggedTensor]:
        """Returns the ids and their offsets, see `Tokenizer`."""
        with tf.device("CPU"):
            original = vector_of(texts)
            texts = delete_invalid(original)
            if opens is None:
                opens = tf.ones_like(texts, tf.bool)
            cut = self._tokenizer.tokenize_with_offsets
            ids, starts, ends = self._cutter.cut(texts, opens, cut)
            spans = into_original(original, starts, ends, delete_invalid)
            return ids, spans.starts, spans.ends


class AddedTokenWordPieceTokenizer(AddedTokenTokenizer):
    """Added tokens with WordPiece, which also divides graphemes among their pieces."""

    def __init__(
        self, tokenizer: WordPieceTokenizer, tokens: Sequence[AddedToken]
    ) -> None:
        super().__init__(tokenizer, tokens)
        self._word_pieces = tokenizer

    def tokenize_with_spans(self, texts: tf.Tensor) -> tuple[tf.RaggedTensor, Spans]:
        """Returns the ids and their offsets, see `WordPieceTokenizer`."""
        with tf.device("CPU"):
            original = vector_of(texts)
            texts = delete_invalid(original)
            opens = tf.ones_like(texts, tf.bool)

            def whole(parts: tf.Tensor, _: tf.Tensor) -> tuple[tf.RaggedTensor, ...]:
                ids, spans = self._word_pieces.tokenize_with_spans(parts)
                return ids, spans.starts, spans.ends

            def own(parts: tf.Tensor, _: tf.Tensor) -> tuple[tf.RaggedTensor, ...]:
                ids, spans = self._word_pieces.tokenize_with_spans(parts)
                return ids, spans.own_starts, spans.own_ends

            ids, starts, ends = self._cutter.cut(texts, opens, whole)
            of_all = into_original(original, starts, ends, delete_invalid)
            _, starts, ends = self._cutter.cut(texts, opens, own)
            of_own = into_original(original, starts, ends, delete_invalid)
            return ids, of_all._replace(
                own_starts=of_own.own_starts, own_ends=of_own.own_ends
            )


def make_tokenizer(vocabulary: Vocabulary) -> Tokenizer:
    """Creates the tokenizer of a vocabulary, of its kind."""
    added = vocabulary.added_tokens
    as_written = [token for token in added if not token.normalized]
    tokenizer: Tokenizer
    if vocabulary.kind != "wordpiece":
        is_byte_level = vocabulary.kind == "byte_bpe"
        tokenizer = (
            ByteBPETokenizer(vocabulary)
            if is_byte_level
            else SentencePieceTokenizer(vocabulary)
        )
        # Their contents need no normalization: these are searched in the rest that
        # others leave.
        normalized = [token for token in added if token.normalized]
        if normalized:
            tokenizer = AddedTokenTokenizer(tokenizer, normalized)
    else:
        word_pieces = WordPieceTokenizer(vocabulary)
        if as_written:
            return AddedTokenWordPieceTokenizer(word_pieces, as_written)
        tokenizer = word_pieces
    return AddedTokenTokenizer(tokenizer, as_written) if as_written else tokenizer
