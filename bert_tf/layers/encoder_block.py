"""One Transformer block: attention and feed-forward, each with its residual."""

from typing import Any

import keras

from bert_tf.layers.attention import SelfAttention
from bert_tf.layers.dropout import Dropout
from bert_tf.layers.feed_forward import FeedForward
from bert_tf.layers.norm import LayerNorm


@keras.saving.register_keras_serializable("bert_tf")
class EncoderBlock(keras.layers.Layer):
    """One block of BERT (post-LN), or of its pre-LN variant.

    post-LN: `x = norm(x + dropout(part(x)))`; pre-LN: `x = x + dropout(part(norm(x)))`,
    for attention and then for feed-forward.

    Args:
        attention, feed_forward: the parts.
        dropout: rate on the output of each part.
        epsilon: added to the variances in the normalizations.
        norm_first: True for pre-LN.

    Call arguments:
        x: float (batch, sequence, hidden).
        attention_mask: bool (batch, 1 or query, key), True where a query may
            attend to a key.
        positions: int32 (batch or 1, sequence), for rotary positions.
        training: whether dropout is applied.

    Output:
        float (batch, sequence, hidden).
    """

    def __init__(
        self,
        attention: SelfAttention,
        feed_forward: FeedForward,
        dropout: float,
        epsilon: float,
        norm_first: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.attention = attention
        self.feed_forward = feed_forward
        self.norm_first = norm_first
        policy = self.dtype_policy
        self.attention_norm = LayerNorm(
            epsilon, dropout, name="attention_norm", dtype=policy
        )
        self.feed_forward_norm = LayerNorm(
            epsilon, dropout, name="feed_forward_norm", dtype=policy
        )
        self.residual_dropout = Dropout(dropout, dtype=policy)

    def build(self, input_shape: tuple) -> None:
        """Builds the parts."""
        self.attention.build(input_shape)
        self.attention_norm.build(input_shape)
        self.feed_forward.build(input_shape)
        self.feed_forward_norm.build(input_shape)

    def call(
        self, x: Any, attention_mask: Any, positions: Any = None, training: bool = False
    ) -> Any:
        """Applies the block; the class describes the arguments."""
        read = self.attention_norm(x) if self.norm_first else x
        added = self.attention(read, attention_mask, positions, training=training)
        if self.norm_first:
            x = self.residual_dropout(added, residual=x, training=training)
            added = self.feed_forward(self.feed_forward_norm(x))
            return self.residual_dropout(added, residual=x, training=training)
        x = self.attention_norm(added, residual=x, training=training)
        return self.feed_forward_norm(
            self.feed_forward(x), residual=x, training=training
        )

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of the constructor, as plain values."""
        return {
            **super().get_config(),
            "attention": self.attention.get_config(),
            "feed_forward": self.feed_forward.get_config(),
            "dropout": self.residual_dropout.rate,
            "epsilon": self.attention_norm.epsilon,
            "norm_first": self.norm_first,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "EncoderBlock":
        """Makes the block that `get_config` describes."""
        parts = {
            "attention": SelfAttention.from_config(config["attention"]),
            "feed_forward": FeedForward.from_config(config["feed_forward"]),
        }
        return cls(**{**config, **parts})

    def attention_probabilities(
        self, x: Any, attention_mask: Any, positions: Any = None
    ) -> Any:
        """Calls `SelfAttention.probabilities` with the input of the block."""
        if self.norm_first:
            x = self.attention_norm(x)
        return self.attention.probabilities(x, attention_mask, positions)
