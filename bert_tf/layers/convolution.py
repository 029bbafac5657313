"""The convolution beside the first block of DeBERTa v2."""

from typing import Any

import keras
from keras import ops

from bert_tf.layers.norm import LayerNorm


@keras.saving.register_keras_serializable("bert_tf")
class ConvolutionBranch(keras.layers.Layer):
    """Adds a convolution of the embeddings to the output of the first block.

    It computes `norm(x + activation(convolution(embeddings)))`. (He et al. 2021,
    DeBERTa, and the code of its version 2.)

    Args:
        hidden_dim: width of input and output.
        width: the number of tokens that the convolution reads, odd.
        activation: "tanh" or "gelu".
        epsilon: added to the variance in the normalization.
        initializer_range: standard deviation of the initial kernel.

    Call arguments:
        x: float (batch, sequence, hidden), the output of the first block.
        embeddings: float (batch, sequence, hidden), its input.
        sequence_ids: int32 (batch, sequence). Tokens with another number, such as
            those of padding, count as zeros.

    Output:
        float (batch, sequence, hidden).
    """

    def __init__(
        self,
        hidden_dim: int,
        width: int,
        activation: str,
        epsilon: float,
        initializer_range: float,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.hidden_dim = hidden_dim
        self.width = width
        self.activation = activation
        self.initializer_range = initializer_range
        self.norm = LayerNorm(epsilon, name="norm", dtype=self.dtype_policy)

    def build(self, input_shape: tuple) -> None:
        """Makes the kernel (width, hidden, hidden), its bias and the norm."""
        self.kernel = self.add_weight(
            name="kernel",
            shape=(self.width, self.hidden_dim, self.hidden_dim),
            initializer=keras.initializers.TruncatedNormal(
                stddev=self.initializer_range
            ),
        )
        self.bias = self.add_weight(
            name="bias", shape=(self.hidden_dim,), initializer="zeros"
        )
        self.norm.build(input_shape)

    def call(self, x: Any, embeddings: Any, sequence_ids: Any) -> Any:
        """Applies the layers; the class describes the arguments."""
        length, side = ops.shape(x)[1], self.width // 2
        around = [[0, 0], [side, side]]
        # A sum of products, so that a row may hold several sequences.
        rows = ops.pad(embeddings, [*around, [0, 0]])
        ids = ops.pad(sequence_ids, around, constant_values=-2)
        total = self.bias
        for place in range(self.width):
            same = ids[:, place : place + length] == sequence_ids
            moved = rows[:, place : place + length]
            moved = ops.where(same[:, :, None], moved, ops.zeros_like(moved))
            total += ops.matmul(moved, self.kernel[place])
        activation = getattr(ops, self.activation)
        arguments = {"approximate": False} if self.activation == "gelu" else {}
        return self.norm(activation(total, **arguments), residual=x)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of the constructor, as plain values."""
        return {
            **super().get_config(),
            "hidden_dim": self.hidden_dim,
            "width": self.width,
            "activation": self.activation,
            "epsilon": self.norm.epsilon,
            "initializer_range": self.initializer_range,
        }
