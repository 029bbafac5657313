"""The position-wise feed-forward part of a block."""

from typing import Any

import keras
from keras import ops

from bert_tf.layers import elementwise
from bert_tf.layers.dense import as_matrix, dense


@keras.saving.register_keras_serializable("bert_tf")
class FeedForward(keras.layers.Layer):
    """A dense layer, an activation, and a second dense layer.

    Args:
        hidden_dim: width of input and output.
        intermediate_dim: width between the two layers.
        activation: one of `bert_tf.models.config.HIDDEN_ACTS`; "geglu" makes the first
            product twice as wide.
        initializer_range: standard deviation of the initial kernels.
        use_bias: whether the dense layers add a bias.

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
        use_bias: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.hidden_dim = hidden_dim
        self.intermediate_dim = intermediate_dim
        self.activation = activation
        self.initializer_range = initializer_range
        self.use_bias = use_bias
        width = intermediate_dim * (2 if activation == "geglu" else 1)
        arguments = {"dtype": self.dtype_policy, "use_bias": use_bias}
        self.expansion = dense(width, initializer_range, "expansion", **arguments)
        self.contraction = dense(
            hidden_dim, initializer_range, "contraction", **arguments
        )

    def build(self, input_shape: tuple) -> None:
        """Makes the two kernels, and their biases."""
        self.expansion.build(input_shape)
        self.contraction.build((*input_shape[:-1], self.intermediate_dim))

    def call(self, x: Any) -> Any:
        """Applies the layers; the class describes the arguments."""
        inner = self.expansion(as_matrix(x))
        outputs = self.contraction(elementwise.activation(inner, name=self.activation))
        return ops.reshape(outputs, ops.shape(x))

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of the constructor, as plain values."""
        return {
            **super().get_config(),
            "hidden_dim": self.hidden_dim,
            "intermediate_dim": self.intermediate_dim,
            "activation": self.activation,
            "initializer_range": self.initializer_range,
            "use_bias": self.use_bias,
        }
