"""Reads rows of CSV, TSV and JSON lines, each with its location in the file."""

import dataclasses
import difflib
import itertools
import json
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any

from data_pipelines.datasets import delimited
from data_pipelines.datasets.delimited import DELIMITERS, Record
from data_pipelines.datasets.json_objects import read_objects
from data_pipelines.datasets.other_formats import require_no_markup, require_text
from data_pipelines.datasets.read_log import ReadLog
from data_pipelines.datasets.text_files import ending_of

_JSON = ("jsonl", "ndjson", "json")
_FORMATS = ("csv", "tsv", "txt", *_JSON)
# Number of lines from which the delimiter is detected.
_SAMPLE_LINES = 100
_SAID = re.compile(r"sep=([,;\t|])", re.IGNORECASE)


@dataclasses.dataclass(frozen=True, slots=True)
class Row:
    """One row of a table.

    Attributes:
        values: unchanged values by column: texts, or any JSON values.
        source: path of the file, or name of the TFDS split.
        place: location in the file, such as "line 17".
        columns: columns of earlier rows; those missing here are null.
    """

    values: dict[str, Any]
    source: str
    place: str
    columns: Collection[str] = ()

    def has(self, column: str) -> bool:
        """Returns True if this row or an earlier one has the column, even if empty."""
        known = (self.values, self._data, self.columns)
        return any(column in names for names in known)

    def find(self, column: str) -> Any:
        """Returns the value in a column; None if it is null or missing.

        Label Studio puts the user's columns into an object in the column "data".
        """
        return self.values.get(column, self._data.get(column))

    @property
    def _data(self) -> dict[str, Any]:
        data = self.values.get("data")
        return data if isinstance(data, dict) else {}

    def get(self, *columns: str) -> str | None:
        """Returns the text in the first of these columns that the row has, or None.

        Numbers are formatted as in JSON, null is "".

        Raises:
            ValueError: the value is a list or an object.
        """
        column = next((c for c in columns if self.has(c)), None)
        if column is None:
            return None
        value = self.find(column)
        if isinstance(value, list | dict):
            raise ValueError(
                f"{self.where}: received a {type(value).__name__} in the column "
                f"{column!r}, {str(value)[:100]}. Expected a text: name another column."
            )
        return cell_text(value)

    def value(self, *columns: str) -> str:
        """Returns the text like `get`, but requires one of the columns.

        Raises:
            ValueError: the row has none of the columns.
        """
        value = self.get(*columns)
        if value is None:
            known = [*self.values, *self._data]
            raise ValueError(
                f"{self.where}: no column {' or '.join(map(repr, columns))} but "
                f"{str(known)[:300]}{similar(columns, known)}. "
                "Expected this column: name the right one, or, if the first line of "
                "the file is not a header, name all columns with column_names."
            )
        return value

    @property
    def where(self) -> str:
        """File and location, for messages."""
        return f"{self.source}, {self.place}"


def cell_text(value: Any) -> str:
    """Formats a value for a CSV or TSV cell: null is "", others are as in JSON."""
    if isinstance(value, str):
        return value
    return "" if value is None else json.dumps(value, ensure_ascii=False)


def similar(names: Iterable[str], known: Iterable[str]) -> str:
    """Returns a hint with known names similar to the given ones; "" if none are."""
    by_folded = {name.strip().casefold(): name for name in known}
    folded = (name.strip().casefold() for name in names)
    near = (difflib.get_close_matches(n, by_folded, n=2, cutoff=0.75) for n in folded)
    found = dict.fromkeys(by_folded[name] for name in itertools.chain(*near))
    return f" (perhaps {' or '.join(map(repr, found))})" if found else ""


