"""Objects from JSON lines, or from a file that is one array of objects."""

import json
from collections.abc import Iterator
from typing import Any

from data_pipelines.datasets.text_files import read_lines


def read_objects(path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The objects of a file, in order, each with its place, such as "line 17".

    JSON lines are read lazily; a file that begins with `[` is read as a whole, and its
    objects are placed by number, such as "object 17". Halves of surrogate pairs, which
    JSON can spell and which are no characters, become `?`.

    Raises:
        FileNotFoundError: no such file.
        ValueError: it is not UTF-8 text or not JSON, a value is not an object, or an
            object has a key twice.
    """
    lines = enumerate(read_lines(path), start=1)
    for number, line in lines:
        if number == 1 and line.lstrip().startswith("["):
            rest = (following for _, following in lines)
            yield from _array(path, "\n".join([line, *rest]))
            return
        if line.strip():
            place = f"line {number}"
            yield place, _object(loaded(line, f"{path}, {place}"), f"{path}, {place}")


def _array(path: str, text: str) -> Iterator[tuple[str, dict[str, Any]]]:
    values = loaded(text, path)
    if not isinstance(values, list):
        raise ValueError(
            f"{path}: received a {type(values).__name__}. Expected an array of "
            "objects, or an object a line."
        )
    for number, value in enumerate(values, start=1):
        place = f"object {number}"
        yield place, _object(value, f"{path}, {place}")


def loaded(text: str, where: str) -> Any:
    """The value of JSON text; halves of surrogate pairs become `?`.

    Raises:
        ValueError: it is not JSON, or an object has a key twice; `where` names it.
    """
    try:
        value = json.loads(text, object_pairs_hook=_without_repetition)
    except (ValueError, RecursionError) as error:
        raise ValueError(
            f"{where}: not JSON ({error}). Expected an object a line, such as "
            '{"text": "…", "label": "…"}.'
        ) from None
    return _valid(value) if "\\ud" in text.lower() else value


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


def _valid(value: Any) -> Any:
    """The value with every text in valid Unicode."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, list):
        return [_valid(item) for item in value]
    if isinstance(value, dict):
        return {_valid(name): _valid(item) for name, item in value.items()}
    return value
