"""Delimited text, CSV and TSV: its records, its delimiter and its quotes.

A field may stand in quotes, and holds delimiters, line ends and doubled quotes then
(RFC 4180). Tools differ in the rest: Excel puts semicolons between the fields where
commas are decimal, R and Spark write a backslash before a quote, and in many files of
tabs quotes are characters as others are. What a file itself shows decides.
"""

import collections
import contextlib
import dataclasses
import functools
import itertools
import re
from collections.abc import Iterable, Iterator, Sequence

from data_pipelines.datasets.text_files import physical_lines
from data_pipelines.files.byte_lines import byte_chunks

DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}
_QUOTED = ('"', "\n", "\r", *DELIMITERS)
# Of one record, in characters: a quote that is not closed would take the whole file.
_MAX_RECORD = 1 << 24
# In lines, where it is not known yet whether quotes surround fields.
_MAX_LINES_IN_QUOTES = 1_000


@dataclasses.dataclass(frozen=True, slots=True)
class Record:
    """The fields of a row.

    Attributes:
        line: number of its first line, from 1.
        quoted: which of the values stood in quotes; empty: none.
        lines: number of its lines.
    """

    line: int
    values: list[str]
    quoted: tuple[bool, ...] = ()
    lines: int = 1

    @property
    def is_blank(self) -> bool:
        """True if there is nothing in it, not even quotes."""
        return not any(self.values) and not any(self.quoted)


class _NotCsv(ValueError):
    """A quote is closed before the end of its field."""


def read_physical_lines(path: str) -> Iterator[str]:
    r"""The lines of a file without `\n`; a `\r` before it is kept.

    Raises:
        ValueError: it is empty, or not UTF-8 text.
    """
    line = None
    for line in physical_lines(byte_chunks(path), path):
        yield line
    if line is None:
        raise ValueError(f"{path} is empty. Expected text: check the name, or copy it.")


@functools.cache
def _patterns(delimiter: str) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """Patterns of a field in quotes; in the second, a backslash escapes a quote."""
    end = rf'" *(?={re.escape(delimiter)}|\Z)'
    return (
        re.compile(rf' *"((?:[^"]++|"")*+){end}'),
        re.compile(rf' *"((?:[^"\\]++|\\.|"")*+){end}', re.DOTALL),
    )


_OPEN = re.compile(r'"(?:[^"]++|"")*+')
_ESCAPED = re.compile(r'\\"|""')


def _parse(
    text: str, delimiter: str, backslashes: bool = False
) -> tuple[list[str], tuple[bool, ...]] | None:
    """The fields of a record, and which are quoted; None: a quote is not closed.

    Raises:
        _NotCsv: text follows a closing quote.
    """
    text = text.removesuffix("\r")
    in_quotes = _patterns(delimiter)[backslashes]
    values, quoted, start = [], [], 0
    while True:
        found = in_quotes.match(text, start)
        if found is not None:
            escaped, end = found[1], found.end()
            if backslashes:
                values.append(_ESCAPED.sub('"', escaped))
            else:
                values.append(escaped.replace('""', '"'))
        elif text.startswith('"', start):
            opened = _OPEN.match(text, start)
            if opened is not None and opened.end() == len(text) and not backslashes:
                return None
            raise _NotCsv
        else:
            end = text.find(delimiter, start)
            end = len(text) if end < 0 else end
            values.append(text[start:end])
        quoted.append(found is not None)
        if end == len(text):
            return values, tuple(quoted)
        start = end + 1


