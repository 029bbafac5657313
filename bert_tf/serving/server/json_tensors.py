"""JSON to arrays and back, as TF Serving's REST API has it."""

import base64
import binascii
import json
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from bert_tf.serving.server.errors import invalid
from bert_tf.serving.server.saved_model import Arrays, Signature

_INTEGERS: dict[tf.DType, Any] = {tf.int32: np.int32, tf.int64: np.int64}


def parse(body: bytes) -> dict[str, Any]:
    """A request as an object.

    Raises:
        RequestError: it is no JSON object, in UTF-8, with numbers that are numbers.
    """

    def refuse(name: str) -> Any:
        raise ValueError(f"{name} is no number in JSON")

    try:
        value = json.loads(body.decode("utf-8"), parse_constant=refuse)
    except UnicodeDecodeError as error:
        raise invalid(
            f"Byte {error.start + 1} of the request is not UTF-8. Expected JSON in "
            "UTF-8."
        ) from None
    except (ValueError, RecursionError) as error:
        raise invalid(
            f"The request is no JSON: {str(error)[:200]}. Expected an object."
        ) from None
    if not isinstance(value, dict):
        raise invalid(
            f"Received {_kind(value)} as the request. Expected an object with "
            "instances or inputs."
        )
    return value


def signature_name(request: Mapping[str, Any]) -> str:
    """Which signature is asked.

    Raises:
        RequestError: it is no text.
    """
    name = request.get("signature_name", "serving_default")
    if not isinstance(name, str):
        raise invalid(f"Received {_kind(name)} as signature_name. Expected a text.")
    return name


def is_by_rows(request: Mapping[str, Any]) -> bool:
    """Whether a `:predict` request has rows, and its answer shall have them too."""
    return "instances" in request


def inputs_of(request: Mapping[str, Any], signature: Signature) -> Arrays:
    """The inputs of a `:predict` request.

    Raises:
        RequestError: they are not those of the signature.
    """
    if ("instances" in request) == ("inputs" in request):
        raise invalid("Expected either instances (rows) or inputs (columns).")
    names = sorted(signature.definition.inputs)
    columns = request.get("inputs")
    if is_by_rows(request):
        columns = _columns(request["instances"], names)
    elif not isinstance(columns, dict):
        columns = _only(columns, names, "inputs")
    if sorted(columns) != names:
        raise invalid(f"Received the inputs {sorted(columns)}. Expected {names}.")
    return {
        name: array_of(name, columns[name], *signature.spec(name)) for name in names
    }


def _columns(rows: Any, names: list[str]) -> dict[str, Any]:
    if not isinstance(rows, list) or not rows:
        raise invalid("Expected instances to be a list of one row or more.")
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
    # {"b64": ...} is a text.
    return isinstance(value, dict) and set(value) != {"b64"}


def array_of(
    name: str, value: Any, dtype: tf.DType, shape: tuple[int | None, ...]
) -> np.ndarray:
    """Nested lists as an array.

    Args:
        name: of the input, for errors.
        value: from JSON.
        dtype: that is expected.
        shape: that is expected; None is any number.

    Raises:
        RequestError: types or shapes are others.
    """
    sizes = []
    values = [value]
    for depth, size in enumerate(shape):
        if not all(isinstance(part, list) for part in values):
            wrong = next(part for part in values if not isinstance(part, list))
            raise invalid(
                f"Received {_kind(wrong)} in {name} where a list belongs. Expected "
                f"{len(shape)} dimensions, {list(shape)}."
            )
        lengths = {len(part) for part in values}
        if len(lengths) > 1:
            raise invalid(
                f"Received lists of different lengths, {sorted(lengths)[:5]}, in "
                f"{name}. Expected as many in each: fill them up."
            )
        found = lengths.pop() if lengths else 0
        if size is not None and found != size:
            raise invalid(
                f"Received {found} values in dimension {depth} of {name}. Expected "
                f"{size}."
            )
        sizes.append(found)
        values = [item for part in values for item in part]
    leaf = _leaf(dtype)
    flat = [leaf(name, item) for item in values]
    types: dict[tf.DType, Any] = {tf.string: object, tf.bool: np.bool_, **_INTEGERS}
    array = np.empty(len(flat), types.get(dtype, np.float32))
    array[:] = flat
    return array.reshape(sizes)


