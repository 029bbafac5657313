"""A vocabulary of byte-level BPE, and what the `tokenizers` library makes of one."""

import functools
import pydoc_data.topics

import pytest

from data_pipelines.tokenizers.vocabulary import Vocabulary
from data_pipelines.vocabulary_learning.byte_bpe import learn_byte_bpe


@functools.cache
def learned_vocabulary(folder: str, vocab_size: int = 1500) -> Vocabulary:
    """Learned from Python's help texts and some French and Chinese."""
    text = "\n".join(sorted(pydoc_data.topics.topics.values()))
    path = f"{folder}/text.txt"
    with open(path, "w") as file:
        file.write(text + "\nL'été à Paris, où ça ? 中文字，中文。\n" * 50)
    return learn_byte_bpe([path], vocab_size)


def their_tokenizer(vocabulary: Vocabulary):
    """As RoBERTa's, from the parts of the library."""
    tokenizers = pytest.importorskip("tokenizers", reason="needs tokenizers")
    ids = {token: number for number, token in enumerate(vocabulary.tokens)}
    theirs = tokenizers.Tokenizer(
        tokenizers.models.BPE(ids, list(vocabulary.merges or ()))
    )
    prefix = vocabulary.add_prefix_space
    theirs.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=prefix)
    theirs.post_processor = tokenizers.processors.RobertaProcessing(
        ("[SEP]", vocabulary.sep_id),
        ("[CLS]", vocabulary.cls_id),
        trim_offsets=True,
        add_prefix_space=prefix,
    )
    return theirs