class RecordReader:
    """Reads the records of delimited text, from lines as `read_physical_lines` has.

    Where quotes would not close as they should, but do if a backslash before a quote
    makes it a character of the text, it does.

    Args:
        source: names the file in messages.
        first_line: number of the first of the lines.

    Attributes:
        backslashes: whether there were such backslashes.
    """

    def __init__(
        self, lines: Iterable[str], delimiter: str, source: str, first_line: int = 1
    ) -> None:
        self.backslashes = False
        self._delimiter = delimiter
        self._source = source
        self._lines = iter(lines)
        self._again = collections.deque[str]()
        self._number = first_line - 1

    def __iter__(self) -> Iterator[Record]:
        while (line := self._next()) is not None:
            if '"' in line:
                yield self._with_quotes(line)
            else:
                values = line.removesuffix("\r").split(self._delimiter)
                yield Record(self._number, values)

    def _next(self) -> str | None:
        line = self._again.popleft() if self._again else next(self._lines, None)
        self._number += line is not None
        return line

    def _with_quotes(self, line: str) -> Record:
        first, lines, size = self._number, [line], len(line)
        if self.backslashes and '\\"' in line:
            parsed = self._with_backslashes(lines)
            if parsed is not None:
                return Record(first, *parsed)
        problem = "is not closed"
        while size <= _MAX_RECORD:
            try:
                parsed = _parse("\n".join(lines), self._delimiter)
            except _NotCsv:
                problem = "is closed, and text follows"
                break
            if parsed is not None:
                return Record(first, *parsed, lines=len(lines))
            # Only a line with a quote can close the field.
            quote = False
            while not quote and (more := self._next()) is not None:
                lines.append(more)
                size += len(more)
                quote = '"' in more
            if not quote:
                break
        parsed = self._with_backslashes(lines)
        if parsed is None:
            raise ValueError(
                f"{self._source}, line {first}: no CSV: a quote opens a field and "
                f"{problem}. Expected quotes around a field to be closed, and doubled "
                '("") inside of it: correct the row, or write tabs between the fields '
                "and name the file .tsv."
            )
        self.backslashes = True
        return Record(first, *parsed, lines=len(lines))

    def _with_backslashes(
        self, lines: list[str]
    ) -> tuple[list[str], tuple[bool, ...]] | None:
        """As few of the lines as make a record; the others are read again."""
        for count in range(1, len(lines) + 1):
            text = "\n".join(lines[:count])
            if '\\"' not in text or count > _MAX_LINES_IN_QUOTES:
                return None
            try:
                parsed = _parse(text, self._delimiter, backslashes=True)
            except _NotCsv:
                continue
            self._again.extendleft(reversed(lines[count:]))
            self._number -= len(lines) - count
            del lines[count:]
            return parsed
        return None


def record_text(values: Sequence[str], delimiter: str, is_header: bool = False) -> str:
    r"""A row as `RecordReader` reads it, and `find_quotes` knows it: without line end.

    Quotes surround fields that hold a quote, the delimiter or a line end. In a row with
    a line end all fields have quotes, so that its lines do not look like rows; so have
    all names of a header if one needs them, or there is but one.
    """
    if is_header:
        first = values[0][:1] if values else ""
        in_all = (
            any(not value or value != value.strip() for value in values)
            or any(character in value for value in values for character in _QUOTED)
            or first in "\ufeff<[{"
            or (len(values) == 1 and delimiter == "\t")
        )
    else:
        in_all = any("\n" in value or "\r" in value for value in values)
    in_all = in_all or values == [""]
    return delimiter.join(
        '"' + value.replace('"', '""') + '"'
        if in_all or '"' in value or delimiter in value
        else value
        for value in values
    )


def find_delimiter(sample: Sequence[str], num_columns: int | None) -> str | None:
    """The delimiter by which most rows are as wide as the header; None: there is none.

    Args:
        sample: the first lines.
        num_columns: None: those of the header, the first of the lines.
    """
    shares = {}
    for delimiter in DELIMITERS:
        records = RecordReader(sample, delimiter, "")
        widths: list[int] = []
        # The last of the lines may not be the end of a record.
        with contextlib.suppress(ValueError):
            widths.extend(len(r.values) for r in records if not r.is_blank)
        width = num_columns or (widths[0] if widths else 1)
        if width > 1 and widths:
            shares[delimiter] = widths.count(width) / len(widths)
    best = max(shares, key=lambda delimiter: shares[delimiter], default=None)
    return best if best is not None and shares[best] > 0.5 else None


@dataclasses.dataclass(frozen=True, slots=True)
class Quotes:
    """The verdict on whether quotes of a file with tabs surround its fields.

    Attributes:
        surround: False: they are characters of the texts.
        line: where this shows, or where it could be otherwise; 0: nowhere.
        is_clear: whether all of the file shows the same.
    """

    surround: bool
    line: int = 0
    is_clear: bool = True


