"""Reads examples to answer: lines, tables, CoNLL files, SQuAD's JSON, or a dataset."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from bert_tf.prediction.rows import AnswerColumns
from bert_tf.tasks.kind import Columns, Kind, Task
from data_pipelines.datasets import catalog, tables, text_files
from data_pipelines.datasets.read_log import ReadLog
from data_pipelines.datasets.sources import Dataset
from data_pipelines.datasets.tables import Row
from data_pipelines.datasets.text_files import ending_of

# Examples, each with the columns that are written beside its answer.
Examples = Iterable[tuple[Columns, Any]]

_TABLES = ("csv", "tsv", "jsonl", "ndjson")
_OF_DATASETS = ("json", "conll", "conllu", "iob", "bio")


def dataset_examples(
    dataset: Dataset, split: str, data_dir: str | None, log: ReadLog
) -> Examples:
    """Reads the examples of a split lazily, with their ids."""
    examples = catalog.read(dataset, split, data_dir, log)
    return (({"id": example.id}, example) for example in examples)


def file_examples(
    kind: Kind,
    task: Task,
    path: str | None,
    names: Sequence[str] | None,
    as_dataset: Callable[[], Dataset],
    log: ReadLog,
) -> Examples:
    """Reads all examples of a file lazily, in order.

    Args:
        kind, task: the kind and the task of the model.
        path: a table, lines (any other ending), a CoNLL file (`.conll`, `.conllu`,
            `.iob`, `.bio`), questions (`.json`); None: lines of standard input.
        names: the column names of a table without a header.
        as_dataset: returns a dataset with the file as its split "predict".
        log: counts the examples; complete after the last one.

    Raises:
        ValueError: the kind of the file is not that of the model.
    """
    is_named = ending_of(path) in (*_TABLES, *_OF_DATASETS)
    if not is_named and not (path and kind.recognises(path)):
        return _lines(kind, task, path, log)
    if ending_of(path) in _TABLES and kind.read_row is not None:
        return _rows(kind.read_row, str(path), names, log)
    rows = catalog.read_with_columns(as_dataset(), "predict", None, log)
    return ((row or {"id": example.id}, example) for row, example in rows)


def text_columns(
    path: str | None, column: str, names: Sequence[str] | None, log: ReadLog
) -> Iterator[tuple[Columns, str]]:
    """Reads the texts of a file or of standard input, with the columns to keep.

    Args:
        path: a table, or a file with one text per line.
        column: the column of the text in a table.
        names: the column names of a table without a header.
        log: records how a table is read.
    """
    if ending_of(path) in (*_TABLES, "json"):
        for row in tables.read_rows(str(path), names, log):
            yield row.values, row.value(column)
    else:
        for line in text_files.read_lines(path):
            yield {"text": line}, line


def answer_columns(path: str | None, names: Sequence[str] | None) -> AnswerColumns:
    """The columns of a file, beside which answers are written.

    A table is read once to its end, so that a malformed row is reported before the
    first row is answered.

    Args:
        path: a table, or any other file, which has no columns.
        names: the column names of a table without a header.
    """
    if ending_of(path) in _TABLES:
        return AnswerColumns(tables.column_names(str(path), names))
    return AnswerColumns(())


def _lines(kind: Kind, task: Task, path: str | None, log: ReadLog) -> Examples:
    for number, line in enumerate(text_files.read_lines(path)):
        log.use()
        yield kind.read_line(str(number), line, task)


def _rows(
    read_row: Callable[[int, Row], Any],
    path: str,
    names: Sequence[str] | None,
    log: ReadLog,
) -> Examples:
    for number, row in enumerate(tables.read_rows(path, names, log)):
        log.use()
        yield row.values, read_row(number, row)
