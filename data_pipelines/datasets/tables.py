"""Rows of CSV, TSV and JSON lines, each with its place in the file."""

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
# Enough to tell the delimiter of a file by.
_SAMPLE_LINES = 100
_SAID = re.compile(r"sep=([,;\t|])", re.IGNORECASE)


@dataclasses.dataclass(frozen=True, slots=True)
class Row:
    """One row of a table.

    Attributes:
        values: by column, unchanged: texts, or of JSON any value.
        place: in the file, such as "line 17".
        columns: names that rows before it have: where it lacks one, it is null.
    """

    values: dict[str, Any]
    source: str
    place: str
    columns: Collection[str] = ()

    def has(self, column: str) -> bool:
        """True if the row, or one before it, has the column, be it empty."""
        known = (self.values, self._data, self.columns)
        return any(column in names for names in known)

    def find(self, column: str) -> Any:
        """The value in a column; None if it is null, or there is none.

        Label Studio has the columns of the user in an object, the column "data".
        """
        return self.values.get(column, self._data.get(column))

    @property
    def _data(self) -> dict[str, Any]:
        data = self.values.get("data")
        return data if isinstance(data, dict) else {}

    def get(self, *columns: str) -> str | None:
        """The text in the first of these columns that the row has.

        A number is the text that JSON writes for it, null is "".

        Raises:
            ValueError: it is a list or an object.
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
        """As `get`, but one of the columns has to be there.

        Raises:
            ValueError: there is none.
        """
        value = self.get(*columns)
        if value is None:
            known = [*self.values, *self._data]
            raise ValueError(
                f"{self.where}: no column {' or '.join(map(repr, columns))} but "
                f"{str(known)[:300]}{similar(columns, known)}. "
                "Expected it to be there: name the columns that are meant, or, if the "
                "first line of the file is no header, all of its columns."
            )
        return value

    @property
    def where(self) -> str:
        """File and place, for messages."""
        return f"{self.source}, {self.place}"


def cell_text(value: Any) -> str:
    """The text of a value in a CSV or TSV: null is "", others are as in JSON."""
    if isinstance(value, str):
        return value
    return "" if value is None else json.dumps(value, ensure_ascii=False)


def similar(names: Iterable[str], known: Iterable[str]) -> str:
    """Those known that look like one of the names, as a remark; "" if none does."""
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
    r"""The rows of one file, read lazily.

    A file `a.tsv` with the lines `["id\ttext", "7\tSo-called \"it"]` gives the row
    `Row({"id": "7", "text": 'So-called "it'}, "a.tsv", "line 2")`.

    The name tells the format; each may be compressed (`.gz`):

    - `.csv`: commas, and quotes around fields that hold commas, quotes or line ends;
      semicolons, tabs or vertical bars where the file has these for the commas.
    - `.tsv`, `.txt`: tabs. Quotes surround fields where `delimited.find_quotes` says
      so, as in files of Excel; else they are characters as others are, as in the files
      of GLUE.
    - `.jsonl`, `.ndjson`, `.json`: an object a line, or an array of objects.

    Args:
        path: local or remote.
        names: of the columns, if the first line of a CSV or TSV is no header.
        log: notes how the file is read, and what is odd in it.
        skips_ragged: rows with too few or too many fields are skipped, and counted in
            the log; else they are an error.
        is_published: the file is one of the catalogue: its delimiter is the one of its
            name, and quotes between tabs are characters.

    Raises:
        FileNotFoundError: no such file.
        ValueError: its name tells no format or its content another one, it is no UTF-8
            text, has no rows, or a row is not as expected.
    """
    ending = ending_of(path)
    if ending not in _FORMATS:
        require_text(path)
        raise ValueError(
            f"Received the table {path!r}. Expected a name that ends in one of "
            f"{list(_FORMATS)}, or in these and .gz: rename it as what it is."
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
            f"{path} has no rows. Expected some, after the header if it has one."
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
    """The columns of a table, of all its rows, in order.

    All of the file is read: a row that is not as expected is an error now, and not when
    the rows before it have been worked on.

    Raises:
        As `read_rows` does.
    """
    columns: dict[str, None] = {}
    for row in read_rows(path, names):
        columns.update(dict.fromkeys(row.values))
    return list(columns)


class _DelimitedTable:
    """The rows of a CSV or TSV file; arguments are those of `read_rows`."""

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
                    self._log.warn("a field in quotes holds lines like rows", place)
                yield Row(dict(zip(names, values, strict=True)), self._path, place)
            elif len(values) == 1 and not values[0].strip():
                continue
            elif self._skips_ragged:
                self._log.skip("wrong number of fields", place)
            else:
                raise ValueError(
                    f"{self._path}, {place}: received {len(values)} fields, expected "
                    f"{len(names)}: {str(list(names))[:300]}. Correct the row: a "
                    "separator or line end may stand inside of a text; or the header, "
                    "if it lacks the name of a column."
                )

    def _columns(self, header: Record) -> list[str]:
        quoted = header.quoted or (False,) * len(header.values)
        pairs = list(zip(header.values, quoted, strict=True))
        # Tables of Excel have delimiters behind the last column that was ever used.
        while len(pairs) > 1 and not pairs[-1][1] and not pairs[-1][0].strip():
            pairs.pop()
        names = [name if is_in else name.strip() for name, is_in in pairs]
        if names != [name for name, _ in pairs]:
            self._log.note(f"spaces around the names of columns were removed: {names}")
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(
                f"{self._path}: the header has the columns {twice} more than once. "
                "Expected a name of its own for each column: rename them."
            )
        return names

    def _without_header(
        self, records: Iterator[Record], names: Sequence[str]
    ) -> Iterator[Record]:
        """The records; a first one that is the given names is a header after all."""
        first = next(records, None)
        if first is None:
            return
        if _folded(first.values) == _folded(names):
            self._log.note(f"line {first.line}, the given names, is the header")
        else:
            yield first
        yield from records

    def _holds_rows(self, record: Record) -> bool:
        """True if the lines in a field may be rows that a stray quote took in."""
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
            # Excel's way to say how the fields are separated.
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
                self._log.note("a backslash before a quote was left out")
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
                f"{self._path}: {said}. Expected tabs in a file of this name: let its "
                "name end in .csv."
            )

    def _quotes_surround(self, first_line: int) -> bool:
        """True if quotes surround fields; notes it if it could be otherwise."""
        if self._is_published or not delimited.has_quotes(self._path):
            return False
        lines = delimited.read_physical_lines(self._path)
        lines = itertools.islice(lines, first_line - 1, None)
        quotes = delimited.find_quotes(lines, self._delimiter, self._names is None)
        line = quotes.line + first_line - 1
        if quotes.surround:
            self._log.note(
                f"the quotes around fields (line {line}) were taken off, as in "
                "Excel's files"
            )
        elif not quotes.is_clear:
            self._log.note(
                f"quotes were read as characters of the texts (line {line}); if they "
                "surround fields, let the name of the file end in .csv"
            )
        return quotes.surround
