"""Rows of plain values as files: CSV, TSV or JSON lines."""

import contextlib
import itertools
import json
import os
import sys
import tempfile
from collections.abc import Iterable, Iterator
from typing import Any, TextIO

import tensorflow as tf

from data_pipelines.datasets.delimited import record_text
from data_pipelines.datasets.tables import cell_text
from data_pipelines.files.atomic import complete_file, require_new
from data_pipelines.files.json_files import to_json

_DELIMITERS = {".csv": ",", ".tsv": "\t"}
ENDINGS = (*_DELIMITERS, ".jsonl")


class AnswerColumns:
    """Puts answers beside the columns of a table, which keep their names and values.

    An answer that has the name of a column is called `prediction_2`, or the next
    number that is free: in all rows, also where a row of JSON lines lacks the column.

    Args:
        columns: the names that the table has, as far as they are known.

    Attributes:
        renamed: new names of answers, by their own.
    """

    def __init__(self, columns: Iterable[str]) -> None:
        self.renamed: dict[str, str] = {}
        self._columns = set(columns)

    def merged(self, columns: dict[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
        """The columns of a row, and behind them its answer."""
        self._columns |= columns.keys()
        return {**columns, **{self._name(n): value for n, value in answer.items()}}

    def lines(self) -> list[str]:
        """The lines that are printed to the user, of each name that was changed."""
        return [
            f"{name!r} is a column of the file: the answer is in {other!r}"
            for name, other in self.renamed.items()
        ]

    def _name(self, name: str) -> str:
        if name in self._columns and name not in self.renamed:
            numbered = (f"{name}_{number}" for number in itertools.count(2))
            free = next(other for other in numbered if other not in self._columns)
            self.renamed[name] = free
        return self.renamed.get(name, name)


class RowWriter:
    """Writes rows to a new file, or as JSON lines to standard output.

    The file appears when the block of `open` ends well. A table has the columns of all
    rows; those that a row lacks are empty. In its cells null is empty, numbers, true
    and false, lists and dicts are JSON, and U+0000, which is no text, is U+FFFD.
    `data_pipelines.datasets.tables` reads it as it was written.

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
        self._columns: list[str] = []

    @contextlib.contextmanager
    def open(self) -> Iterator["RowWriter"]:
        """The writer, inside a `with`."""
        if self._path is None:
            self._lines: TextIO = sys.stdout
            yield self
            return
        with (
            complete_file(self._path, overwrite=False) as temporary,
            tf.io.gfile.GFile(temporary, "w") as file,
        ):
            file.write("")  # Without a row there is a file, too.
            if self._ending == ".jsonl":
                self._lines = file
                yield self
                return
            # Not before the last row are all columns known.
            with tempfile.TemporaryFile("w+", encoding="utf-8") as self._lines:
                yield self
                self._write_table(file)

    def write(self, row: dict[str, Any]) -> None:
        """Writes a row.

        Raises:
            ValueError: a number in it is NaN or infinite.
        """
        self._lines.write(to_json(row, ensure_ascii=False) + "\n")
        if row.keys() <= set(self._columns):
            return
        # A new column comes before the one that follows it in its row.
        place = len(self._columns)
        for name in reversed(row):
            if name in self._columns:
                place = self._columns.index(name)
            else:
                self._columns.insert(place, name)

    def _write_table(self, file: TextIO) -> None:
        if not self._columns:
            return
        delimiter = _DELIMITERS[self._ending]
        self._lines.seek(0)
        file.write(_line(self._columns, delimiter, is_header=True))
        for line in self._lines:
            row = json.loads(line)
            file.write(_line([row.get(name) for name in self._columns], delimiter))


def _line(values: list[Any], delimiter: str, is_header: bool = False) -> str:
    texts = [cell_text(value).replace("\0", "\ufffd") for value in values]
    return record_text(texts, delimiter, is_header) + "\n"