def _leaf(dtype: tf.DType) -> Callable[[str, Any], Any]:
    """What takes a value to one of the type, or refuses it."""

    def text(name: str, value: Any) -> bytes:
        if isinstance(value, str):
            try:
                return value.encode("utf-8")
            except UnicodeEncodeError:
                raise invalid(
                    f"Received half of a surrogate pair in {name}. Expected Unicode."
                ) from None
        if isinstance(value, dict) and set(value) == {"b64"}:
            try:
                return base64.b64decode(value["b64"], validate=True)
            except (binascii.Error, TypeError, ValueError):
                raise invalid(f"Received a b64 in {name} that is none.") from None
        raise invalid(f"Received {_kind(value)} in {name}. Expected a text.")

    def integer(name: str, value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise invalid(f"Received {_kind(value)} in {name}. Expected an integer.")
        limits = np.iinfo(_INTEGERS[dtype])
        if not limits.min <= value <= limits.max:
            raise invalid(
                f"Received {str(value)[:30]} in {name}. Expected an integer from "
                f"{limits.min} to {limits.max}."
            )
        return value

    def boolean(name: str, value: Any) -> bool:
        if not isinstance(value, bool):
            raise invalid(f"Received {_kind(value)} in {name}. Expected true or false.")
        return value

    def number(name: str, value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise invalid(f"Received {_kind(value)} in {name}. Expected a number.")
        try:
            value = float(value)
        except OverflowError:
            value = math.inf
        if not math.isfinite(value):
            raise invalid(f"Received a number in {name} that is too large.")
        return value

    if dtype in _INTEGERS:
        return integer
    return {tf.string: text, tf.bool: boolean}.get(dtype, number)


def _kind(value: Any) -> str:
    names = {
        bool: "true or false",
        str: "a text",
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
        RequestError: they are no examples.
    """
    examples = request.get("examples")
    context = request.get("context", {})
    if not isinstance(examples, list) or not examples or not isinstance(context, dict):
        raise invalid("Expected examples to be a list of one object or more.")
    array = np.empty(len(examples), object)
    for index, features in enumerate(examples):
        if not isinstance(features, dict):
            raise invalid(
                f"Received {_kind(features)} as an example. Expected an object."
            )
        array[index] = _example({**context, **features}).SerializeToString()
    return array


def _example(features: Mapping[str, Any]) -> tf.train.Example:
    example = tf.train.Example()
    for name, value in features.items():
        values = value if isinstance(value, list) else [value]
        feature = example.features.feature[name]
        if all(isinstance(v, str | dict) for v in values):
            leaf = _leaf(tf.string)
            feature.bytes_list.value.extend(leaf(name, v) for v in values)
        elif all(isinstance(v, int) and not isinstance(v, bool) for v in values):
            leaf = _leaf(tf.int64)
            feature.int64_list.value.extend(leaf(name, v) for v in values)
        else:
            leaf = _leaf(tf.float32)
            feature.float_list.value.extend(leaf(name, v) for v in values)
    return example


def predictions(answers: Arrays, by_rows: bool) -> dict[str, Any]:
    """The answer to a `:predict` request: `predictions` of rows, or `outputs`.

    A single output stands for itself, without its name.
    """
    columns = {name: _plain(values) for name, values in answers.items()}
    if not by_rows:
        return {"outputs": _without_name(columns)}
    count = len(next(iter(columns.values())))
    rows = [{name: values[i] for name, values in columns.items()} for i in range(count)]
    return {"predictions": [_without_name(row) for row in rows]}


def results(answers: Arrays) -> dict[str, Any]:
    """The answer to a `:classify` or `:regress` request."""
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
    array = np.empty(values.size, object)
    array[:] = texts
    return array.reshape(values.shape).tolist()
