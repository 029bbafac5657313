"""What cuts texts into the pieces of a vocabulary: WordPiece or byte-level BPE."""

from typing import Literal, Protocol

import tensorflow as tf

from data_pipelines.tokenizers.byte_bpe import ByteBPETokenizer
from data_pipelines.tokenizers.vocabulary import Vocabulary
from data_pipelines.tokenizers.wordpiece import WordPieceTokenizer

Kind = Literal["wordpiece", "byte_bpe"]


class Tokenizer(Protocol):
    """Texts to ids, in graph.

    Attributes:
        vocabulary: the pieces.
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


def make_tokenizer(
    vocabulary: Vocabulary,
    lower_case: bool | None = None,
    strip_accents: bool | None = None,
) -> Tokenizer:
    """The tokenizer of a vocabulary: byte-level BPE if it has merges.

    Args:
        vocabulary: the pieces.
        lower_case: whether capitals are taken away first; None: see `lowers_case`.
        strip_accents: whether accents are; None: as `lower_case`.

    Raises:
        ValueError: as `lowers_case`.
    """
    kind = kind_of(vocabulary)
    lower_case = lowers_case(kind, lower_case, strip_accents)
    if kind == "byte_bpe":
        return ByteBPETokenizer(vocabulary)
    return WordPieceTokenizer(vocabulary, lower_case, strip_accents)


def kind_of(vocabulary: Vocabulary) -> Kind:
    """What the vocabulary is one of."""
    return "wordpiece" if vocabulary.merges is None else "byte_bpe"


def lowers_case(
    kind: Kind, lower_case: bool | None, strip_accents: bool | None = None
) -> bool:
    """What the option `lower_case` is; None: true for WordPiece, else false.

    Raises:
        ValueError: byte-level BPE is to take something away.
    """
    if kind == "wordpiece":
        return lower_case is None or lower_case
    if lower_case or strip_accents:
        raise ValueError(
            f"Received lower_case={lower_case} and strip_accents={strip_accents} for a "
            "vocabulary of byte-level BPE, which spells texts as they are. Expected "
            "neither: leave the options out."
        )
    return False
