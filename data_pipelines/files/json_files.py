"""JSON files, local or remote."""

import json
from typing import Any

import tensorflow as tf

from data_pipelines.files.atomic import write_file
from data_pipelines.files.paths import exists


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
        values = json.loads(content)
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
    """Writes a file with one JSON value; it appears complete or not at all."""
    write_file(path, json.dumps(values, indent=2).encode() + b"\n")