def has_quotes(path: str) -> bool:
    """True if there is a quote in a file."""
    return any(b'"' in chunk for chunk in byte_chunks(path))


def find_quotes(lines: Iterable[str], delimiter: str, has_header: bool) -> Quotes:
    r"""Finds out whether the quotes in lines of fields surround fields.

    They do if every field with a quote stands in quotes and has none but doubled ones
    inside, as Excel and libraries for CSV write them, and if there is a reason for
    them: all names in the header are quoted; some field has a doubled quote, a tab or a
    line end inside; just the fields with a comma are quoted (Excel); or all fields of a
    column are. One `"a` or `so-called "b"`, as sentences of running text have them, and
    they are characters. So they are where a field in quotes would take up lines that
    look like rows, if it is not all fields of its row that are quoted.
    """
    numbered = enumerate(lines, start=1)
    width, plain_row, plain_comma = 0, False, False
    # Lines of fields that need their quotes, and of those that are quoted without need.
    needed, commas, needless = 0, 0, 0
    always: set[int] | None = None
    for number, group in _groups(numbered):
        fields = _strict_fields(group, delimiter, width)
        if fields is None:
            rest = itertools.chain(enumerate(group, start=number), numbered)
            others = (n for n, text in rest if _looks_quoted(text, delimiter))
            line = needed or next(others, 0)
            return Quotes(False, line, is_clear=not line)
        values, quoted = fields
        if not any(values) and not any(quoted):
            continue
        width = width or len(values)
        if all(quoted) and number == 1 and (has_header or width > 1):
            return Quotes(True, 1)
        if _look_like_rows(group, delimiter, width) and not (all(quoted) and width > 1):
            return Quotes(False, number, is_clear=False)
        is_header = has_header and number == 1
        if not is_header:
            columns = {column for column, is_in in enumerate(quoted) if is_in}
            plain_row = plain_row or always is not None
            always = columns if always is None else always & columns
        for value, is_in_quotes in zip(values, quoted, strict=True):
            if not is_in_quotes:
                plain_comma |= "," in value
            elif any(character in value for character in f'"{delimiter}\n\r'):
                needed = needed or number
            elif "," in value:
                commas = commas or number
            else:
                needless = needless or number
    if needed:
        return Quotes(True, needed)
    if commas and not needless and not plain_comma:
        return Quotes(True, commas)
    if always and plain_row:
        return Quotes(True, needless or commas)
    line = needless or commas
    return Quotes(False, line, is_clear=not line)


def _groups(numbered: Iterator[tuple[int, str]]) -> Iterator[tuple[int, list[str]]]:
    """Lines with an even number of quotes, the first with its number."""
    for number, line in numbered:
        group, is_open = [line], line.count('"') % 2
        while is_open and len(group) < _MAX_LINES_IN_QUOTES:
            _, more = next(numbered, (0, None))
            if more is None:
                break
            group.append(more)
            is_open ^= more.count('"') % 2
        yield number, group


def _strict_fields(
    group: list[str], delimiter: str, width: int
) -> tuple[list[str], tuple[bool, ...]] | None:
    """The fields of a record; None: its quotes do not surround fields."""
    text = "\n".join(group)
    if '"' not in text:
        values = text.removesuffix("\r").split(delimiter)
        return values, (False,) * len(values)
    try:
        parsed = _parse(text, delimiter)
    except _NotCsv:
        return None
    if parsed is None:
        return None
    values, quoted = parsed
    pairs = zip(values, quoted, strict=True)
    is_odd = any('"' in value and not is_in_quotes for value, is_in_quotes in pairs)
    return None if is_odd or (width and len(values) != width) else parsed


def _look_like_rows(group: list[str], delimiter: str, width: int) -> bool:
    return len(group) > 1 and all(line.count(delimiter) == width - 1 for line in group)


def _looks_quoted(line: str, delimiter: str) -> bool:
    """True if a field of a line is quoted, with a doubled quote inside."""
    if '""' not in line:
        return False
    fields = _strict_fields([line], delimiter, 0)
    return fields is not None and any('"' in value for value in fields[0])
