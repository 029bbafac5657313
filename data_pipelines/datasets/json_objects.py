"""Reads objects from JSON lines, or from a file with one array of objects."""

import itertools
import json
from collections.abc import Iterator
from typing import Any

from data_pipelines.datasets.text_files import ending_of, read_lines
from data_pipelines.files.json_files import finite_number, no_number


def read_objects(path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Reads the objects of a file, in order, each with its location, such as "line 17".

    JSON lines are read lazily. Other files are read whole, and the location is the
    number, such as "object 17": an array of objects, one object with the array in
    "data", or consecutive objects of several lines each. Lone surrogates, which are not
    characters, become `?`. NaN, which Python programs write for missing values, is
    null.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is not UTF-8 text or not JSON, a value is not an object, an
            object has a duplicate key, a number is infinite or too large, or the
            file is a table written by columns.
    """
    numbered = enumerate(read_lines(path), start=1)
    lines = ((number, line) for number, line in numbered if line.strip())
    start = list(itertools.islice(lines, 2))
    if len(start) == 1 or (start and _is_open(start[0][1])):
        yield from _whole(path, [*start, *lines])
        return
    for number, line in itertools.chain(start, lines):
        where = f"{path}, line {number}"
        yield f"line {number}", _object(loaded(line, where), where)


def _is_open(line: str) -> bool:
    """Returns True if a line is the beginning of JSON that continues on the next."""
    try:
        json.loads(line)
    except json.JSONDecodeError as error:
        return line.lstrip()[0] in "[{" and error.pos >= len(line.rstrip())
    except RecursionError:
        pass
    return False


def _whole(
    path: str, lines: list[tuple[int, str]]
) -> Iterator[tuple[str, dict[str, Any]]]:
    text = "\n".join(line for _, line in lines).strip()
    first, values, end = lines[0][0], [], 0
    is_valid = "\\ud" not in text.lower()
    while end < len(text):
        try:
            value, end = _DECODER.raw_decode(text, end)
        except (ValueError, RecursionError) as error:
            line = first
            if isinstance(error, json.JSONDecodeError):
                line = lines[min(error.lineno, len(lines)) - 1][0]
            raise _not_json(f"{path}, line {line}", error) from None
        values.append(value if is_valid else _valid(value))
        while text[end : end + 1].isspace():
            end += 1
    if len(values) == 1:
        # A single line of a JSON lines file is a row, whatever it contains.
        is_row = len(lines) == 1 and ending_of(path) in ("jsonl", "ndjson")
        if isinstance(values[0], dict) and (is_row or not _is_table(path, values[0])):
            yield f"line {first}", values[0]
            return
        values = values[0]["data"] if isinstance(values[0], dict) else values[0]
        if not isinstance(values, list):
            _object(values, f"{path}, line {first}")
    for number, value in enumerate(values, start=1):
        place = f"object {number}"
        yield place, _object(value, f"{path}, {place}")


def _is_table(path: str, value: dict[str, Any]) -> bool:
    """Returns True if an object has an array of rows in "data"; False if it is a row.

    Raises:
        ValueError: the object is a table written by columns.
    """
    rows = value.get("data")
    is_split = isinstance(rows, list) and "columns" in value
    inner = [x.keys() for x in value.values() if isinstance(x, dict)]
    is_nested = len(inner) == len(value) > 0 and all(keys == inner[0] for keys in inner)
    if is_split or is_nested:
        raise ValueError(
            f"{path}: received one object of {list(value)[:5]}, as pandas writes a "
            "table by columns. Expected one object per row: write the file with "
            'to_json(orient="records", lines=True).'
        )
    return isinstance(rows, list) and all(isinstance(row, dict) for row in rows)


def loaded(text: str, where: str) -> Any:
    """Parses JSON text; lone surrogates become `?`, and NaN becomes null.

    Args:
        text: JSON text.
        where: location of the text, for messages.

    Raises:
        ValueError: the text is not JSON, an object has a duplicate key, or a number is
            infinite or too large.
    """
    try:
        value = _DECODER.decode(text)
    except (ValueError, RecursionError) as error:
        raise _not_json(where, error) from None
    return _valid(value) if "\\ud" in text.lower() else value


def _not_json(where: str, error: Exception) -> ValueError:
    return ValueError(
        f"{where}: not JSON ({error}). Expected one object per line, such as "
        '{"text": "…", "label": "…"}.'
    )


def _object(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(
            f"{where}: received a {type(value).__name__}. Expected an object, such as "
            '{"text": "…", "label": "…"}.'
        )
    return value


def _without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        names = [name for name, _ in pairs]
        twice = sorted({name for name in names if names.count(name) > 1})
        raise ValueError(f"an object has the keys {twice} more than once")
    return values


def _constant(name: str) -> Any:
    """Returns None for NaN, which means a missing value."""
    return None if name == "NaN" else no_number(name)


_DECODER = json.JSONDecoder(
    object_pairs_hook=_without_repetition,
    parse_constant=_constant,
    parse_float=finite_number,
)


def _valid(value: Any) -> Any:
    """Replaces invalid Unicode in all strings of a value."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, list):
        return [_valid(item) for item in value]
    if isinstance(value, dict):
        return {_valid(name): _valid(item) for name, item in value.items()}
    return value
