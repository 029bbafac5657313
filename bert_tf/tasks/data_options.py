"""Which examples a verb works on, and how they become sequences: from its options."""

import dataclasses
import sys
from typing import Any, Literal, get_args

from data_pipelines.datasets import catalog
from data_pipelines.datasets.examples import labels_in
from data_pipelines.datasets.read_log import ReadLog
from data_pipelines.datasets.sources import Dataset, Role, TaskKind
from data_pipelines.finetuning.token_tagging import merged_documents
from data_pipelines.programs import cli

# As in google-research/bert: run_squad.py, and run_classifier.py for all others.
_MAX_LENGTH = {"span_qa": 384}
_DEFAULT_MAX_LENGTH = 128
_QA_STRIDE = 128


@dataclasses.dataclass(frozen=True)
class DataOptions:
    """Where the examples are, and how they are cut."""

    dataset: str | None = cli.option(
        None, "A name of the catalogue, such as glue/sst2; or --kind and own files."
    )
    data_dir: str | None = cli.option(
        None, "The folder with the dataset's files. Default: TFDS loads it."
    )
    kind: TaskKind | None = cli.option(None, "What is asked of files of your own.")
    train_file: str | None = cli.option(
        None, "Own examples to train on: CSV, TSV, JSONL; CoNLL; SQuAD's JSON."
    )
    dev_file: str | None = cli.option(None, "Own examples to choose the best by.")
    test_file: str | None = cli.option(None, "Own examples for a last look.")
    first_column: str = cli.option("text", "Own tables: the text, or the first text.")
    second_column: str | None = cli.option(None, "Own tables: the second text.")
    label_column: str = cli.option("label", "Own tables: the class or the score.")
    id_column: str | None = cli.option(None, "Own tables: names of the examples.")
    corrected_column: str = cli.option(
        "corrected", "Own tables: the corrected text; equal to the text: a clean one."
    )
    choice_columns: tuple[str, ...] = cli.option((), "Own tables: the choices.")
    column_names: tuple[str, ...] = cli.option(
        (), "Own tables without a header: the names of their columns."
    )
    tag_column: int | None = cli.option(
        None, "Own CoNLL files: from 0, or from the end with -1. Default: the last."
    )
    max_length: int | None = cli.option(
        None,
        "Tokens of a sequence. Default: 128; 384 for questions; at most the model.",
    )
    stride: int | None = cli.option(
        None,
        "Tokens between the windows of a long text. Default: 128 for questions, half "
        "of max_length for tags and corrections, a quarter for classes.",
    )
    max_question_length: int = cli.option(64, "Tokens of a question.")
    long_texts: Literal["truncate", "windows"] = cli.option(
        "truncate",
        "Classification: cut long texts off, or average the answers for their windows.",
    )
    document_context: bool = cli.option(
        False, "Tagging: each sentence is seen with as much as fits around it."
    )


def dataset_of(options: DataOptions) -> Dataset:
    """The dataset that is named, or made of the user's files.

    Raises:
        ValueError: both or neither are given, or they do not fit each other.
    """
    files = {
        name: getattr(options, name) for name in ("train_file", "dev_file", "test_file")
    }
    given = [name for name, path in files.items() if path is not None]
    if (options.dataset is None) == (not given):
        raise ValueError(
            f"Received dataset={options.dataset!r} and the files {given}. Expected one "
            f"of the two: a dataset of {list(catalog.DATASETS)}, or own files."
        )
    if options.dataset is not None:
        return catalog.find(options.dataset)
    if options.kind is None:
        raise ValueError(
            f"Received {given} without kind. Expected --kind, what is asked of them: "
            f"{', '.join(get_args(TaskKind))}."
        )
    return own_files(options, options.kind, **files)


def own_files(
    options: DataOptions,
    kind: TaskKind,
    labels: tuple[str, ...] | None = None,
    **files: str | None,
) -> Dataset:
    """Files whose columns the options name, as a dataset.

    Args:
        options: their columns.
        kind: what is asked of them.
        labels: of the model that answers; None: those of the training data.
        files: `train_file`, `dev_file`, `test_file`.
    """
    columns = catalog.Columns(
        first=options.first_column,
        second=options.second_column,
        label=options.label_column,
        id=options.id_column,
        choices=options.choice_columns,
        names=options.column_names,
        tag=options.tag_column,
        corrected=options.corrected_column,
    )
    splits: tuple[Role, ...] = ("train", "dev", "test")
    paths = {split: files.get(f"{split}_file") for split in splits}
    return catalog.from_files(kind, paths, columns, labels)


def read(
    options: DataOptions, dataset: Dataset, split: str
) -> tuple[list[Any], Dataset]:
    """The examples of a split, and the dataset with its labels; says what was read.

    Labels that the dataset does not name are those of these examples.
    """
    log = ReadLog(split)
    try:
        examples = list(catalog.read(dataset, split, options.data_dir, log))
    finally:
        for line in log.lines():
            print(line, file=sys.stderr)
    named = dataset.kind in ("classification", "token_tagging")
    if named and dataset.labels is None:
        dataset = dataclasses.replace(dataset, labels=labels_in(examples))
    return examples, dataset


def training_examples(options: DataOptions, examples: list[Any]) -> list[Any]:
    """What the sequences to train on are made of: with a document's context, documents.

    The sentences of a document then share the windows.
    """
    return merged_documents(examples) if options.document_context else examples


def encoding_arguments(
    options: DataOptions, dataset: Dataset, max_positions: int
) -> dict[str, Any]:
    """The arguments of the kind's encoding, besides the tokenizer.

    Raises:
        ValueError: sequences would be longer than the model, or an option is for
            another kind.
    """
    kind = dataset.kind
    if options.document_context and kind != "token_tagging":
        raise ValueError(
            f"Received document_context for {dataset.name}, a dataset of the kind "
            f"{kind}. Expected it for token_tagging alone: leave it out."
        )
    max_length = options.max_length
    if max_length is None:
        max_length = _MAX_LENGTH.get(kind, _DEFAULT_MAX_LENGTH)
        max_length = min(max_length, max_positions)
    if not 8 <= max_length <= max_positions:
        raise ValueError(
            f"Received max_length={max_length}. Expected 8 to {max_positions}, the "
            "positions of the model."
        )
    arguments: dict[str, Any] = {"max_length": max_length}
    if kind == "span_qa":
        # A short model leaves less room than the paper's stride.
        length = min(options.max_question_length, max_length // 3)
        # Four special tokens at most, see `packing.pair_room`.
        room = max_length - 4 - length
        return {
            **arguments,
            "stride": options.stride or min(_QA_STRIDE, room),
            "max_question_length": length,
        }
    if kind == "token_tagging":
        stride = options.stride or max_length // 2
        return {**arguments, "labels": dataset.labels, "stride": stride}
    if kind == "correction":
        return {**arguments, "stride": options.stride or max_length // 2}
    if kind == "multiple_choice":
        return {**arguments, "group_size": dataset.num_choices}
    windows = options.long_texts == "windows"
    # Of a pair, the first text may take half of the room.
    stride = options.stride or max_length // 4
    return {
        **arguments,
        "labels": dataset.labels,
        "stride": stride if windows else None,
    }