def read_rows(
    path: str,
    names: Sequence[str] | None = None,
    log: ReadLog | None = None,
    *,
    skips_ragged: bool = False,
    is_published: bool = False,
) -> Iterator[Row]:
    r"""Reads the rows of one file lazily.

    A file `a.tsv` with the lines `["id\ttext", "7\tSo-called \"it"]` gives the row
    `Row({"id": "7", "text": 'So-called "it'}, "a.tsv", "line 2")`.

    The file name determines the format; files may be compressed (`.gz`):

    - `.csv`: commas, and quotes around fields that contain commas, quotes or line ends;
      semicolons, tabs or vertical bars if the file uses them instead of commas.
    - `.tsv`, `.txt`: tabs. Quotes surround fields if `delimited.find_quotes` says so,
      as in files from Excel; else they are ordinary characters, as in the files of
      GLUE.
    - `.jsonl`, `.ndjson`, `.json`: one object per line, or an array of objects.

    Args:
        path: local or remote file.
        names: names of the columns, if the first line of a CSV or TSV is not a header.
        log: receives notes and warnings on the format.
        skips_ragged: whether rows with too few or too many fields are skipped and
            counted in the log; else they are an error.
        is_published: whether the file is from the catalogue: the name determines its
            delimiter, and quotes between tabs are ordinary characters.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the format is unknown or does not match the name, the file is not
            UTF-8 text or has no rows, or a row is malformed.
    """
    ending = ending_of(path)
    if ending not in _FORMATS:
        require_text(path)
        raise ValueError(
            f"Received the table {path!r}. Expected a name that ends in one of "
            f"{list(_FORMATS)}, optionally with .gz: rename it according to its format."
        )
    require_text(path)
    log = log or ReadLog(path)
    rows: Iterator[Row]
    if ending in _JSON:
        rows = _json_rows(path)
    else:
        rows = _DelimitedTable(path, names, log, skips_ragged, is_published).rows()
    first = next(rows, None)
    if first is None:
        raise ValueError(
            f"{path} has no rows. Expected at least one row after the header, if any."
        )
    yield first
    yield from rows


def _folded(names: Sequence[str]) -> list[str]:
    return [name.strip().casefold() for name in names]


def _json_rows(path: str) -> Iterator[Row]:
    columns: set[str] = set()
    for place, values in read_objects(path):
        yield Row(values, path, place, columns)
        columns |= values.keys()


def column_names(path: str, names: Sequence[str] | None = None) -> list[str]:
    """Returns the columns of all rows of a table, in order.

    The whole file is read, so that malformed rows raise an error before any row is
    processed.

    Raises:
        FileNotFoundError, ValueError: see `read_rows`.
    """
    columns: dict[str, None] = {}
    for row in read_rows(path, names):
        columns.update(dict.fromkeys(row.values))
    return list(columns)


