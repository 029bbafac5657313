"""The ways in which a served model can be asked, and helpers for its answers."""

import dataclasses
from collections.abc import Callable
from typing import Any, Literal

import tensorflow as tf

from bert_tf.tasks.kind import Task
from data_pipelines.rows.features import Features

# "longest": rows as long as the longest sequence of the batch, rounded up. "fixed": as
# long as the model allows, always. "compiled": the model is compiled by XLA, for rows
# and batches whose sizes are powers of two, each anew.
Rows = Literal["longest", "fixed", "compiled"]

Answers = dict[str, tf.Tensor]

# What short rows are filled up with.
MISSING: dict[tf.DType, Any] = {tf.string: "", tf.float32: 0.0, tf.int32: -1}


@dataclasses.dataclass(frozen=True)
class Endpoint:
    """One way to ask a model.

    Attributes:
        function: takes tensors, and `rows` by name.
        inputs: these tensors, with the names by which clients know them.
        rows: the values of `rows` that have a signature.
    """

    function: Callable[..., Answers]
    inputs: list[tf.TensorSpec]
    rows: tuple[Rows, ...] = ("longest", "fixed", "compiled")


@dataclasses.dataclass(frozen=True)
class Served:
    """A fine-tuned model as the endpoints of its kind see it.

    Attributes:
        answer: from columns of strings and `rows` to the answers of the kind; in graph.
    """

    task: Task
    encoding: Any
    answer: Callable[[dict[str, Any], Rows], Any]

    def endpoint(
        self,
        inputs: list[tf.TensorSpec],
        columns: Callable[..., dict[str, Any]],
        outputs: Callable[[Any, dict[str, Any]], Answers] = lambda answers, _: answers,
        rows: tuple[Rows, ...] = ("longest", "fixed", "compiled"),
    ) -> Endpoint:
        """A way to ask the model.

        Args:
            inputs: what clients send.
            columns: from these tensors to columns, as the encoding takes them; others
                are left alone.
            outputs: from answers and columns to what clients receive.
            rows: see `Endpoint`.
        """

        def function(*tensors: tf.Tensor, rows: Rows) -> Answers:
            given = columns(*tensors)
            return outputs(self.answer(given, rows), given)

        return Endpoint(function, inputs, rows)


def strings(name: str) -> tf.TensorSpec:
    """Any number of texts."""
    return tf.TensorSpec([None], tf.string, name=name)


def from_windows(
    values: tf.RaggedTensor,
    places: tf.RaggedTensor,
    example: tf.Tensor,
    counts: tf.Tensor,
) -> tf.RaggedTensor:
    """The values of each text, from whichever window has each of them.

    Args:
        values: (windows, (asked)).
        places: int32 (windows, (asked)), the place of each value in its text.
        example: int32 (windows,), the text of each window.
        counts: int32 (texts,), values of each text.

    Returns:
        (texts, (values)).
    """
    text = tf.gather(example, places.value_rowids())
    target = tf.gather(tf.cumsum(counts, exclusive=True), text) + places.values
    ordered = tf.gather(values.values, tf.argsort(target))
    return tf.RaggedTensor.from_row_lengths(ordered, counts, validate=False)


def truncated(origin: Features) -> tf.Tensor:
    """bool (texts,): whether a sequence of the text was cut off."""
    flags = tf.cast(origin["truncated"], tf.int32)
    return tf.math.segment_max(flags, origin["example"]) > 0


def padded(values: dict[str, tf.RaggedTensor]) -> Answers:
    """Ragged answers as rectangles, filled up with "", 0.0 or -1."""
    return {name: v.to_tensor(MISSING[v.dtype]) for name, v in values.items()}


def characters_before(texts: tf.Tensor, ends: tf.Tensor) -> tf.Tensor:
    """int32: the number of characters of each text before a byte; -1 for -1."""
    beginnings = tf.strings.substr(texts, tf.zeros_like(ends), tf.maximum(ends, 0))
    count = tf.strings.length(beginnings, unit="UTF8_CHAR")
    return tf.where(ends >= 0, count, -1)
