"""Reads delimited text, CSV and TSV: detects delimiter and quotes, splits records.

A quoted field may contain delimiters, line ends and doubled quotes (RFC 4180). Tools
differ in the rest: Excel separates fields by semicolons in locales with decimal commas,
R and Spark escape quotes with a backslash, and in many tab-separated files quotes are
ordinary characters. The contents of the file decide.
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
# Maximum length of a record in characters: an unclosed quote would take the whole file.
_MAX_RECORD = 1 << 24
# Maximum number of lines of a record while detecting whether quotes surround fields.
_MAX_LINES_IN_QUOTES = 1_000


@dataclasses.dataclass(frozen=True, slots=True)
class Record:
    """The fields of a row.

    Attributes:
        line: number of its first line, from 1.
        quoted: whether each value was quoted; empty if none was.
        lines: number of its lines.
    """

    line: int
    values: list[str]
    quoted: tuple[bool, ...] = ()
    lines: int = 1

    @property
    def is_blank(self) -> bool:
        """True if the record contains nothing, not even quotes."""
        return not any(self.values) and not any(self.quoted)


class _NotCsv(ValueError):
    """Error: a closing quote is not at the end of its field."""


def read_physical_lines(path: str) -> Iterator[str]:
    r"""Reads the lines of a file without `\n`; a `\r` before it is kept.

    Raises:
        ValueError: the file is empty, or not UTF-8 text.
    """
    line = None
    for line in physical_lines(byte_chunks(path), path):
        yield line
    if line is None:
        raise ValueError(
            f"{path} is empty. Expected text: check the name, or copy the file again."
        )


@functools.cache
def _patterns(delimiter: str) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """Returns patterns of quoted fields; in the second, backslashes escape quotes."""
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
    """Returns the fields of a record, and which are quoted; None if a quote is open.

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
    """Reads the records of delimited text from the lines of `read_physical_lines`.

    Backslashes escape quotes if quotes would not close correctly otherwise.

    Args:
        source: name of the file, for messages.
        first_line: number of the first line.

    Attributes:
        backslashes: whether backslashes escaped quotes.
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
        problem = "is never closed"
        while size <= _MAX_RECORD:
            try:
                parsed = _parse("\n".join(lines), self._delimiter)
            except _NotCsv:
                problem = "text follows the closing quote"
                break
            if parsed is not None:
                return Record(first, *parsed, lines=len(lines))
            # The field can end only in a line with a quote.
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
                f"{self._source}, line {first}: not CSV: a quote opens a field and "
                f"{problem}. Expected closed quotes around a field, and doubled quotes "
                '("") inside it: correct the row, or separate the fields by tabs and '
                "rename the file to .tsv."
            )
        self.backslashes = True
        return Record(first, *parsed, lines=len(lines))

    def _with_backslashes(
        self, lines: list[str]
    ) -> tuple[list[str], tuple[bool, ...]] | None:
        """Parses a record from as few of the lines as possible; requeues the others."""
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
    r"""Formats a row so that `RecordReader` and `find_quotes` read it; no line end.

    Fields that contain a quote, the delimiter or a line end are quoted. In a row with a
    line end, all fields are quoted, so that its lines do not look like rows; in a
    header, all names are quoted if one must be, or if there is only one.
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
    """Finds the delimiter that gives most rows the width of the header, or None.

    Args:
        sample: the first lines.
        num_columns: number of columns; None for that of the header, the first line.
    """
    shares = {}
    for delimiter in DELIMITERS:
        records = RecordReader(sample, delimiter, "")
        widths: list[int] = []
        # The sample may end within a record.
        with contextlib.suppress(ValueError):
            widths.extend(len(r.values) for r in records if not r.is_blank)
        width = num_columns or (widths[0] if widths else 1)
        if width > 1 and widths:
            shares[delimiter] = widths.count(width) / len(widths)
    best = max(shares, key=lambda delimiter: shares[delimiter], default=None)
    return best if best is not None and shares[best] > 0.5 else None


@dataclasses.dataclass(frozen=True, slots=True)
class Quotes:
    """Decision whether the quotes of a tab-separated file surround its fields.

    Attributes:
        surround: False if quotes are characters of the texts.
        line: number of the line that shows it, or that casts doubt; 0 if none.
        is_clear: whether the whole file supports the decision.
    """

    surround: bool
    line: int = 0
    is_clear: bool = True


def has_quotes(path: str) -> bool:
    """Returns True if a file contains a quote."""
    return any(b'"' in chunk for chunk in byte_chunks(path))


def find_quotes(lines: Iterable[str], delimiter: str, has_header: bool) -> Quotes:
    r"""Decides whether the quotes in lines surround fields.

    They do if every field with a quote is quoted and contains only doubled quotes, as
    Excel and CSV libraries write them, and if there is a reason for the quotes: all
    names in the header are quoted; some field contains a doubled quote, a tab or a line
    end; exactly the fields with a comma are quoted (Excel); or all fields of a column
    are. A single `"a` or `so-called "b"`, as in running text, makes quotes ordinary
    characters. So does a quoted field whose lines look like rows, unless all fields of
    its row are quoted.
    """
    numbered = enumerate(lines, start=1)
    width, plain_row, plain_comma = 0, False, False
    # Line numbers of fields that need their quotes, have commas, or need no quotes.
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
    """Groups lines until the number of quotes is even; yields the first line number."""
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
    """Parses the fields of a record; None if its quotes do not surround fields."""
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
    """Returns True if a field of a line is quoted, with a doubled quote inside."""
    if '""' not in line:
        return False
    fields = _strict_fields([line], delimiter, 0)
    return fields is not None and any('"' in value for value in fields[0])
