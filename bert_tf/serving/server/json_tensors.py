"""Converts the JSON of TF Serving's REST API to arrays and back."""

import base64
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from bert_tf.serving.server.errors import RequestError, invalid
from bert_tf.serving.server.saved_model import Arrays, Signature, text_array

# The expected value of a type, in words and as a Python type; else it is a number.
_TYPES: dict[tf.DType, tuple[str, Any]] = {
    tf.bool: ("true or false", bool),
    tf.int32: ("an integer", int),
    tf.int64: ("an integer", int),
}


# About 200 MB of JSON, which take seconds to write.
_MOST_VALUES = 2**23


def parse(body: bytes) -> dict[str, Any]:
    """Parses a request.

    Raises:
        RequestError: it is not a JSON object in UTF-8 with finite numbers.
    """

    def refuse(name: str) -> Any:
        raise ValueError(f"{name} is not a number in JSON")

    try:
        value = json.loads(body.decode("utf-8"), parse_constant=refuse)
    except UnicodeDecodeError as error:
        raise invalid(
            f"Byte {error.start + 1} of the request is not UTF-8. Expected JSON in "
            "UTF-8."
        ) from None
    except (ValueError, RecursionError) as error:
        raise invalid(
            f"The request is not JSON: {str(error)[:200]}. Expected an object."
        ) from None
    if not isinstance(value, dict):
        raise invalid(
            f"Received {_kind(value)} as the request. Expected an object with "
            "instances or inputs."
        )
    return value


def signature_name(request: Mapping[str, Any]) -> str:
    """The name of the requested signature.

    Raises:
        RequestError: it is not a string.
    """
    name = request.get("signature_name", "serving_default")
    if not isinstance(name, str):
        raise invalid(f"Received {_kind(name)} as signature_name. Expected a string.")
    return name


def inputs_of(request: Mapping[str, Any], signature: Signature) -> Arrays:
    """The inputs of a `:predict` request.

    Raises:
        RequestError: the inputs do not match the signature.
    """
    if ("instances" in request) == ("inputs" in request):
        raise invalid("Expected either instances (rows) or inputs (columns).")
    names = sorted(signature.definition.inputs)
    columns = request.get("inputs")
    if "instances" in request:
        columns = _columns(request["instances"], names)
    elif not isinstance(columns, dict):
        columns = _only(columns, names, "inputs")
    if sorted(columns) != names:
        raise invalid(f"Received the inputs {sorted(columns)}. Expected {names}.")
    arrays = {}
    for name in names:
        # NumPy nests lists only as far as their lengths are equal: lists that remain
        # are refused as values, and a wrong shape by the signature.
        nested = np.array(columns[name], object)
        flat = _array(name, nested.ravel().tolist(), signature.spec(name)[0])
        arrays[name] = flat.reshape(nested.shape)
    return arrays


def _columns(rows: Any, names: list[str]) -> dict[str, Any]:
    if not isinstance(rows, list) or not rows:
        raise invalid("Expected instances to be a list of one or more rows.")
    if not all(_is_object(row) for row in rows):
        return _only(rows, names, "instances")
    for row in rows:
        if sorted(row) != names:
            raise invalid(f"Received a row with {sorted(row)}. Expected {names}.")
    return {name: [row[name] for row in rows] for name in names}


def _only(values: Any, names: list[str], where: str) -> dict[str, Any]:
    if len(names) != 1:
        raise invalid(f"Expected {where} as objects with {names}.")
    return {names[0]: values}


def _is_object(value: Any) -> bool:
    # {"b64": ...} is a string.
    return isinstance(value, dict) and set(value) != {"b64"}


def _array(name: str, values: Sequence[Any], dtype: tf.DType) -> np.ndarray:
    """Values of one type, as an array (values,)."""
    if dtype == tf.string:
        return text_array([_text(name, value) for value in values])
    expected, types = _TYPES.get(dtype, ("a number", (int, float)))
    for value in values:
        # In Python, booleans are integers.
        is_right_bool = isinstance(value, bool) == (dtype == tf.bool)
        if not isinstance(value, types) or not is_right_bool:
            raise invalid(f"Received {_kind(value)} in {name}. Expected {expected}.")
    try:
        array = np.array(values, dtype.as_numpy_dtype)
    except OverflowError:
        array = np.array([np.inf])
    if not np.isfinite(array).all():
        raise invalid(
            f"Received a number in {name} that is too large. Expected {dtype.name}."
        )
    return array


