"""Unigram models that the package sentencepiece has learned."""

import functools
import io
import pydoc_data.topics

import pytest

from data_pipelines.tokenizers.sentencepiece_model import read_model
from data_pipelines.tokenizers.vocabulary import SPECIAL_TOKENS, Vocabulary

# Text that is not in the vocabulary's main language.
OTHER = "L'été à Paris, où ça ? 中文字，中文。 Ёлка и ёж. हिन्दी. 한국어. עברית. ไทย"


@functools.cache
def learned_model(
    vocab_size: int = 1500,
    normalization: str = "nmt_nfkc",
    bert_names: bool = False,
) -> bytes:
    """The serialized model: <unk>, <s>, </s>, and the pieces.

    With `bert_names` it begins as that of DeBERTa: [PAD], [CLS], [SEP], [UNK].
    """
    sentencepiece = pytest.importorskip(
        "sentencepiece", reason="needs sentencepiece, of requirements.txt"
    )
    lines = [
        line.strip()
        for topic in sorted(pydoc_data.topics.topics.values())
        for line in topic.splitlines()
        if line.strip()
    ]
    names = {}
    if bert_names:
        order = {"pad": "[PAD]", "bos": "[CLS]", "eos": "[SEP]", "unk": "[UNK]"}
        for number, (name, piece) in enumerate(order.items()):
            names |= {f"{name}_id": number, f"{name}_piece": piece}
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter([*lines, *[OTHER] * 50]),
        model_writer=model,
        vocab_size=vocab_size,
        model_type="unigram",
        normalization_rule_name=normalization,
        minloglevel=2,
        **names,
    )
    return model.getvalue()


def vocabulary_of(model: bytes, **changes) -> Vocabulary:
    """The special tokens, and the pieces of the model without its own."""
    pieces, _ = read_model(model, "a test")
    tokens = [piece.text for piece in pieces if piece.type == "normal"]
    return Vocabulary((*SPECIAL_TOKENS, *tokens), sentencepiece=model, **changes)
