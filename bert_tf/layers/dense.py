"""Dense layers as the whole model has them."""

from typing import Any

import keras


def dense(
    units: int, initializer_range: float, name: str, dtype: Any, **kwargs: Any
) -> keras.layers.Dense:
    """Makes a dense layer.

    Args:
        units: width of its output.
        initializer_range: standard deviation of the initial kernel, a truncated normal
            distribution.
        name: of the layer.
        dtype: a Keras dtype policy.
        kwargs: more arguments of `keras.layers.Dense`.
    """
    initializer = keras.initializers.TruncatedNormal(stddev=initializer_range)
    return keras.layers.Dense(
        units, kernel_initializer=initializer, name=name, dtype=dtype, **kwargs
    )
