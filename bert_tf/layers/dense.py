"""Dense layers with the initialization of BERT."""

from typing import Any

import keras
from keras import ops


def dense(
    units: int, initializer_range: float, name: str, dtype: Any, **kwargs: Any
) -> keras.layers.Dense:
    """Makes a dense layer whose initial kernel is truncated normal.

    `initializer_range` is its standard deviation, `dtype` a Keras dtype policy.
    """
    initializer = keras.initializers.TruncatedNormal(stddev=initializer_range)
    return keras.layers.Dense(
        units, kernel_initializer=initializer, name=name, dtype=dtype, **kwargs
    )


def as_matrix(x: Any) -> Any:
    """Lays all tokens of `x`, float (..., width), one below the other.

    A dense layer is one product then, to which its bias is added as it is computed.
    Keras multiplies a tensor of another rank with `tensordot`, a dozen operations more.

    Returns:
        float (tokens, width).
    """
    return ops.reshape(x, (-1, x.shape[-1]))
