"""Datasets from a user's own files."""

import dataclasses
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from data_pipelines.datasets import brat
from data_pipelines.datasets.column_layout import Column
from data_pipelines.datasets.correction import CorrectionTable
from data_pipelines.datasets.multiple_choice import ChoiceTable
from data_pipelines.datasets.sources import (
    Dataset,
    Files,
    Reader,
    Role,
    Split,
    TaskKind,
)
from data_pipelines.datasets.squad import SquadJson
from data_pipelines.datasets.table_reader import TableReader
from data_pipelines.datasets.tagged_files import TaggedFiles
from data_pipelines.datasets.tagging_schemes import Scheme, find_scheme
from data_pipelines.datasets.text_files import existing
from data_pipelines.datasets.text_tables import TextTable
from data_pipelines.files.fingerprints import present
from data_pipelines.programs import cli


@dataclasses.dataclass(frozen=True)
class ColumnOptions:
    """Options that name the columns of a user's own files."""

    first_column: str = cli.option(
        "text", "Your own tables: column of the text, or of the first text."
    )
    second_column: str | None = cli.option(
        None, "Your own tables: column of the second text, or of text before a choice."
    )
    label_column: str = cli.option(
        "label",
        "Your own tables: column of the class, the score, or the right choice from 0.",
    )
    id_column: str | None = cli.option(
        None, "Your own tables: column of example ids. Default: numbers from 0."
    )
    corrected_column: str = cli.option(
        "corrected",
        "Your own tables: column of the corrected text, which may equal the text.",
    )
    choice_columns: tuple[str, ...] = cli.option(
        (), "Your own tables: columns of the choices."
    )
    column_names: tuple[str, ...] = cli.option(
        (), "Your own tables without a header: names of the columns."
    )
    word_column: str | None = cli.option(
        None,
        "Your own tagged files: column of the words, by number from 0, or by name. "
        "Default: detected.",
    )
    tag_column: str | None = cli.option(
        None,
        "Your own tagged files: column of the tags, by number from 0, or from the end "
        "with -1, or by name. Default: the last; UPOS in CoNLL-U; ner_tags and others "
        "in JSON.",
    )
    tag_names: tuple[str, ...] = cli.option(
        (), "Your own files with numbers as tags: the tag names in order, O,B-PER,..."
    )
    tags: Literal["entities", "labels"] | None = cli.option(
        None,
        "Your own tagged files: entities (BIO, BIOES, ...), scored as entities, or "
        "labels, used unchanged. Default: detected.",
    )


def from_files(
    kind: TaskKind,
    files: Mapping[Role, str | None],
    columns: ColumnOptions = ColumnOptions(),
    labels: Sequence[str] | None = None,
) -> Dataset:
    """Creates a dataset named "files" from files of any kind.

    For the formats of tables (classification, regression, multiple choice, correction)
    see `tables.read_rows`, for tagged sentences see `TaggedFiles`; questions are in
    SQuAD's JSON. Entity tags (BIO, BIOES, …) are detected, converted to IOB2 and
    evaluated as entities.

    Args:
        kind: the task.
        files: paths by split, at least one. Labels of a test set are optional. A folder
            contains brat's files.
        columns: columns of tables and tagged sentences.
        labels: names of classes or tags in the order of their ids. None: those of the
            training data.

    Raises:
        FileNotFoundError: a file whose tags must be inspected does not exist.
        ValueError: the kind is unknown, or files or choices are missing.
    """
    if kind not in _KINDS:
        raise ValueError(f"Received kind={kind!r}. Expected one of {list(_KINDS)}.")
    given = {split: path for split, path in files.items() if path is not None}
    if not given:
        raise ValueError(
            "Received no files. Expected at least one: set train_file, dev_file or "
            "test_file."
        )
    metrics, make_reader = _KINDS[kind]
    reader = make_reader(columns, given, labels)
    if isinstance(reader, TaggedFiles) and reader.scheme is not None:
        metrics = ("entity_f1", *metrics)
    names = columns.column_names or None
    return Dataset(
        name="files",
        kind=kind,
        labels=tuple(labels) if labels is not None else None,
        metrics=metrics,
        splits={
            split: Split((Files(brat.documents_in(path), names),))
            for split, path in given.items()
        },
        reader=reader,
        num_choices=len(reader.choices) if isinstance(reader, ChoiceTable) else None,
    )


def metrics_of(kind: TaskKind) -> tuple[str, ...]:
    """The metrics of own examples, the first of which chooses the best checkpoint."""
    return _KINDS[kind][0]


def files_of(path: str) -> list[str]:
    """Returns all files that are read for a path: for brat, texts and spans."""
    found: list[str | None] = []
    for name in brat.documents_in(path):
        spans = brat.annotations_of(name)
        text = spans and f"{spans.removesuffix('.ann')}.txt"
        found += [existing(name), spans, text]
    return list(dict.fromkeys(present(*found)))


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
            f"Received choice_columns={list(choices)}. Expected the columns of at "
            "least two choices: name them with choice_columns."
        )
    return _table(
        ChoiceTable, columns, columns.label_column, choices=choices, stem=stem
    )


def _tags(
    columns: ColumnOptions, files: Mapping[Role, str], labels: Sequence[str] | None
) -> TaggedFiles:
    reader = TaggedFiles(
        word_column=_column(columns.word_column),
        tag_column=_column(columns.tag_column),
        text_column=columns.first_column,
        column_names=columns.column_names,
        tag_names=columns.tag_names,
        trusts_tags=columns.tags is not None,
    )
    tags = columns.tags
    if labels is not None and tags is None:
        tags = "entities" if find_scheme(labels) == (Scheme(), set()) else "labels"
    role, given = next(iter(files.items()))
    path = brat.documents_in(given)[0]
    found = existing(path)
    if role == "predict" or (found is None and labels is not None):
        scheme = Scheme() if tags == "entities" else None
    else:
        scheme = reader.found_scheme(found or path, tags)
    return dataclasses.replace(reader, scheme=scheme)


def _column(option: str | None) -> Column | None:
    is_number = option is not None and re.fullmatch(r"-?\d+", str(option))
    return int(str(option)) if is_number else option


def _names(column: str | None) -> tuple[str, ...]:
    return () if column is None else (column,)


# Metrics of each kind, and a function from columns, files by split and labels to a
# reader.
_KINDS: dict[TaskKind, tuple[tuple[str, ...], Callable[..., Reader]]] = {
    "classification": (("accuracy", "f1"), lambda columns, *_: _texts(columns)),
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
