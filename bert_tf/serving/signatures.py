"""Signatures of a served model, and the shapes of their rows."""

from collections.abc import Callable

import tensorflow as tf

from bert_tf.tasks.endpoints import Endpoint, Rows

SUFFIXES: dict[Rows, str] = {"longest": "", "fixed": "_fixed", "compiled": "_xla"}

_MULTIPLE = 8
_POWERS = tuple(2**power for power in range(20))


def signatures(endpoints: dict[str, Endpoint]) -> dict[str, Callable]:
    """The served functions, by the name of their signature.

    An endpoint has the signatures NAME, NAME_fixed and NAME_xla, see `Rows`; the first
    endpoint is `serving_default`, too.
    """
    functions = {
        name + SUFFIXES[rows]: _graph(endpoint, rows)
        for name, endpoint in endpoints.items()
        for rows in endpoint.rows
    }
    return {**functions, "serving_default": functions[next(iter(endpoints))]}


def _graph(endpoint: Endpoint, rows: Rows) -> Callable:
    # The inputs take their names from the specifications.
    return tf.function(
        lambda *tensors: endpoint.function(*tensors, rows=rows),
        input_signature=endpoint.inputs,
        autograph=False,
    )


def row_length(lengths: tf.Tensor, most: int, rows: Rows) -> tf.Tensor:
    """The number of tokens of a row, int32 scalar: at least one, even without texts.

    Args:
        lengths: int32 (sequences,), the number of tokens of each sequence.
        most: the maximum number of tokens that the model allows.
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
    """The largest of int32 (texts,); 0 if there is no text."""
    return tf.reduce_max(tf.pad(lengths, [[0, 1]]))


def power_of_two(number: tf.Tensor) -> tf.Tensor:
    """The smallest power of two that is not less than a number; int32 scalars."""
    powers = tf.constant(_POWERS)
    return tf.gather(powers, tf.searchsorted(powers, number[tf.newaxis])[0])
