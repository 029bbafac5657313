"""Check of ids before they are looked up in a table.

Without it, the result of an invalid id depends on the device: on CPUs a lookup raises
an error, but reads the last row for -1; on GPUs it gives zeros; a product with one-hot
rows gives zeros everywhere.
"""

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import tensorflow as tf


def _message(name: str, low: Any, high: Any, count: int) -> str:
    return f"Received {name} from {low} to {high}. Expected 0 to {count - 1}."


def require_ids(name: str, ids: np.ndarray, count: int) -> None:
    """Raises ValueError if an id is negative, or not less than the count."""
    if ids.size and not (ids.min() >= 0 and ids.max() < count):
        raise ValueError(_message(name, ids.min(), ids.max(), count))


def id_check(name: str, ids: "tf.Tensor", count: int) -> "tf.Operation":
    """Returns the same check as an op, for use as a control dependency.

    XLA removes it, so it must be placed before compiled code.

    Raises:
        tf.errors.InvalidArgumentError: at run time, if an id is out of range.
    """
    # Imported here because layers also use this module with other Keras backends.
    import tensorflow as tf

    low, high = tf.reduce_min(ids), tf.reduce_max(ids)
    message = tf.strings.format(_message(name, "{}", "{}", count), (low, high))
    return tf.debugging.Assert((low >= 0) & (high < count), [message])
