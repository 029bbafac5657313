"""What correction learns from beside its examples: these after a first pass, and so on.

A model that looks at what it has corrected meets texts that are corrected in part. They
are made by the functions that correct, from the right tags.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import tensorflow as tf

from bert_tf.tasks.edits import NUM_PASSES, apply
from bert_tf.tasks.piece_edits import edits_of_pieces
from data_pipelines.datasets.examples import CorrectionExample
from data_pipelines.finetuning.batches import chunks_of, encoder_of
from data_pipelines.rows.features import Features
from data_pipelines.tokenizers.wordpiece import WordPieceTokenizer


def with_further_passes(
    encoding: Any,
    examples: Sequence[CorrectionExample],
    num_passes: int = NUM_PASSES,
) -> list[CorrectionExample]:
    """The examples, and those that a pass leaves unfinished as examples of their own.

    `He gone his house`, to become `He has been gone to the house`, is followed by `He
    has gone the house`, which a first pass would leave.

    Args:
        encoding: a `CorrectionEncoding`.
        examples: with corrections, of which the first counts.
        num_passes: how often a text is looked at, see `edits.in_passes`.
    """
    encode = encoder_of(encoding)
    found = list(examples)
    unfinished = [e for e in examples if e.text != e.corrected[0]]
    for _ in range(num_passes - 1):
        unfinished = list(_after_a_pass(encode, encoding.tokenizer, unfinished))
        found += unfinished
    return found


def _after_a_pass(
    encode: Callable[[Sequence[Any]], tuple[Features, Features]],
    tokenizer: WordPieceTokenizer,
    examples: Sequence[CorrectionExample],
) -> Iterator[CorrectionExample]:
    """What the right tags make of the texts, where it is not yet what it is to be."""
    for chunk in chunks_of(examples):
        features, origin = encode(chunk)
        is_asked = features["is_asked"] == 1
        decoded = {
            name: tf.ragged.boolean_mask(features[name], is_asked)
            for name in ("tags", "written")
        }
        certain = tf.ones_like(decoded["tags"], tf.float32)
        edits = edits_of_pieces(
            {**decoded, "probabilities": certain}, origin, tokenizer
        )
        texts = apply(edits)
        goals = [example.corrected[0] for example in chunk]
        pieces = [tokenizer.tokenize(some).to_list() for some in (texts, goals)]
        for example, text, own, goal in zip(chunk, texts.numpy(), *pieces, strict=True):
            reached = text.decode("utf-8", "replace")
            if own != goal and reached not in (example.text, ""):
                yield CorrectionExample(example.id, reached, example.corrected)
