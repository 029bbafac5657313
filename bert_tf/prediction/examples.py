"""Examples to answer: lines, tables, CoNLL files, SQuAD's JSON, or a dataset."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from bert_tf.prediction.rows import AnswerColumns
from bert_tf.tasks.kind import Columns, Kind, Task
from data_pipelines.datasets import catalog, tables, text_files
from data_pipelines.datasets.read_log import ReadLog
from data_pipelines.datasets.sources import Dataset
from data_pipelines.datasets.tables import Row
from data_pipelines.datasets.text_files import ending_of

# Examples, each with the columns that are kept beside its answer.
Examples = Iterable[tuple[Columns, Any]]

_TABLES = ("csv", "tsv", "jsonl", "ndjson")
_OF_DATASETS = ("json", "conll", "conllu", "iob", "bio")


def dataset_examples(
    dataset: Dataset, split: str, data_dir: str | None, log: ReadLog
) -> Examples:
    """The examples of a split, with their ids, read as they are needed."""
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
    """The examples of a file, all of them in order, read as they are needed.

    Args:
        path: a table, lines (any other ending), a CoNLL file (`.conll`, `.conllu`,
            `.iob`, `.bio`), questions (`.json`); None: lines of standard input.
        names: of the columns of a table without a header.
        as_dataset: the file as the split "predict" of a dataset.
        log: counts what is read; complete after the last example.

    Raises:
        ValueError: the file is of another kind than the model.
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
    """The texts of a file or of standard input, each with the columns that are kept.

    Args:
        path: a table, or a text a line.
        column: that of the text, of a table.
        names: of the columns of a table without a header.
        log: notes how a table is read.
    """
    if ending_of(path) in (*_TABLES, "json"):
        for row in tables.read_rows(str(path), names, log):
            yield row.values, row.value(column)
    else:
        for line in text_files.read_lines(path):
            yield {"text": line}, line


def answer_columns(path: str | None, names: Sequence[str] | None) -> AnswerColumns:
    """Puts answers beside the columns of a file.

    A table is read once to its end, so that a row that is not as expected is an error
    before the first row is answered.

    Args:
        path: a table, or any other file, which has no columns.
        names: of the columns of a table without a header.
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
