"""Tokenizers cut texts into the pieces of a vocabulary: WordPiece or byte-level BPE."""

from typing import Protocol

import tensorflow as tf

from data_pipelines.tokenizers.byte_bpe import ByteBPETokenizer
from data_pipelines.tokenizers.vocabulary import Vocabulary
from data_pipelines.tokenizers.wordpiece import WordPieceTokenizer


class Tokenizer(Protocol):
    """Texts to ids, in graph.

    Attributes:
        vocabulary: the pieces, and the casing of the texts.
    """

    vocabulary: Vocabulary

    def tokenize(self, texts: tf.Tensor) -> tf.RaggedTensor:
        """int32 `(texts, (pieces))`, the ids of string `(texts,)`."""

    def tokenize_words(self, words: tf.Tensor) -> tf.RaggedTensor:
        """The same of words, or sentences, that follow others in a text."""

    def tokenize_with_offsets(
        self, texts: tf.Tensor, opens: tf.Tensor | None = None
    ) -> tuple[tf.RaggedTensor, tf.RaggedTensor, tf.RaggedTensor]:
        """The ids, and the bytes of the text where each piece begins and ends.

        `opens`, bool `(texts,)`, tells which of them begin a text; None: all.
        """


def make_tokenizer(vocabulary: Vocabulary) -> Tokenizer:
    """The tokenizer of a vocabulary: byte-level BPE if it has merges."""
    if vocabulary.kind == "byte_bpe":
        return ByteBPETokenizer(vocabulary)
    return WordPieceTokenizer(vocabulary)
