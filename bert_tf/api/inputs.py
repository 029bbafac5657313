"""Inputs and targets as notebooks have them: lists, columns, arrays, `tf.data`."""

import dataclasses
import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf


@dataclasses.dataclass(frozen=True)
class Inputs:
    """Inputs and what belongs to each, as plain Python values.

    Attributes:
        x: the inputs.
        y: a target for each; None without targets.
        weights: a weight for each; None: all weigh 1.
    """

    x: list[Any]
    y: list[Any] | None
    weights: list[float] | None

    def split(self, share: float) -> tuple["Inputs", "Inputs"]:
        """All but the last share of the inputs, and these, as Keras splits arrays.

        Raises:
            ValueError: one of the two would be empty.
        """
        count = len(self.x) - int(len(self.x) * share)
        if not 0 < share < 1 or not 0 < count < len(self.x):
            raise ValueError(
                f"Received validation_split={share} for {len(self.x)} inputs. Expected "
                "a share between 0 and 1 that leaves some on both sides."
            )
        return self._part(slice(count)), self._part(slice(count, None))

    def _part(self, part: slice) -> "Inputs":
        y = None if self.y is None else self.y[part]
        weights = None if self.weights is None else self.weights[part]
        return Inputs(self.x[part], y, weights)


def read_inputs(
    x: Any, y: Any = None, weights: Any = None, *, rank: int = 0, paired: bool = False
) -> Inputs:
    """Reads inputs, targets and weights into memory.

    Args:
        x: a sequence of inputs (a list, an array, a column of pandas, a data frame of
            two columns for pairs), or a `tf.data.Dataset` of inputs, of (inputs,
            targets) or of (inputs, targets, weights), in batches or one by one.
        y: the targets; with a dataset they are in it.
        weights: float for each input.
        rank: the axes of an input: 0 for a text, 1 for a list of words.
        paired: whether inputs may be two texts, so that (firsts, seconds), a tuple of
            two columns, is read as pairs.

    Raises:
        ValueError: inputs, targets and weights are not as many, a weight is not a
            finite number of 0 or more, or a text is given where a list of texts
            belongs.
    """
    if isinstance(x, tf.data.Dataset):
        if y is not None or weights is not None:
            raise ValueError(
                "Received a tf.data.Dataset and targets or weights beside it. Expected "
                "them in the dataset: (inputs, targets) or (inputs, targets, weights)."
            )
        found = _of_dataset(x, rank)
    else:
        if paired and _are_two_columns(x):
            x = list(zip(*map(values_of, x), strict=True))
        found = Inputs(
            values_of(x, "x"),
            None if y is None else values_of(y, "y"),
            None if weights is None else values_of(weights, "sample_weight"),
        )
    for name, values in (("targets", found.y), ("weights", found.weights)):
        if values is not None and len(values) != len(found.x):
            raise ValueError(
                f"Received {len(found.x):,} inputs and {len(values):,} {name}. "
                "Expected one for each input."
            )
    for place, weight in enumerate(found.weights or ()):
        if not isinstance(weight, int | float) or not 0 <= weight < math.inf:
            raise ValueError(
                f"Received the weight {weight!r} for input {place}. Expected a number "
                "of 0 or more."
            )
    return found


def read_texts(x: Any) -> list[str]:
    """Reads inputs that are texts, see `read_inputs`.

    Raises:
        ValueError: one of them is no text.
    """
    return [text_at(place, text) for place, text in enumerate(read_inputs(x).x)]


def values_of(values: Any, name: str = "x") -> list[Any]:
    """A sequence of any library as a list of plain Python values.

    Raises:
        ValueError: it is a single text, or no sequence.
    """
    if isinstance(values, str | bytes):
        values = _plain(values)
        raise ValueError(
            f"Received the text {_shown(values)} for {name}. Expected a list, such as "
            f"[{_shown(values)}]."
        )
    if hasattr(values, "to_numpy"):  # A column or a table of pandas.
        values = values.to_numpy()
    if isinstance(values, tf.Tensor):
        return values_of(values.numpy(), name)
    if isinstance(values, np.ndarray):
        if values.ndim == 0:
            return values_of(values.item(), name)
        values = values.tolist()
    if not isinstance(values, Iterable) or isinstance(values, dict):
        raise ValueError(
            f"Received {type(values).__name__} for {name}. Expected a list, an array, "
            "a column, or a tf.data.Dataset."
        )
    return [_plain(value) for value in values]


