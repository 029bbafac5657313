"""Vocabularies of others: what they tell of their texts, and what was lost of them."""

import unicodedata
from collections.abc import Iterable

from data_pipelines.tokenizers.vocabulary import CONTINUATION, Vocabulary

_LINE_SEPARATOR = "\u2028"


def restored(tokens: Iterable[str]) -> Vocabulary:
    """The vocabulary of a reader that takes white space away at the end of a line.

    Nothing is left to it of the line separators that Google's Chinese vocabulary has as
    pieces. In no text are they pieces, before or after.

    Raises:
        ValueError: as `Vocabulary` raises it.
    """
    return Vocabulary(
        tuple(
            token + _LINE_SEPARATOR if token in ("", CONTINUATION) else token
            for token in tokens
        )
    )


def is_lower_cased(vocabulary: Vocabulary) -> bool:
    """True if no word has a capital letter: those of a cased model could never match.

    Names that stand in brackets of any kind, such as `[CLS]` or `<S>`, are no words.
    """
    words = (token.removeprefix("##") for token in vocabulary.tokens)
    return all(word == word.lower() for word in words if word.isalpha())


def has_accents(vocabulary: Vocabulary) -> bool:
    """True if a piece could never match where accents are taken away."""
    return any(
        unicodedata.category(character) == "Mn"
        for token in vocabulary.tokens
        if not token.isascii()
        for character in unicodedata.normalize("NFD", token)
    )
