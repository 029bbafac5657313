"""Ways to ask a served model, and the shapes of the rows that answer."""

import dataclasses
from collections.abc import Callable
from typing import Literal

import tensorflow as tf

# "longest": rows as long as the longest sequence of the batch, rounded up. "fixed": as
# long as the model allows, always. "compiled": the model is compiled by XLA, for rows
# and batches whose sizes are powers of two, each anew.
Rows = Literal["longest", "fixed", "compiled"]
SUFFIXES: dict[Rows, str] = {"longest": "", "fixed": "_fixed", "compiled": "_xla"}

Answers = dict[str, tf.Tensor]

_MULTIPLE = 8
_POWERS = tuple(2**power for power in range(20))


@dataclasses.dataclass(frozen=True)
class Question:
    """A way to ask.

    Attributes:
        function: takes tensors, and `rows` by name.
        inputs: these tensors, with the names by which clients know them.
        rows: for which there is a signature.
    """

    function: Callable[..., Answers]
    inputs: list[tf.TensorSpec]
    rows: tuple[Rows, ...] = ("longest", "fixed", "compiled")


def signatures(questions: dict[str, Question]) -> dict[str, Callable]:
    """Functions by the name under which they are served.

    Each question has NAME, NAME_fixed and NAME_xla, see `Rows`. The first is
    `serving_default` too.
    """
    functions = {
        name + SUFFIXES[rows]: _graph(question, rows)
        for name, question in questions.items()
        for rows in question.rows
    }
    return {**functions, "serving_default": functions[next(iter(questions))]}


def _graph(question: Question, rows: Rows) -> Callable:
    # The names of the inputs are those of the specifications.
    return tf.function(
        lambda *tensors: question.function(*tensors, rows=rows),
        input_signature=question.inputs,
        autograph=False,
    )


def strings(name: str) -> tf.TensorSpec:
    """Any number of texts."""
    return tf.TensorSpec([None], tf.string, name=name)


def row_length(longest: tf.Tensor, most: int, rows: Rows) -> tf.Tensor:
    """How long rows are.

    Args:
        longest: int32 scalar, tokens of the longest sequence.
        most: tokens that the model allows.
        rows: see `Rows`.

    Returns:
        int32 scalar: one token at least, also where there is no text.
    """
    if rows == "fixed":
        return tf.constant(most)
    if rows == "compiled":
        length = power_of_two(longest)
    else:
        length = -(-longest // _MULTIPLE) * _MULTIPLE
    return tf.clip_by_value(length, min(_MULTIPLE, most), most)


def power_of_two(number: tf.Tensor) -> tf.Tensor:
    """The next one, from 1; int32 scalars."""
    powers = tf.constant(_POWERS)
    return tf.gather(powers, tf.searchsorted(powers, number[tf.newaxis])[0])
