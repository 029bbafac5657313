"""Layer normalization, alone or as the end of a part of a post-LN block."""

from typing import Any

import keras
from keras import ops

from bert_tf.layers import elementwise
from bert_tf.layers.dropout import SavedSeed, draw_seed


@keras.saving.register_keras_serializable("bert_tf")
class LayerNorm(SavedSeed, keras.layers.Layer):
    """Normalizes the last axis, optionally after dropout and a residual addition.

    Args:
        epsilon: added to the variance.
        dropout: rate of dropout on `x` before it is added to `residual`.
        use_offset: whether an offset is added to the scaled values.

    Call arguments:
        x: float (batch, sequence, hidden).
        residual: float of the same shape; with it the layer computes
            `norm(residual + dropout(x))`, the end of each part of a post-LN block.
        training: whether dropout is applied.

    Output:
        float (batch, sequence, hidden).
    """

    def __init__(
        self,
        epsilon: float,
        dropout: float = 0.0,
        use_offset: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.epsilon = epsilon
        self.dropout = dropout
        self.use_offset = use_offset
        self.seed_generator = keras.random.SeedGenerator()

    def build(self, input_shape: tuple) -> None:
        """Makes scale and offset, both (hidden,)."""
        shape = (input_shape[-1],)
        # autocast=False: the statistics and the affine part stay in float32.
        self.scale = self.add_weight(
            name="scale", shape=shape, initializer="ones", autocast=False
        )
        self.offset = None
        if self.use_offset:
            self.offset = self.add_weight(
                name="offset", shape=shape, initializer="zeros", autocast=False
            )

    def call(self, x: Any, residual: Any = None, training: bool = False) -> Any:
        """Normalizes; the class describes the arguments."""
        offset = self.offset
        if offset is None:
            offset = ops.zeros(self.scale.shape, "float32")
        if residual is None:
            return elementwise.normalize(x, self.scale, offset, epsilon=self.epsilon)
        rate = self.dropout if training else 0.0
        return elementwise.drop_add_normalize(
            x,
            residual,
            self.scale,
            offset,
            draw_seed(self.seed_generator, rate),
            rate=rate,
            epsilon=self.epsilon,
        )

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of the constructor, as plain values."""
        return {
            **super().get_config(),
            "epsilon": self.epsilon,
            "dropout": self.dropout,
            "use_offset": self.use_offset,
        }
