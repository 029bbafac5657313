"""A vocabulary in which texts are easily written, and sequences as text again."""

import string

from data_pipelines.tokenizers.vocabulary import SPECIAL_TOKENS, Vocabulary
from data_pipelines.tokenizers.wordpiece import WordPieceTokenizer

# A word of two letters is two pieces.
PIECES = (*string.ascii_lowercase, *(f"##{c}" for c in string.ascii_lowercase))
VOCABULARY = Vocabulary((*SPECIAL_TOKENS, *PIECES, ".", ",", "中", "国", "人"))
TOKENIZER = WordPieceTokenizer(VOCABULARY)


def written(token_ids):
    """Each sequence as text, without the brackets of the special tokens."""
    return [
        " ".join(VOCABULARY.tokens[i].strip("[]") for i in sequence)
        for sequence in token_ids.to_list()
    ]


def values(features):
    """Plain lists, by name."""
    return {
        name: value.to_list() if hasattr(value, "to_list") else value.numpy().tolist()
        for name, value in features.items()
    }
