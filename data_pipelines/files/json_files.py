"""JSON files that others wrote."""

import json
from typing import Any

import tensorflow as tf


def read_json(path: str, expected: type = dict) -> Any:
    """What a file holds, local or remote.

    Raises:
        FileNotFoundError: there is none.
        ValueError: it is not JSON, or holds no object, or no list if one is expected.
    """
    if not tf.io.gfile.exists(path):
        raise FileNotFoundError(f"No file {path!r}. Expected it to be there.")
    with tf.io.gfile.GFile(path) as file:
        text = file.read()
    try:
        values = json.loads(text)
    except ValueError as error:
        raise ValueError(f"{path} is not JSON: {error}. Expected it whole.") from None
    if not isinstance(values, expected):
        raise ValueError(
            f"{path} holds a {type(values).__name__}. Expected a {expected.__name__}."
        )
    return values


def read_json_if_any(path: str) -> dict[str, Any]:
    """The same; empty where there is no file."""
    return read_json(path) if tf.io.gfile.exists(path) else {}