def label_names(labels: Any) -> tuple[str, ...]:
    """The names of labels, from any sequence of names or numbers.

    Raises:
        ValueError: there are none, or two are equal.
    """
    names = tuple(map(str, values_of(labels, "labels")))
    if not names or len(set(names)) < len(names):
        raise ValueError(
            f"Received labels={list(names)}. Expected the name of each class or tag "
            "once."
        )
    return names


def text_at(place: int, value: Any) -> str:
    """A text among inputs.

    Raises:
        ValueError: it is something else, such as the NaN of an empty cell.
    """
    if not isinstance(value, str):
        raise ValueError(f"Received {value!r} as input {place}. Expected a text.")
    return value


def texts_at(place: int, value: Any, names: str, count: int | None = None) -> list[str]:
    """Several texts that are one input.

    Args:
        place: of the input.
        value: the texts.
        names: what is expected, for the error.
        count: the number of the texts; None: any number.

    Raises:
        ValueError: their number is another, or one of them is not a text.
    """
    is_list = isinstance(value, Sequence) and not isinstance(value, str)
    if not is_list or count not in (None, len(value)):
        raise ValueError(f"Received {value!r} as input {place}. Expected {names}.")
    return [text_at(place, text) for text in value]


def _are_two_columns(x: Any) -> bool:
    """True for a tuple of two lists, not for pairs, which are tuples themselves."""
    return (
        isinstance(x, tuple)
        and len(x) == 2
        and not any(isinstance(column, str | tuple) for column in x)
        and all(hasattr(column, "__len__") for column in x)
        and all(len(column) and isinstance(_first(column), str) for column in x)
    )


def _first(column: Any) -> Any:
    return _plain(next(iter(column)))


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, tf.Tensor):
        value = value.numpy()
        return _plain(value)
    if isinstance(value, np.ndarray):
        return [_plain(part) for part in value.tolist()]
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, list | tuple):
        return type(value)(_plain(part) for part in value)
    return value


def _of_dataset(dataset: tf.data.Dataset, rank: int) -> Inputs:
    """The elements of a dataset, which may be batches."""
    if dataset.cardinality() == tf.data.INFINITE_CARDINALITY:
        raise ValueError(
            "Received a dataset without end. Expected one pass through the inputs: "
            "leave repeat() out, and give epochs."
        )
    spec = dataset.element_spec
    has_targets = isinstance(spec, tuple) and len(spec) in (2, 3)
    spec = spec if has_targets else (spec,)
    leaf = tf.nest.flatten(spec[0])[0]
    ragged = isinstance(leaf, tf.RaggedTensorSpec)
    if (leaf.shape.rank or 0) - rank == 1 or (ragged and rank == 0):
        dataset = dataset.unbatch()
    columns: list[list[Any]] = [[], [], []]
    for element in dataset:
        parts = element if has_targets else (element,)
        for column, part in zip(columns, parts, strict=False):
            column.append(_element(part))
    x, y, weights = columns
    return Inputs(
        x,
        y if has_targets else None,
        weights if has_targets and len(spec) == 3 else None,
    )


def _element(part: Any) -> Any:
    """An element of a dataset: a value, a row, or the values of a tuple or dict."""
    if isinstance(part, dict):
        return tuple(_element(value) for value in part.values())
    if isinstance(part, tuple):
        return tuple(_element(value) for value in part)
    if isinstance(part, tf.RaggedTensor):
        return [_plain(value) for value in part.to_list()]
    return _plain(part)


def _shown(text: Any) -> str:
    return repr(text if len(text) <= 40 else f"{text[:37]}...")
