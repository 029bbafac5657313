"""The position-wise feed-forward part of a block."""

from typing import Any

import keras

from bert_tf.layers import elementwise


class FeedForward(keras.layers.Layer):
    """Dense, activation, dense.

    Args:
        hidden_dim: width of input and output.
        intermediate_dim: width between them.
        activation: one of `bert_tf.models.config.HIDDEN_ACTS`; "geglu" makes the first
            product twice as wide.
        initializer_range: standard deviation of the initial kernels.

    Call arguments:
        x: float (batch, sequence, hidden).

    Output:
        float (batch, sequence, hidden).
    """

    def __init__(
        self,
        hidden_dim: int,
        intermediate_dim: int,
        activation: str,
        initializer_range: float,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.hidden_dim = hidden_dim
        self.intermediate_dim = intermediate_dim
        self.activation = activation
        self.initializer_range = initializer_range
        width = intermediate_dim * (2 if activation == "geglu" else 1)
        self.expansion = self._dense(width, "expansion")
        self.contraction = self._dense(hidden_dim, "contraction")

    def _dense(self, units: int, name: str) -> keras.layers.Dense:
        initializer = keras.initializers.TruncatedNormal(stddev=self.initializer_range)
        return keras.layers.Dense(
            units, kernel_initializer=initializer, name=name, dtype=self.dtype_policy
        )

    def build(self, input_shape: tuple) -> None:
        """Makes the two kernels and biases."""
        self.expansion.build(input_shape)
        self.contraction.build((*input_shape[:-1], self.intermediate_dim))

    def call(self, x: Any) -> Any:
        """See the class."""
        return self.contraction(
            elementwise.activation(self.expansion(x), name=self.activation)
        )

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        """The shape of `x`."""
        return input_shape

    def get_config(self) -> dict:
        """The arguments of the constructor."""
        return {
            **super().get_config(),
            "hidden_dim": self.hidden_dim,
            "intermediate_dim": self.intermediate_dim,
            "activation": self.activation,
            "initializer_range": self.initializer_range,
        }
