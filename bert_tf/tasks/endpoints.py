"""Endpoints of served models, and functions for their answers."""

import dataclasses
from collections.abc import Callable
from typing import Any, Literal

import tensorflow as tf

from bert_tf.tasks.kind import Task
from data_pipelines.rows.features import Features

# "longest": rows are padded to the longest sequence of the batch, rounded up. "fixed":
# rows have the maximum length of the model. "compiled": XLA compiles the model once for
# each size of rows and batches, which are powers of two.
Rows = Literal["longest", "fixed", "compiled"]

Answers = dict[str, tf.Tensor]

# The values with which short rows are padded.
MISSING: dict[tf.DType, Any] = {tf.string: "", tf.float32: 0.0, tf.int32: -1}


@dataclasses.dataclass(frozen=True)
class Endpoint:
    """An endpoint of a served model.

    Attributes:
        function: takes tensors, and `rows` by keyword.
        inputs: the specifications of these tensors, with their names for clients.
        rows: the values of `rows` that have a signature.
    """

    function: Callable[..., Answers]
    inputs: list[tf.TensorSpec]
    rows: tuple[Rows, ...] = ("longest", "fixed", "compiled")


@dataclasses.dataclass(frozen=True)
class Served:
    """The parts of a fine-tuned model that the endpoints of its kind need.

    Attributes:
        task, encoding: the task of the model and the encoding of its examples.
        answer: computes answers from columns of strings and `rows`; in graph.
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
        """Makes an endpoint of the model.

        Args:
            inputs: specifications of the tensors that clients send.
            columns: turns these tensors into the columns that the encoding takes, and
                may add others for `outputs`.
            outputs: turns answers and columns into the tensors that clients receive.
            rows: see `Endpoint`.
        """

        def function(*tensors: tf.Tensor, rows: Rows) -> Answers:
            given = columns(*tensors)
            return outputs(self.answer(given, rows), given)

        return Endpoint(function, inputs, rows)


def strings(name: str) -> tf.TensorSpec:
    """The specification of any number of texts."""
    return tf.TensorSpec([None], tf.string, name=name)


def from_windows(
    values: tf.RaggedTensor,
    places: tf.RaggedTensor,
    example: tf.Tensor,
    counts: tf.Tensor,
) -> tf.RaggedTensor:
    """Collects the values of each text from its windows.

    Args:
        values: (windows, (asked)).
        places: int32 (windows, (asked)), the place of each value in its text.
        example: int32 (windows,), the text of each window.
        counts: int32 (texts,), the number of values of each text.

    Returns:
        (texts, (values)).
    """
    text = tf.gather(example, places.value_rowids())
    target = tf.gather(tf.cumsum(counts, exclusive=True), text) + places.values
    ordered = tf.gather(values.values, tf.argsort(target))
    return tf.RaggedTensor.from_row_lengths(ordered, counts, validate=False)


def truncated(origin: Features) -> tf.Tensor:
    """Marks the texts of which a sequence was truncated, bool (texts,)."""
    flags = tf.cast(origin["truncated"], tf.int32)
    return tf.math.segment_max(flags, origin["example"]) > 0


def padded(values: dict[str, tf.RaggedTensor]) -> Answers:
    """Pads ragged answers with "", 0.0 or -1."""
    return {name: v.to_tensor(MISSING[v.dtype]) for name, v in values.items()}


def characters_before(texts: tf.Tensor, ends: tf.Tensor) -> tf.Tensor:
    """The number of characters of each text before a byte, int32; -1 for -1."""
    beginnings = tf.strings.substr(texts, tf.zeros_like(ends), tf.maximum(ends, 0))
    count = tf.strings.length(beginnings, unit="UTF8_CHAR")
    return tf.where(ends >= 0, count, -1)
