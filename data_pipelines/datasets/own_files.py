"""A user's own files as a dataset."""

import dataclasses
import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from data_pipelines.datasets.conll import UPOS_COLUMN, ConllFile
from data_pipelines.datasets.correction import CorrectionTable
from data_pipelines.datasets.multiple_choice import ChoiceTable
from data_pipelines.datasets.read_log import ReadLog
from data_pipelines.datasets.sources import (
    Dataset,
    Files,
    Reader,
    Reading,
    Role,
    Split,
    TaskKind,
)
from data_pipelines.datasets.squad import SquadJson
from data_pipelines.datasets.table_reader import TableReader
from data_pipelines.datasets.tagging_schemes import are_entities
from data_pipelines.datasets.text_files import existing
from data_pipelines.datasets.text_tables import TextTable
from data_pipelines.programs import cli

# Enough to meet an entity, little enough to read twice.
_MAX_SENTENCES_TO_DETECT = 10_000


@dataclasses.dataclass(frozen=True)
class ColumnOptions:
    """Options that name the columns of own files."""

    first_column: str = cli.option("text", "Own tables: the text, or the first text.")
    second_column: str | None = cli.option(
        None, "Own tables: the second text, or a text that is put before each choice."
    )
    label_column: str = cli.option(
        "label", "Own tables: the class, the score, or the right choice from 0."
    )
    id_column: str | None = cli.option(
        None, "Own tables: names of the examples. Default: their numbers from 0."
    )
    corrected_column: str = cli.option(
        "corrected", "Own tables: the corrected text; equal to the text: a clean one."
    )
    choice_columns: tuple[str, ...] = cli.option((), "Own tables: the choices.")
    column_names: tuple[str, ...] = cli.option(
        (), "Own tables without a header: the names of their columns."
    )
    tag_column: int | None = cli.option(
        None,
        "Own CoNLL files: the tags, from 0, or from the end with -1. Default: the "
        "last; UPOS in .conllu.",
    )


def from_files(
    kind: TaskKind,
    files: Mapping[Role, str | None],
    columns: ColumnOptions = ColumnOptions(),
    labels: Sequence[str] | None = None,
) -> Dataset:
    """Files of any kind as a dataset, named "files".

    Tables (classification, regression, multiple choice, correction) are as
    `tables.read_rows` takes them, tagged sentences as `ConllFile` does, questions are
    in SQuAD's JSON. Tags of entities (BIO, BIOES, …) are recognised, become IOB2 and
    are evaluated as entities.

    Args:
        kind: the task.
        files: paths by split, at least one. Labels of a test are optional.
        columns: of tables and CoNLL files.
        labels: names of classes or tags in the order of their ids. None: those of the
            training data.

    Raises:
        FileNotFoundError: the tags have to be looked at, and the file is not there.
        ValueError: the kind is unknown, or files or choices are missing.
    """
    if kind not in _KINDS:
        raise ValueError(f"Received kind={kind!r}. Expected one of {list(_KINDS)}.")
    given = {split: path for split, path in files.items() if path is not None}
    if not given:
        raise ValueError(
            "Received no files. Expected a train_file, dev_file or test_file."
        )
    metrics, make_reader = _KINDS[kind]
    reader = make_reader(columns, next(iter(given.values())), labels)
    if isinstance(reader, ConllFile) and reader.are_entities:
        metrics = ("entity_f1", *metrics)
    names = columns.column_names or None
    return Dataset(
        name="files",
        kind=kind,
        labels=tuple(labels) if labels is not None else None,
        metrics=metrics,
        splits={s: Split((Files((path,), names),)) for s, path in given.items()},
        reader=reader,
        num_choices=len(reader.choices) if isinstance(reader, ChoiceTable) else None,
    )


def _table(
    reader: type[TableReader], columns: ColumnOptions, label_column: str, **more: Any
) -> TableReader:
    return reader(
        first=(columns.first_column,),
        label=(label_column,),
        id=_names(columns.id_column),
        is_published=False,
        **more,
    )


def _texts(columns: ColumnOptions, is_score: bool = False) -> TableReader:
    second, label = _names(columns.second_column), columns.label_column
    return _table(TextTable, columns, label, second=second, is_score=is_score)


def _choices(columns: ColumnOptions, *_: Any) -> TableReader:
    choices, stem = columns.choice_columns, columns.second_column
    if len(choices) < 2:
        raise ValueError(
            f"Received choice_columns={list(choices)}. Expected at least two names of "
            "columns, those of the choices."
        )
    return _table(
        ChoiceTable, columns, columns.label_column, choices=choices, stem=stem
    )


def _tags(columns: ColumnOptions, path: str, labels: Sequence[str] | None) -> ConllFile:
    tag_column = columns.tag_column
    if tag_column is None:
        is_conllu = path.lower().removesuffix(".gz").endswith(".conllu")
        tag_column = UPOS_COLUMN if is_conllu else -1
    file = ConllFile(tag_column, are_entities=False)
    if labels is None:
        reading = Reading("test", None, ReadLog("tags"))
        sentences = file.read_files(Files((existing(path) or path,)), reading)
        some = itertools.islice(sentences, _MAX_SENTENCES_TO_DETECT)
        labels = list({tag for sentence in some for tag in sentence.tags or ()})
    return dataclasses.replace(file, are_entities=are_entities(labels))


def _names(column: str | None) -> tuple[str, ...]:
    return () if column is None else (column,)


# Metrics of a kind, and its reader, made from columns, the first file and labels.
_KINDS: dict[TaskKind, tuple[tuple[str, ...], Callable[..., Reader]]] = {
    "classification": (("accuracy",), lambda columns, *_: _texts(columns)),
    "regression": (
        ("spearman", "pearson"),
        lambda columns, *_: _texts(columns, is_score=True),
    ),
    "token_tagging": (("accuracy",), _tags),
    "span_qa": (("f1", "exact"), lambda *_: SquadJson()),
    "multiple_choice": (("accuracy",), _choices),
    "correction": (
        ("edit_f05",),
        lambda columns, *_: _table(CorrectionTable, columns, columns.corrected_column),
    ),
}
