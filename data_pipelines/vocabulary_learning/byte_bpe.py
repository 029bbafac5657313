"""Learns pieces and merges of byte-level BPE with Hugging Face `tokenizers`.

Reference: Radford et al., Language Models are Unsupervised Multitask Learners (2019),
section 2.2.
"""

import json
from collections.abc import Iterator, Sequence

from data_pipelines.corpus import documents
from data_pipelines.corpus.layout import Layout
from data_pipelines.programs import processes
from data_pipelines.programs.extras import extra
from data_pipelines.tokenizers.byte_symbols import BYTE_SYMBOLS
from data_pipelines.tokenizers.vocabulary import SPECIAL_TOKENS, Vocabulary
from data_pipelines.vocabulary_learning.too_few_pieces import TooFewPiecesError

_SMALLEST = len(SPECIAL_TOKENS) + len(BYTE_SYMBOLS)


def learn_byte_bpe(
    sources: Sequence[str], vocab_size: int, layout: Layout | None = None
) -> Vocabulary:
    """Merges bytes into pieces, the most frequent adjacent pair first.

    Each line of the text is read as if a space preceded it, as texts will be
    (`add_prefix_space`). Case, accents and white space are kept.

    Returns:
        The special tokens with the ids 0 to 4, the 256 bytes, and the pieces in the
        order in which they were merged.

    Raises:
        ValueError: the size is too small, or there are not enough different pieces.
        ImportError: the extra `byte_bpe` is not installed.
    """
    if vocab_size < _SMALLEST:
        raise ValueError(
            f"Received vocab_size={vocab_size}. Expected at least {_SMALLEST}, for the "
            f"{len(SPECIAL_TOKENS)} special tokens and 256 bytes: increase it."
        )
    with extra("byte_bpe"):
        import tokenizers
    learned = tokenizers.Tokenizer(tokenizers.models.BPE())
    learned.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=True)
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=vocab_size,
        min_frequency=1,
        show_progress=False,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=list(BYTE_SYMBOLS),
    )
    learned.train_from_iterator(_lines(sources, layout), trainer)
    ids = learned.get_vocab(with_added_tokens=True)
    if len(ids) < vocab_size:
        raise TooFewPiecesError(vocab_size, len(ids))
    merges = json.loads(learned.to_str())["model"]["merges"]
    pieces = tuple(sorted(ids, key=ids.__getitem__))
    return Vocabulary(pieces, tuple(map(tuple, merges)), add_prefix_space=True)


def _lines(sources: Sequence[str], layout: Layout | None) -> Iterator[str]:
    for source in processes.show_progress("count words", sources, len(sources)):
        for document in documents.read_documents(source, layout):
            # Drops lone surrogates, which are not text.
            document = document.encode("utf-8", "ignore").decode()
            yield from filter(None, map(str.strip, document.split("\n")))
