"""The text of all systems with one tokenizer: a vocabulary and records."""

import dataclasses
import posixpath
from typing import Any, Literal

import tensorflow as tf

from bert_tf.comparison import programs
from bert_tf.comparison.options import CompareOptions
from data_pipelines.create_pretraining_data import CreatePretrainingDataOptions
from data_pipelines.learn_vocabulary import LearnVocabularyOptions
from data_pipelines.pretraining.record_folder import MANIFEST, read_manifest

LOG = "log.txt"


@dataclasses.dataclass(frozen=True)
class Text:
    """The vocabulary and the records of a tokenizer, and their folder."""

    tokenizer: Literal["wordpiece", "byte_bpe"]
    output_dir: str

    @property
    def folder(self) -> str:
        """The folder, within that of the comparison."""
        return posixpath.join(self.output_dir, "text", self.tokenizer)

    @property
    def vocab_file(self) -> str:
        """The file of the vocabulary."""
        return posixpath.join(self.folder, "vocab.txt")

    @property
    def records_dir(self) -> str:
        """The folder of the records, some of which are held out."""
        return posixpath.join(self.folder, "records")


def prepare(text: Text, options: CompareOptions) -> None:
    """Learns the vocabulary and writes the records, unless they are there.

    Raises:
        Failed: a program failed.
        ValueError: no document was held out.
    """
    tf.io.gfile.makedirs(text.folder)
    log = posixpath.join(text.folder, LOG)
    common: dict[str, Any] = {
        "input_files": options.corpus,
        "separator": options.separator,
        "lines": options.lines,
        "vocab_file": text.vocab_file,
    }
    if not tf.io.gfile.exists(text.vocab_file):
        vocabulary = LearnVocabularyOptions(
            **common, tokenizer=text.tokenizer, vocab_size=options.vocab_size
        )
        programs.run("data_pipelines.learn_vocabulary", vocabulary, log)
    if not tf.io.gfile.exists(posixpath.join(text.records_dir, MANIFEST)):
        records = CreatePretrainingDataOptions(
            **common,
            output_dir=text.records_dir,
            holdout_fraction=options.holdout_fraction,
        )
        programs.run("data_pipelines.create_pretraining_data", records, log)
    manifest = read_manifest(text.records_dir)
    if not manifest.get("heldout_counts", {}).get("parts"):
        raise ValueError(
            f"None of {manifest['counts']['documents']} documents was held out with "
            f"holdout_fraction={options.holdout_fraction}. Expected some to evaluate "
            "the models on: raise it, or divide the text into more documents "
            "(--separator=blank_line), with another output_dir."
        )
