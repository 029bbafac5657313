"""The text of all systems with one tokenizer: a vocabulary and records."""

import posixpath
from typing import Any, Literal

import tensorflow as tf

from bert_tf.comparison import programs
from bert_tf.comparison.options import CompareOptions
from data_pipelines.create_pretraining_data import CreatePretrainingDataOptions
from data_pipelines.learn_vocabulary import LearnVocabularyOptions
from data_pipelines.pretraining.record_folder import MANIFEST, read_manifest

VOCABULARY, RECORDS, LOG = "vocab.txt", "records", "log.txt"


def prepare(
    options: CompareOptions, tokenizer: Literal["wordpiece", "byte_bpe"], folder: str
) -> None:
    """Learns the vocabulary and writes the records, unless they are there.

    Raises:
        Failed: a program did.
        ValueError: no document was held out.
    """
    tf.io.gfile.makedirs(folder)
    vocab_file = posixpath.join(folder, VOCABULARY)
    records_dir = posixpath.join(folder, RECORDS)
    log = posixpath.join(folder, LOG)
    common: dict[str, Any] = {
        "input_files": options.corpus,
        "separator": options.separator,
        "vocab_file": vocab_file,
    }
    if not tf.io.gfile.exists(vocab_file):
        vocabulary = LearnVocabularyOptions(
            **common, tokenizer=tokenizer, vocab_size=options.vocab_size
        )
        programs.run("data_pipelines.learn_vocabulary", vocabulary, log)
    if not tf.io.gfile.exists(posixpath.join(records_dir, MANIFEST)):
        records = CreatePretrainingDataOptions(
            **common, output_dir=records_dir, holdout_fraction=options.holdout_fraction
        )
        programs.run("data_pipelines.create_pretraining_data", records, log)
    manifest = read_manifest(records_dir)
    if not manifest.get("heldout_counts", {}).get("parts"):
        raise ValueError(
            f"None of {manifest['counts']['documents']} documents was held out with "
            f"holdout_fraction={options.holdout_fraction}. Expected some, to ask the "
            "models about: raise it, or divide the text into more documents "
            "(--separator=blank_line)."
        )
