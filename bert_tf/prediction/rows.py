"""Rows of plain values as files: CSV, TSV or JSON lines."""

import contextlib
import csv
import json
import os
import sys
from collections.abc import Iterator
from typing import Any, TextIO

import tensorflow as tf

from data_pipelines.files.atomic import complete_file, require_new

_DELIMITERS = {".csv": ",", ".tsv": "\t"}
ENDINGS = (*_DELIMITERS, ".jsonl")


class RowWriter:
    """Writes rows to a new file, or as JSON lines to standard output.

    The file appears when the block of `open` ends well.

    Args:
        path: its ending, one of `ENDINGS`, tells the format; None: standard output.

    Raises:
        ValueError: another ending.
        FileExistsError: the file exists.
    """

    def __init__(self, path: str | None) -> None:
        self._path = path
        self._ending = ".jsonl" if path is None else os.path.splitext(path)[1]
        if self._ending not in ENDINGS:
            raise ValueError(
                f"Received the output file {path!r}. Expected a name that ends in one "
                f"of {list(ENDINGS)}."
            )
        if path is not None:
            require_new(path)
        self._table: Any = None

    @contextlib.contextmanager
    def open(self) -> Iterator["RowWriter"]:
        """The writer, inside a `with`."""
        if self._path is None:
            self._file: TextIO = sys.stdout
            yield self
            return
        with (
            complete_file(self._path, overwrite=False) as temporary,
            tf.io.gfile.GFile(temporary, "w") as self._file,
        ):
            yield self

    def write(self, row: dict[str, Any]) -> None:
        """Writes a row; in a table, lists and dicts are written as JSON."""
        if self._ending == ".jsonl":
            self._file.write(json.dumps(row, ensure_ascii=False) + "\n")
            return
        if self._table is None:
            delimiter = _DELIMITERS[self._ending]
            self._table = csv.DictWriter(
                self._file, list(row), delimiter=delimiter, lineterminator="\n"
            )
            self._table.writeheader()
        self._table.writerow({name: _cell(value) for name, value in row.items()})


def _cell(value: Any) -> Any:
    if isinstance(value, list | dict):
        return json.dumps(value, ensure_ascii=False)
    return value
