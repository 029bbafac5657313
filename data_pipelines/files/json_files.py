"""JSON, whose numbers are finite: text, and files, local or remote.

Python's own reader and writer know `NaN` and `Infinity`, which are no JSON: others
refuse the file.
"""

import json
import math
from typing import Any

import tensorflow as tf

from data_pipelines.files.atomic import write_file
from data_pipelines.files.paths import exists


def to_json(values: Any, **layout: Any) -> str:
    """Writes a value as JSON.

    Args:
        values: plain values.
        layout: arguments of `json.dumps`, such as `indent` and `ensure_ascii`.

    Raises:
        ValueError: a number is NaN or infinite; its place is named.
    """
    try:
        return json.dumps(values, allow_nan=False, **layout)
    except ValueError:
        found = _not_finite(values)
        if found is None:
            raise
        place, number = found
        raise ValueError(
            f"Received {number} as {place or 'the value'}. Expected finite numbers: "
            "JSON has no others."
        ) from None


def _not_finite(values: Any, place: str = "") -> tuple[str, float] | None:
    """The place of the first number that is not finite, such as `scores[2]`, and it."""
    if isinstance(values, float):
        return None if math.isfinite(values) else (place, values)
    inner: Any = ()
    if isinstance(values, dict):
        dot = "." if place else ""
        inner = ((f"{place}{dot}{name}", value) for name, value in values.items())
    elif isinstance(values, list | tuple):
        inner = ((f"{place}[{index}]", value) for index, value in enumerate(values))
    found = (_not_finite(value, where) for where, value in inner)
    return next(filter(None, found), None)


def no_number(name: str) -> Any:
    """Refuses NaN and Infinity, as the `parse_constant` of Python's reader of JSON.

    Raises:
        ValueError: always.
    """
    raise ValueError(f"{name} is not a number in JSON")


def finite_number(text: str) -> float:
    """The number of a text; the `parse_float` of Python's reader of JSON.

    Raises:
        ValueError: it is too large for a float, as 1e400 is.
    """
    number = float(text)
    if math.isinf(number):
        raise ValueError(f"the number {text[:20]} is too large")
    return number


def from_json(text: str | bytes) -> Any:
    """Reads a JSON value.

    Raises:
        ValueError: it is not JSON, or a number is NaN, infinite or too large.
    """
    return json.loads(text, parse_constant=no_number, parse_float=finite_number)


def read_json(path: str, expected: type = dict) -> Any:
    """Reads a file that holds one JSON value.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is not JSON, or not of the expected type.
    """
    if not exists(path):
        raise FileNotFoundError(f"No file {path!r}. Expected it to be there.")
    with tf.io.gfile.GFile(path, "rb") as file:
        content = file.read()
    try:
        values = from_json(content)
    except ValueError as error:
        raise ValueError(
            f"{path} is not JSON ({error}). The file is damaged: restore it."
        ) from None
    if not isinstance(values, expected):
        raise ValueError(
            f"{path} holds a {type(values).__name__}. Expected a {expected.__name__}."
        )
    return values


def read_json_if_any(path: str) -> dict[str, Any]:
    """Reads an object; empty where there is no file."""
    return read_json(path) if exists(path) else {}


def write_json(path: str, values: Any) -> None:
    """Writes a file with one JSON value; it appears complete or not at all.

    Raises:
        ValueError: a number is NaN or infinite; nothing is written.
    """
    try:
        text = to_json(values, indent=2)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    write_file(path, text.encode() + b"\n")
