"""Texts in memory to the records and batches that `bert_tf.pretrain` trains on."""

import functools
import json
import math
import pathlib
from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from bert_tf.api.inputs import text_at
from bert_tf.pretraining.data import Records
from data_pipelines.learn_vocabulary import learn_vocabulary
from data_pipelines.pretraining.batches import evaluation_batches
from data_pipelines.pretraining.documents import documents_from_records
from data_pipelines.pretraining.row_options import RowOptions
from data_pipelines.pretraining.work_units import RecordOptions
from data_pipelines.pretraining.write_records import write_records
from data_pipelines.tokenizers.casing import LearnedKind
from data_pipelines.tokenizers.vocabulary import Vocabulary
from data_pipelines.vocabulary_learning.too_few_pieces import TooFewPiecesError

_VOCAB_SIZE = 8192


def write_texts(path: pathlib.Path, texts: Sequence[Any]) -> str:
    """Writes JSON lines, a document each; returns the path.

    Raises:
        ValueError: one of the texts is no string.
    """
    with path.open("w", encoding="utf-8") as file:
        for place, text in enumerate(texts):
            file.write(json.dumps({"text": text_at(place, text)}) + "\n")
    return str(path)


def learned_vocabulary(
    file: str, vocab_size: int | None, tokenizer: LearnedKind
) -> Vocabulary:
    """Learns a vocabulary.

    Args:
        file: the text.
        vocab_size: None: 8,192 pieces, or as many as the text yields.
        tokenizer: the kind of the pieces.
    """
    learn = functools.partial(
        learn_vocabulary, input_files=[file], tokenizer=tokenizer, num_processes=1
    )
    try:
        return learn(vocab_size=vocab_size or _VOCAB_SIZE)
    except TooFewPiecesError as error:
        if vocab_size is not None:
            raise
        return learn(vocab_size=error.num_pieces)


def records_of(
    file: str, vocabulary: Vocabulary, folder: pathlib.Path, seed: int
) -> Records:
    """Tokenizes the documents of a file into a folder of records."""
    options = RecordOptions(seed=seed, num_shards=1)
    manifest = write_records([file], vocabulary, str(folder), options, num_processes=1)
    return Records(str(folder), manifest, False)


def steps_of_an_epoch(records: Records, sequence_length: int, batch_size: int) -> int:
    """Estimates the steps of one pass: rows have three special tokens."""
    tokens = records.manifest["counts"]["tokens"]
    return max(1, math.ceil(tokens / (sequence_length - 3) / batch_size))


def heldout_batches(
    records: Records, vocabulary: Vocabulary, rows: RowOptions, batch_size: int
) -> tf.data.Dataset:
    """The batches of all documents, the same in each pass, and their number."""
    documents = documents_from_records(records.files("train"))
    batches = evaluation_batches(documents, vocabulary, rows, batch_size=batch_size)
    # Keras warns of a dataset whose length it does not know.
    batches = batches.cache()
    count = sum(1 for _ in batches)
    return batches.apply(tf.data.experimental.assert_cardinality(count))
