"""Signatures of a served model, and the shapes of the rows that answer."""

from collections.abc import Callable

import tensorflow as tf

from bert_tf.tasks.endpoints import Endpoint, Rows

SUFFIXES: dict[Rows, str] = {"longest": "", "fixed": "_fixed", "compiled": "_xla"}

_MULTIPLE = 8
_POWERS = tuple(2**power for power in range(20))


def signatures(endpoints: dict[str, Endpoint]) -> dict[str, Callable]:
    """Functions by the name under which they are served.

    An endpoint has NAME, NAME_fixed and NAME_xla, see `Rows`; the first is
    `serving_default` too.
    """
    functions = {
        name + SUFFIXES[rows]: _graph(endpoint, rows)
        for name, endpoint in endpoints.items()
        for rows in endpoint.rows
    }
    return {**functions, "serving_default": functions[next(iter(endpoints))]}


def _graph(endpoint: Endpoint, rows: Rows) -> Callable:
    # The names of the inputs are those of the specifications.
    return tf.function(
        lambda *tensors: endpoint.function(*tensors, rows=rows),
        input_signature=endpoint.inputs,
        autograph=False,
    )


def row_length(lengths: tf.Tensor, most: int, rows: Rows) -> tf.Tensor:
    """The number of tokens of a row, int32 scalar: one at least, also without texts.

    Args:
        lengths: int32 (sequences,), tokens of each.
        most: tokens that the model allows.
        rows: see `Rows`.
    """
    if rows == "fixed":
        return tf.constant(most)
    if rows == "compiled":
        length = power_of_two(longest(lengths))
    else:
        length = -(-longest(lengths) // _MULTIPLE) * _MULTIPLE
    return tf.clip_by_value(length, min(_MULTIPLE, most), most)


def longest(lengths: tf.Tensor) -> tf.Tensor:
    """The largest of int32 (texts,); 0 where there is no text."""
    return tf.reduce_max(tf.pad(lengths, [[0, 1]]))


def power_of_two(number: tf.Tensor) -> tf.Tensor:
    """The next power of two, from 1; int32 scalars."""
    powers = tf.constant(_POWERS)
    return tf.gather(powers, tf.searchsorted(powers, number[tf.newaxis])[0])
