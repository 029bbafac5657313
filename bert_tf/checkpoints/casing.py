"""Whether a vocabulary is lower-cased, for formats that do not say it."""

from data_pipelines.vocabulary import Vocabulary


def is_lower_cased(vocabulary: Vocabulary) -> bool:
    """True if no word has a capital letter: those of a cased model could never match.

    Names that stand in brackets of any kind, such as `[CLS]` or `<S>`, are no words.
    """
    words = (token.removeprefix("##") for token in vocabulary.tokens)
    return all(word == word.lower() for word in words if word.isalpha())
