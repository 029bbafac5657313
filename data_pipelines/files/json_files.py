"""Reads and writes standard JSON, as text and as local or remote files.

Python's own reader and writer accept `NaN` and `Infinity`, which are not JSON: other
programs reject such files.
"""

import json
import math
from typing import Any

import tensorflow as tf

from data_pipelines.files.atomic import write_file
from data_pipelines.files.paths import exists


def to_json(values: Any, **layout: Any) -> str:
    """Returns a value as JSON text.

    Args:
        values: plain Python values.
        layout: arguments of `json.dumps`, such as `indent` and `ensure_ascii`.

    Raises:
        ValueError: a number is NaN or infinite; the message gives its location.
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
            "JSON cannot represent NaN or infinity."
        ) from None


def _not_finite(values: Any, place: str = "") -> tuple[str, float] | None:
    """Returns the location, such as `scores[2]`, and value of the first such number."""
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
    """Rejects NaN and Infinity: `parse_constant` for `json.loads`.

    Raises:
        ValueError: always.
    """
    raise ValueError(f"{name} is not a number in JSON")


def finite_number(text: str) -> float:
    """Parses a number: `parse_float` for `json.loads`.

    Raises:
        ValueError: the number is too large for a float, such as 1e400.
    """
    number = float(text)
    if math.isinf(number):
        raise ValueError(f"the number {text[:20]} is too large")
    return number


def from_json(text: str | bytes) -> Any:
    """Parses a JSON value.

    Raises:
        ValueError: the text is not JSON, or a number is NaN, infinite or too large.
    """
    return json.loads(text, parse_constant=no_number, parse_float=finite_number)


def read_json(path: str, expected: type = dict) -> Any:
    """Reads a file that contains one JSON value.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the content is not JSON, or not of the expected type.
    """
    if not exists(path):
        raise FileNotFoundError(f"No file {path!r}. Expected a JSON file: check it.")
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
            f"{path} contains a {type(values).__name__}. "
            f"Expected a {expected.__name__}."
        )
    return values


def read_json_if_any(path: str) -> dict[str, Any]:
    """Reads a JSON object, or returns an empty one if there is no file."""
    return read_json(path) if exists(path) else {}


def write_json(path: str, values: Any) -> None:
    """Writes a file with one JSON value, atomically.

    Raises:
        ValueError: a number is NaN or infinite; nothing is written.
    """
    try:
        text = to_json(values, indent=2)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    write_file(path, text.encode() + b"\n")
