"""Dense layers with the initialization of BERT."""

from typing import Any

import keras


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