class _DelimitedTable:
    """Reader of a CSV or TSV file; see `read_rows` for the arguments."""

    def __init__(
        self,
        path: str,
        names: Sequence[str] | None,
        log: ReadLog,
        skips_ragged: bool,
        is_published: bool,
    ) -> None:
        self._path = path
        self._names = names
        self._log = log
        self._skips_ragged = skips_ragged
        self._is_published = is_published
        self._is_csv = ending_of(path) == "csv"
        self._delimiter = "," if self._is_csv else "\t"

    def rows(self) -> Iterator[Row]:
        records = self._records()
        names = self._names
        if names is None:
            header = next((r for r in records if not r.is_blank), None)
            if header is None:
                return
            names = self._columns(header)
        elif not self._is_published:
            records = self._without_header(records, names)
        for record in records:
            values, place = record.values, f"line {record.line}"
            if len(values) > len(names) and not any(values[len(names) :]):
                values = values[: len(names)]
            if len(values) == len(names):
                if self._holds_rows(record):
                    self._log.warn("quoted field with lines that look like rows", place)
                yield Row(dict(zip(names, values, strict=True)), self._path, place)
            elif len(values) == 1 and not values[0].strip():
                continue
            elif self._skips_ragged:
                self._log.skip("wrong number of fields", place)
            else:
                raise ValueError(
                    f"{self._path}, {place}: received {len(values)} fields, expected "
                    f"{len(names)}: {str(list(names))[:300]}. Correct the row, where a "
                    "text may contain a separator or line end, or the header, if it "
                    "lacks the name of a column."
                )

    def _columns(self, header: Record) -> list[str]:
        quoted = header.quoted or (False,) * len(header.values)
        pairs = list(zip(header.values, quoted, strict=True))
        # Excel writes delimiters after the last column that was ever used.
        while len(pairs) > 1 and not pairs[-1][1] and not pairs[-1][0].strip():
            pairs.pop()
        names = [name if is_in else name.strip() for name, is_in in pairs]
        if names != [name for name, _ in pairs]:
            self._log.note(f"spaces around the names of columns were removed: {names}")
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(
                f"{self._path}: the header has the columns {twice} more than once. "
                "Expected unique column names: rename the columns."
            )
        return names

    def _without_header(
        self, records: Iterator[Record], names: Sequence[str]
    ) -> Iterator[Record]:
        """Yields the records without the first one if it equals the given names."""
        first = next(records, None)
        if first is None:
            return
        if _folded(first.values) == _folded(names):
            self._log.note(f"line {first.line}, the given names, is the header")
        else:
            yield first
        yield from records

    def _holds_rows(self, record: Record) -> bool:
        """Returns True if a field contains lines that a stray quote may have joined."""
        width = len(record.values)
        if record.lines == 1 or width == 1 or all(record.quoted):
            return False
        return any(
            all(
                line.count(self._delimiter) == width - 1
                and f"{self._delimiter} " not in line
                for line in value.split("\n")[1:]
            )
            for value in record.values
            if "\n" in value
        )

    def _records(self) -> Iterator[Record]:
        all_lines = delimited.read_physical_lines(self._path)
        sample = list(itertools.islice(all_lines, _SAMPLE_LINES))
        lines, first_line = itertools.chain(sample, all_lines), 1
        if not self._is_published:
            require_no_markup(self._path, sample)
            # Excel declares the separator this way.
            said = _SAID.fullmatch(sample[0].strip())
            if said is not None:
                self._delimiter = said[1]
                next(lines)
                first_line = 2
            else:
                self._find_delimiter(sample)
        if self._is_csv or self._quotes_surround(first_line):
            reader = delimited.RecordReader(
                lines, self._delimiter, self._path, first_line
            )
            yield from reader
            if reader.backslashes:
                self._log.note("backslashes before quotes were removed")
            return
        for number, line in enumerate(lines, start=first_line):
            yield Record(number, line.removesuffix("\r").split(self._delimiter))

    def _find_delimiter(self, sample: Sequence[str]) -> None:
        num_columns = None if self._names is None else len(self._names)
        found = delimited.find_delimiter(sample, num_columns) or self._delimiter
        if found == self._delimiter:
            return
        said = f"the fields are separated by {DELIMITERS[found]}"
        if self._is_csv:
            self._delimiter = found
            self._log.note(said)
        elif self._delimiter not in sample[0]:
            raise ValueError(
                f"{self._path}: {said}. Expected tabs in a file with this name: rename "
                "it to end in .csv."
            )

    def _quotes_surround(self, first_line: int) -> bool:
        """Returns True if quotes surround fields; logs the decision."""
        if self._is_published or not delimited.has_quotes(self._path):
            return False
        lines = delimited.read_physical_lines(self._path)
        lines = itertools.islice(lines, first_line - 1, None)
        quotes = delimited.find_quotes(lines, self._delimiter, self._names is None)
        line = quotes.line + first_line - 1
        if quotes.surround:
            self._log.note(
                f"quotes around fields (line {line}) were removed, as in files from "
                "Excel"
            )
        elif not quotes.is_clear:
            self._log.note(
                f"quotes were read as characters of the texts (line {line}); if they "
                "surround fields, rename the file to end in .csv"
            )
        return quotes.surround
