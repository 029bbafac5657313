"""Writes rows of plain values to files: CSV, TSV or JSON lines."""

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
    """Adds answers to the columns of a table, which keep their names and values.

    An answer with the name of a column, such as `prediction`, is renamed to
    `prediction_2`, or the next free number, in all rows, even if a row of JSON lines
    lacks the column.

    Args:
        columns: the known column names of the table.

    Attributes:
        renamed: new names of answers, by the original name.
    """

    def __init__(self, columns: Iterable[str]) -> None:
        self.renamed: dict[str, str] = {}
        self._columns = set(columns)

    def merged(self, columns: dict[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
        """The columns of a row, followed by its answer."""
        self._columns |= columns.keys()
        return {**columns, **{self._name(n): value for n, value in answer.items()}}

    def lines(self) -> list[str]:
        """A line to print for each renamed answer."""
        return [
            f"{name!r} is a column of the file, so the answer is in {other!r}"
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

    The file appears when the block of `open` ends without an error. A table has the
    columns of all rows; cells that a row lacks are empty. Null is an empty cell;
    numbers, booleans, lists and dicts are written as JSON; U+0000 becomes U+FFFD.
    `data_pipelines.datasets.tables` reads the same values back.

    Args:
        path: the file, whose ending, one of `ENDINGS`, selects the format; None:
            standard output.

    Raises:
        ValueError: the file has another ending.
        FileExistsError: the file exists.
    """

    def __init__(self, path: str | None) -> None:
        self._path = path
        self._ending = ".jsonl" if path is None else os.path.splitext(path)[1]
        if self._ending not in ENDINGS:
            raise ValueError(
                f"Received the output file {path!r}. Expected a name ending in one of "
                f"{list(ENDINGS)}."
            )
        if path is not None:
            require_new(path)
        self._columns: list[str] = []

    @contextlib.contextmanager
    def open(self) -> Iterator["RowWriter"]:
        """Opens the file for the block of a `with`; yields the writer."""
        if self._path is None:
            self._lines: TextIO = sys.stdout
            yield self
            return
        with (
            complete_file(self._path, overwrite=False) as temporary,
            tf.io.gfile.GFile(temporary, "w") as file,
        ):
            file.write("")  # Creates the file even if there are no rows.
            if self._ending == ".jsonl":
                self._lines = file
                yield self
                return
            # All columns are known only after the last row.
            with tempfile.TemporaryFile("w+", encoding="utf-8") as self._lines:
                yield self
                self._write_table(file)

    def write(self, row: dict[str, Any]) -> None:
        """Writes a row.

        Raises:
            ValueError: a number in the row is NaN or infinite.
        """
        self._lines.write(to_json(row, ensure_ascii=False) + "\n")
        if row.keys() <= set(self._columns):
            return
        # A new column is inserted before the column that follows it in its row.
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