def _text(name: str, value: Any) -> bytes:
    if isinstance(value, str):
        try:
            return value.encode("utf-8")
        except UnicodeEncodeError:
            raise invalid(
                f"Received an unpaired surrogate in {name}. Expected valid Unicode."
            ) from None
    if isinstance(value, dict) and set(value) == {"b64"}:
        try:
            return base64.b64decode(value["b64"], validate=True)
        except (TypeError, ValueError):
            raise invalid(f"Received invalid base64 in {name}.") from None
    raise invalid(f"Received {_kind(value)} in {name}. Expected a string.")


def _kind(value: Any) -> str:
    names = {
        bool: "true or false",
        str: "a string",
        int: "a number",
        float: "a number",
        list: "a list",
        dict: "an object",
        type(None): "null",
    }
    return names[type(value)]


def examples_of(request: Mapping[str, Any]) -> np.ndarray:
    """The serialized examples of a `:classify` or `:regress` request.

    Returns:
        Object array `(examples,)` of bytes.

    Raises:
        RequestError: the examples are malformed.
    """
    examples = request.get("examples")
    context = request.get("context", {})
    if not isinstance(examples, list) or not examples or not isinstance(context, dict):
        raise invalid("Expected examples to be a list of one or more objects.")
    serialized = []
    for features in examples:
        if not isinstance(features, dict):
            raise invalid(
                f"Received {_kind(features)} as an example. Expected an object."
            )
        serialized.append(_example({**context, **features}).SerializeToString())
    return text_array(serialized)


def _example(features: Mapping[str, Any]) -> tf.train.Example:
    example = tf.train.Example()
    for name, value in features.items():
        values = value if isinstance(value, list) else [value]
        feature = example.features.feature[name]
        if all(isinstance(v, str | dict) for v in values):
            feature.bytes_list.value.extend(_array(name, values, tf.string))
        elif all(isinstance(v, int) and not isinstance(v, bool) for v in values):
            feature.int64_list.value.extend(_array(name, values, tf.int64))
        else:
            feature.float_list.value.extend(_array(name, values, tf.float32))
    return example


def predictions(answers: Arrays, by_rows: bool) -> Iterator[str]:
    """The response to a `:predict` request: `predictions` of rows, or `outputs`.

    A single output is written without its name.

    Returns:
        JSON, in chunks of one row each.

    Raises:
        RequestError: the response is too large for JSON.
    """
    size = sum(values.size for values in answers.values())
    if size > _MOST_VALUES:
        raise RequestError(
            "RESOURCE_EXHAUSTED",
            f"The response has {size:,} values. Expected at most {_MOST_VALUES:,} in "
            "JSON: send fewer texts at once, or use gRPC.",
        )
    rows = {name: _rows(values) for name, values in answers.items()}
    yield '{"predictions":' if by_rows else '{"outputs":'
    if by_rows:
        named = (
            _without_name(dict(zip(rows, row, strict=True)))
            for row in zip(*rows.values(), strict=True)
        )
        yield from _list(named)
    elif len(rows) == 1:
        yield from _list(next(iter(rows.values())))
    else:
        for number, name in enumerate(rows):
            yield f"{',' if number else '{'}{_json(name)}:"
            yield from _list(rows[name])
        yield "}"
    yield "}"


def _rows(values: np.ndarray) -> Iterator[Any]:
    return (_plain(values[i : i + 1])[0] for i in range(len(values)))


def _list(rows: Iterable[Any]) -> Iterator[str]:
    yield "["
    for number, row in enumerate(rows):
        yield f"{',' if number else ''}{_json(row)}"
    yield "]"


def _json(value: Any) -> str:
    # `Inference` has checked that all values are finite.
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def results(answers: Arrays) -> dict[str, Any]:
    """The response to a `:classify` or `:regress` request."""
    if "outputs" in answers:
        return {"result": _plain(answers["outputs"])}
    classes, scores = (_plain(answers[name]) for name in ("classes", "scores"))
    return {
        "result": [
            [list(pair) for pair in zip(*row, strict=True)]
            for row in zip(classes, scores, strict=True)
        ]
    }


def _without_name(values: dict[str, Any]) -> Any:
    return next(iter(values.values())) if len(values) == 1 else values


def _plain(values: np.ndarray) -> Any:
    if values.dtype != object:
        return values.tolist()
    texts = [value.decode("utf-8", "replace") for value in values.flat]
    return text_array(texts).reshape(values.shape).tolist()
