"""Examples to answer: lines, tables, CoNLL files, SQuAD's JSON, or a dataset."""

import sys
from collections.abc import Callable, Iterable
from typing import Any

from bert_tf.tasks.kind import Columns, Kind
from data_pipelines.datasets import catalog, tables, text_files
from data_pipelines.datasets.read_log import ReadLog
from data_pipelines.datasets.sources import Dataset

# Examples, each with the columns that are kept beside its answer.
Examples = Iterable[tuple[Columns, Any]]

_TABLES = (".csv", ".tsv", ".jsonl", ".ndjson")
_OF_DATASETS = (".json", ".conll", ".conllu", ".iob", ".bio")


def dataset_examples(
    dataset: Dataset, split: str, data_dir: str | None, log: ReadLog
) -> Examples:
    """The examples of a split, with their ids, read as they are needed."""
    examples = catalog.read(dataset, split, data_dir, log)
    return (({"id": example.id}, example) for example in examples)


def file_examples(
    kind: Kind,
    path: str | None,
    first_column: str,
    as_dataset: Callable[[], Dataset],
    log: ReadLog,
) -> Examples:
    """The examples of a file, read as they are needed.

    Args:
        path: a table, lines (any other ending), a CoNLL file (`.conll`, `.conllu`,
            `.iob`, `.bio`), questions (`.json`); None: lines of standard input.
        first_column: of a table of running text.
        as_dataset: the file as the test split of a dataset.
        log: counts what is read; complete after the last example.

    Raises:
        ValueError: the file is of another kind than the model.
    """
    name = (path or "").lower().removesuffix(".gz")
    if name.endswith(_TABLES):
        if kind.read_row is not None:
            return _rows(kind.read_row, str(path), first_column, log)
    elif not name.endswith(_OF_DATASETS) and not (path and kind.recognises(path)):
        return _lines(kind, path, log)
    rows = catalog.read_with_columns(as_dataset(), "test", None, log)
    return ((row or {"id": example.id}, example) for row, example in rows)


def _lines(kind: Kind, path: str | None, log: ReadLog) -> Examples:
    lines: Iterable[str]
    if path is None:
        lines = (line.decode("utf-8", "replace") for line in sys.stdin.buffer)
    else:
        lines = text_files.read_lines(path)
    for number, line in enumerate(lines):
        line = line.rstrip("\r\n")
        if not line.strip():
            log.skip("empty line", f"line {number + 1}")
            continue
        found = kind.read_line(str(number), line)
        log.use()
        yield found


def _rows(read_row: Any, path: str, first_column: str, log: ReadLog) -> Examples:
    for number, row in enumerate(tables.read_rows(path)):
        example = read_row(number, row, first_column)
        if isinstance(example, str):
            log.skip(example, row.place)
        else:
            log.use()
            yield row.values, example
