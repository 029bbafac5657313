"""Tokenizers cut texts into the pieces of a vocabulary: WordPiece or byte-level BPE."""

from typing import Protocol

import tensorflow as tf

from data_pipelines.tokenizers.byte_bpe import ByteBPETokenizer
from data_pipelines.tokenizers.vocabulary import Vocabulary
from data_pipelines.tokenizers.wordpiece import WordPieceTokenizer


class Tokenizer(Protocol):
    """Cuts texts into pieces, in graph: eagerly, in `tf.data`, and in a SavedModel.

    Texts are string `(texts,)`, any bytes; what is no vector is a ValueError.
    """

    vocabulary: Vocabulary

    def tokenize(self, texts: tf.Tensor) -> tf.RaggedTensor:
        """The ids of the pieces of each text, int32 `(texts, (pieces))`."""

    def tokenize_words(self, words: tf.Tensor) -> tf.RaggedTensor:
        """The same for words, or sentences, that follow others in a text."""

    def tokenize_with_offsets(
        self, texts: tf.Tensor, opens: tf.Tensor | None = None
    ) -> tuple[tf.RaggedTensor, tf.RaggedTensor, tf.RaggedTensor]:
        """The ids, and where in the original bytes each piece begins and ends.

        Offsets lie between graphemes of the original text: a piece that is part of one
        has all of it, with marks that are no part of any piece. `opens`, bool
        `(texts,)`, says which begin a text; None: all.

        Returns:
            Three int32 `(texts, (pieces))`: ids as from `tokenize`, the first byte of
            each piece, and the byte after its last.
        """


def make_tokenizer(vocabulary: Vocabulary) -> Tokenizer:
    """The tokenizer of a vocabulary: byte-level BPE if it has merges."""
    if vocabulary.kind == "byte_bpe":
        return ByteBPETokenizer(vocabulary)
    return WordPieceTokenizer(vocabulary)
