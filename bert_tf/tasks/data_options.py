"""Options of programs that read labelled examples: the data and the sequences."""

import dataclasses
import sys
from collections.abc import Sequence
from typing import Any, Literal, get_args

from bert_tf.tasks.kind import Lengths
from bert_tf.tasks.kinds import KINDS
from data_pipelines.datasets import catalog, own_files
from data_pipelines.datasets.examples import labels_in
from data_pipelines.datasets.read_log import ReadLog
from data_pipelines.datasets.sources import Dataset, Role, TaskKind
from data_pipelines.datasets.text_tables import TextTable
from data_pipelines.programs import cli


@dataclasses.dataclass(frozen=True)
class DataOptions(catalog.ColumnOptions):
    """Options of the examples and their sequences."""

    dataset: str | None = cli.option(
        None,
        "A dataset of the catalogue, such as glue/sst2; or use --kind and your own "
        "files.",
    )
    data_dir: str | None = cli.option(
        None, "The folder with the dataset's files. Default: TFDS loads it."
    )
    kind: TaskKind | None = cli.option(None, "The kind of task of your own files.")
    train_file: str | None = cli.option(
        None, "File of training examples: CSV, TSV, JSONL; CoNLL, brat; SQuAD."
    )
    dev_file: str | None = cli.option(
        None, "File of development examples, to select the best checkpoint."
    )
    test_file: str | None = cli.option(None, "File of test examples.")
    max_length: int | None = cli.option(
        None,
        "Maximum number of tokens of a sequence. Default: 128, or 384 for questions, "
        "if the model allows it.",
    )
    stride: int | None = cli.option(
        None,
        "Tokens between the starts of the windows of a long text. Default: 128 for "
        "questions, half of max_length for tags and corrections, a quarter for "
        "classes.",
    )
    max_question_length: int = cli.option(64, "Maximum number of tokens of a question.")
    long_texts: Literal["truncate", "windows"] = cli.option(
        "truncate",
        "Classification: truncate long texts, or average the answers over windows.",
    )
    document_context: bool = cli.option(
        False, "Tagging: give each sentence as much surrounding text as fits."
    )

    def chosen_dataset(self, labels: Sequence[str] | None = None) -> Dataset:
        """The dataset that is named, or one made from the user's files.

        Args:
            labels: the labels of the user's files, if known; see `catalog.from_files`.

        Raises:
            ValueError: both or neither are given, or the options do not fit each other.
        """
        files: dict[Role, str | None] = {
            "train": self.train_file,
            "dev": self.dev_file,
            "test": self.test_file,
        }
        given = [split for split, path in files.items() if path is not None]
        if (self.dataset is None) == (not given):
            raise ValueError(
                f"Received dataset={self.dataset!r} and files for {given}. Expected "
                f"one of the two: a dataset of {list(catalog.DATASETS)}, or your own "
                "files."
            )
        if self.dataset is not None:
            return catalog.find(self.dataset)
        if self.kind is None:
            raise ValueError(
                f"Received files for {given} without kind. Expected --kind, one of "
                f"{', '.join(get_args(TaskKind))}."
            )
        return catalog.from_files(self.kind, files, self, labels)

    def data_files(self, splits: Sequence[str]) -> dict[str, list[str]]:
        """The existing files of the options, or of splits of the dataset."""
        if self.dataset is not None:
            dataset = catalog.find(self.dataset)
            return {
                f"{self.dataset} ({split})": catalog.files_of(
                    dataset, split, self.data_dir
                )
                for split in splits
            }
        names = ("train_file", "dev_file", "test_file")
        given = {name: getattr(self, name) for name in names}
        return {name: own_files.files_of(p) for name, p in given.items() if p}

    def lengths(self, dataset: Dataset, max_positions: int) -> Lengths:
        """The lengths to which texts are cut.

        Raises:
            ValueError: sequences would exceed the length of the model, or an option is
                for another kind.
        """
        kind = KINDS[dataset.kind]
        if self.document_context and kind.join_documents is None:
            raise ValueError(
                f"Received document_context for {dataset.name}, a dataset of kind "
                f"{kind.name}. Expected it only for token_tagging: leave it out."
            )
        return kind.lengths(
            max_positions,
            self.max_length,
            self.stride,
            self.max_question_length,
            self.long_texts == "windows",
        )


def check_pairs(dataset: Dataset, pairs: bool | None) -> None:
    """Checks that a dataset has single texts or pairs, as a classifier expects.

    Args:
        dataset: the dataset.
        pairs: see `Task`.

    Raises:
        ValueError: the dataset has the other.
    """
    reader = dataset.reader
    if pairs is None or not isinstance(reader, TextTable):
        return
    if pairs != bool(reader.second):
        names = {True: "pairs of texts", False: "single texts"}
        remedy = "name the column with" if pairs else "leave out"
        raise ValueError(
            f"The dataset {dataset.name} has {names[not pairs]}, but the model was "
            f"fine-tuned on {names[pairs]}. Expected the same: {remedy} "
            "--second_column, or choose another model."
        )


def read(
    dataset: Dataset, split: str, data_dir: str | None
) -> tuple[list[Any], Dataset]:
    """Reads the examples of a split, and returns the dataset with its labels, too.

    If the dataset does not name its labels, they are taken from these examples. The
    log of the reading is printed.
    """
    log = ReadLog(split)
    try:
        examples = list(catalog.read(dataset, split, data_dir, log))
    finally:
        for line in log.lines():
            print(line, file=sys.stderr)
    if KINDS[dataset.kind].has_labels and dataset.labels is None:
        dataset = dataclasses.replace(dataset, labels=labels_in(examples))
    return examples, dataset
