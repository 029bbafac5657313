"""Multi-head self-attention (Vaswani et al. 2017, section 3.2)."""

from typing import Any

import keras
import numpy as np
from keras import ops

from bert_tf.layers import elementwise
from bert_tf.layers.dense import dense
from bert_tf.layers.dropout import SavedSeed, draw_seed


@keras.saving.register_keras_serializable("bert_tf")
class SelfAttention(SavedSeed, keras.layers.Layer):
    """Multi-head self-attention of the tokens of a row.

    Args:
        hidden_dim: width of input and output.
        num_heads: a divisor of `hidden_dim`.
        dropout: rate on the attention probabilities.
        initializer_range: standard deviation of the initial kernels.
        rotary: whether queries and keys are rotated by their positions.

    Call arguments:
        x: float (batch, sequence, hidden).
        attention_mask: bool (batch, 1 or query, key), True where a query may
            attend to a key.
        positions: int32 (batch or 1, sequence), needed for rotary positions only.
        training: whether dropout is applied.

    Output:
        float (batch, sequence, hidden).
    """

    def __init__(
        self,
        hidden_dim: int,
        num_heads: int,
        dropout: float,
        initializer_range: float,
        rotary: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.hidden_dim = hidden_dim
        self.num_heads = num_heads
        self.dropout = dropout
        self.initializer_range = initializer_range
        self.rotary = rotary
        self.seed_generator = keras.random.SeedGenerator()
        # One wide product computes queries, keys and values: it runs closer to the
        # peak rate of the machine than three narrow ones.
        policy = self.dtype_policy
        self.query_key_value = dense(
            3 * hidden_dim, initializer_range, "query_key_value", policy
        )
        self.output_projection = dense(hidden_dim, initializer_range, "output", policy)

    def build(self, input_shape: tuple) -> None:
        """Makes the kernels (hidden, 3 hidden) and (hidden, hidden)."""
        self.query_key_value.build(input_shape)
        self.output_projection.build(input_shape)

    def call(
        self, x: Any, attention_mask: Any, positions: Any = None, training: bool = False
    ) -> Any:
        """Applies the attention; the class describes the arguments."""
        batch, sequence, _ = ops.shape(x)
        query, key, value = self._query_key_value(x, positions)
        probabilities = self._probabilities(query, key, attention_mask, training)
        context = ops.matmul(probabilities, value)  # (batch, heads, query, head_dim)
        context = ops.transpose(context, (0, 2, 1, 3))
        return self.output_projection(
            ops.reshape(context, (batch, sequence, self.hidden_dim))
        )

    def probabilities(self, x: Any, attention_mask: Any, positions: Any = None) -> Any:
        """Computes the attention probabilities, without dropout.

        They are float (batch, heads, query, key) and sum to 1 over the keys.
        """
        query, key, _ = self._query_key_value(x, positions)
        return self._probabilities(query, key, attention_mask, training=False)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of the constructor, as plain values."""
        return {
            **super().get_config(),
            "hidden_dim": self.hidden_dim,
            "num_heads": self.num_heads,
            "dropout": self.dropout,
            "initializer_range": self.initializer_range,
            "rotary": self.rotary,
        }

    def _query_key_value(self, x: Any, positions: Any) -> tuple[Any, Any, Any]:
        """Returns queries, keys and values: (batch, heads, sequence, head_dim) each."""
        batch, sequence, _ = ops.shape(x)
        head_dim = self.hidden_dim // self.num_heads
        projected = ops.reshape(
            self.query_key_value(x), (batch, sequence, 3, self.num_heads, head_dim)
        )
        query, key, value = ops.unstack(
            ops.transpose(projected, (2, 0, 3, 1, 4)), 3, axis=0
        )
        if self.rotary:
            query, key = _rotate(query, positions), _rotate(key, positions)
        return query, key, value

    def _probabilities(
        self, query: Any, key: Any, attention_mask: Any, training: bool
    ) -> Any:
        scores = ops.matmul(query, ops.transpose(key, (0, 1, 3, 2)))
        rate = self.dropout if training else 0.0
        return elementwise.masked_softmax(
            scores,  # (batch, heads, query, key)
            attention_mask,
            draw_seed(self.seed_generator, rate),
            scale=(self.hidden_dim // self.num_heads) ** -0.5,
            rate=rate,
        )


def _rotate(x: Any, positions: Any) -> Any:
    """Rotates pairs of features by their positions (RoPE, Su et al. 2021).

    Feature i of the first half and feature i of the second half form a pair, which is
    rotated by the angle position / 10000^(2i / head_dim).

    Args:
        x: float (batch, heads, sequence, head_dim), head_dim even.
        positions: int32 (batch or 1, sequence).
    """
    half = x.shape[-1] // 2
    frequencies = 10000.0 ** (-np.arange(half, dtype="float32") / half)
    angles = ops.cast(positions, "float32")[:, None, :, None] * frequencies
    cosine, sine = (ops.cast(f(angles), x.dtype) for f in (ops.cos, ops.sin))
    first, second = ops.split(x, 2, axis=-1)
    return ops.concatenate(
        [first * cosine - second * sine, second * cosine + first * sine], axis=-1
    )
