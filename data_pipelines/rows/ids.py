"""The check of ids against the table that they are looked up in.

Without it, what becomes of an id that is not there depends on the device: on CPUs a
lookup raises, but takes -1 for the last row; on GPUs it gives zeros; a product with
one-hot rows gives zeros on all.
"""

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import tensorflow as tf


def _message(name: str, low: Any, high: Any, count: int) -> str:
    return f"Received {name} from {low} to {high}. Expected 0 to {count - 1}."


def require_ids(name: str, ids: np.ndarray, count: int) -> None:
    """Raises ValueError where an id is below 0, or not below the count."""
    if ids.size and not (ids.min() >= 0 and ids.max() < count):
        raise ValueError(_message(name, ids.min(), ids.max(), count))


def id_check(name: str, ids: "tf.Tensor", count: int) -> "tf.Operation":
    """The same in a graph, an op that others have to depend on.

    XLA leaves it out, so its place is before what is compiled.

    Raises:
        tf.errors.InvalidArgumentError: when it runs, as `require_ids` does.
    """
    # Imported here: layers use this module on other backends, too.
    import tensorflow as tf

    low, high = tf.reduce_min(ids), tf.reduce_max(ids)
    message = tf.strings.format(_message(name, "{}", "{}", count), (low, high))
    return tf.debugging.Assert((low >= 0) & (high < count), [message])
