"""The beginning of the heads of ModernBERT."""

from typing import Any

import keras

from bert_tf.layers import elementwise
from bert_tf.layers.dense import dense
from bert_tf.layers.norm import LayerNorm


@keras.saving.register_keras_serializable("bert_tf")
class HeadTransform(keras.layers.Layer):
    """A dense layer, GELU and a normalization, as in the masked-LM head.

    Args:
        hidden_dim: width of input and output.
        epsilon: added to the variance in the normalization.
        initializer_range: standard deviation of the initial kernel.
        use_bias: whether the dense layer has a bias, and the normalization an offset.

    Call arguments:
        x: float (..., hidden).

    Output:
        float (..., hidden).
    """

    def __init__(
        self,
        hidden_dim: int,
        epsilon: float,
        initializer_range: float,
        use_bias: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.hidden_dim = hidden_dim
        self.initializer_range = initializer_range
        self.use_bias = use_bias
        policy = self.dtype_policy
        self.transform = dense(
            hidden_dim, initializer_range, "transform", policy, use_bias=use_bias
        )
        self.norm = LayerNorm(epsilon, use_offset=use_bias, name="norm", dtype=policy)

    def build(self, input_shape: tuple) -> None:
        """Makes the dense layer and the norm."""
        self.transform.build(input_shape)
        self.norm.build(input_shape)

    def call(self, x: Any) -> Any:
        """Applies the layers; the class describes the arguments."""
        return self.norm(elementwise.activation(self.transform(x), name="gelu"))

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of the constructor, as plain values."""
        return {
            **super().get_config(),
            "hidden_dim": self.hidden_dim,
            "epsilon": self.norm.epsilon,
            "initializer_range": self.initializer_range,
            "use_bias": self.use_bias,
        }
