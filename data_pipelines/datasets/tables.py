"""Rows of CSV, TSV and JSON lines, each with its place in the file."""

import csv
import dataclasses
import json
from collections.abc import Iterator, Sequence
from typing import Any

from data_pipelines.datasets.json_objects import read_objects
from data_pipelines.datasets.read_log import ReadLog
from data_pipelines.datasets.text_files import read_lines

_FORMATS = ("csv", "tsv", "txt", "jsonl", "json")
# Of one field. The module's own limit, 131,072, is less than some documents have.
_MAX_FIELD_CHARACTERS = 1 << 24


@dataclasses.dataclass(frozen=True, slots=True)
class Row:
    """One row of a table.

    Attributes:
        values: by column, unchanged: texts, or of JSON any value.
        place: in the file, such as "line 17".
    """

    values: dict[str, Any]
    source: str
    place: str

    def get(self, *columns: str) -> str | None:
        """The text in the first of these columns that the row has.

        A number is the text that JSON writes for it, null is "".

        Raises:
            ValueError: it is a list or an object.
        """
        column = next((c for c in columns if c in self.values), None)
        if column is None:
            return None
        value = self.values[column]
        if isinstance(value, list | dict):
            raise ValueError(
                f"{self.where}: received a {type(value).__name__} in the column "
                f"{column!r}, {str(value)[:100]}. Expected a text: name another column."
            )
        if isinstance(value, str):
            return value
        return "" if value is None else json.dumps(value)

    def value(self, *columns: str) -> str:
        """As `get`, but one of the columns has to be there.

        Raises:
            ValueError: there is none.
        """
        value = self.get(*columns)
        if value is None:
            raise ValueError(
                f"{self.where}: no column {' or '.join(map(repr, columns))} but "
                f"{str(list(self.values))[:300]}. Expected it to be there: name the "
                "columns that are meant, or, if the first line of the file is no "
                "header, all of its columns."
            )
        return value

    @property
    def where(self) -> str:
        """File and place, for messages."""
        return f"{self.source}, {self.place}"


def read_rows(
    path: str, names: Sequence[str] | None = None, ragged: ReadLog | None = None
) -> Iterator[Row]:
    r"""The rows of one file, read lazily.

    A file `a.tsv` with the lines `["id\ttext", "7\tSo-called \"it"]` gives the row
    `Row({"id": "7", "text": 'So-called "it'}, "a.tsv", "line 2")`.

    The name tells the format; each may be compressed (`.gz`):

    - `.csv`: commas, and quotes around fields that hold commas, quotes or line ends.
    - `.tsv`, `.txt`: tabs. Quotes are characters as others are, as in the files of
      GLUE.
    - `.jsonl`, `.json`: an object a line, or an array of objects.

    Args:
        path: local or remote.
        names: of the columns, if the first line of a CSV or TSV is no header.
        ragged: rows with too few or too many fields are skipped, and counted here.
            None: they are an error.

    Raises:
        FileNotFoundError: no such file.
        ValueError: its name tells no format, it is no UTF-8 text, has no rows, or a
            row is not as expected.
    """
    ending = path.lower().removesuffix(".gz").rpartition(".")[2]
    if ending not in _FORMATS:
        raise ValueError(
            f"Received the table {path!r}. Expected a name that ends in one of "
            f"{list(_FORMATS)}, or in these and .gz: rename it as what it is."
        )
    rows: Iterator[Row]
    if ending in ("jsonl", "json"):
        rows = (Row(values, path, place) for place, values in read_objects(path))
    elif ending == "csv":
        rows = _rows(path, _csv_lines(path), names, ragged)
    else:
        lines = (line.split("\t") for line in read_lines(path))
        rows = _rows(path, enumerate(lines, start=1), names, ragged)
    first = next(rows, None)
    if first is None:
        raise ValueError(
            f"{path} has no rows. Expected some, after the header if it has one."
        )
    yield first
    yield from rows


def _csv_lines(path: str) -> Iterator[tuple[int, list[str]]]:
    csv.field_size_limit(_MAX_FIELD_CHARACTERS)
    reader = csv.reader((f"{line}\n" for line in read_lines(path)), strict=True)
    line = 1
    try:
        for fields in reader:
            yield line, fields or [""]
            line = reader.line_num + 1
    except csv.Error as error:
        raise ValueError(
            f"{path}, line {line}: no CSV ({error}). Expected quotes around a "
            'field to be closed, and doubled ("") inside of it: correct the row, '
            "or write tabs between the fields and name the file .tsv."
        ) from None


def _rows(
    path: str,
    lines: Iterator[tuple[int, list[str]]],
    names: Sequence[str] | None,
    ragged: ReadLog | None,
) -> Iterator[Row]:
    if names is None:
        _, names = next(lines)
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(
                f"{path}: the header has the columns {twice} more than once. Expected "
                "a name of its own for each column: rename them."
            )
    for line, fields in lines:
        if len(fields) == len(names):
            yield Row(dict(zip(names, fields, strict=True)), path, f"line {line}")
        elif fields == [""]:
            continue
        elif ragged is not None:
            ragged.skip("wrong number of fields", f"line {line}")
        else:
            raise ValueError(
                f"{path}, line {line}: received {len(fields)} fields, expected "
                f"{len(names)}: {str(list(names))[:300]}. Correct the row: a separator "
                "or line end may stand inside of a text."
            )
