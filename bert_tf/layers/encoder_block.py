"""One Transformer block: attention and feed-forward, each with its residual."""

from typing import Any

import keras

from bert_tf.layers.attention import SelfAttention
from bert_tf.layers.dropout import Dropout
from bert_tf.layers.feed_forward import FeedForward
from bert_tf.layers.gather import gather_rows, gather_tokens
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
        use_bias: whether the normalizations have an offset.
        normalizes_input: whether a pre-LN block normalizes what attention reads; False
            for the first block of ModernBERT.

    Call arguments:
        x: float (batch, sequence, hidden).
        attention_mask, positions, relative, read_positions, sequence_tokens: those of
            the attention.
        training: whether dropout is applied.

    Output:
        float (batch, sequence or read, hidden).
    """

    def __init__(
        self,
        attention: SelfAttention,
        feed_forward: FeedForward,
        dropout: float,
        epsilon: float,
        norm_first: bool = False,
        use_bias: bool = True,
        normalizes_input: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.attention = attention
        self.feed_forward = feed_forward
        self.norm_first = norm_first
        self.use_bias = use_bias
        policy = self.dtype_policy
        self.attention_norm: Any = None
        if normalizes_input or not norm_first:
            self.attention_norm = LayerNorm(
                epsilon, dropout, use_bias, name="attention_norm", dtype=policy
            )
        self.feed_forward_norm = LayerNorm(
            epsilon, dropout, use_bias, name="feed_forward_norm", dtype=policy
        )
        self.residual_dropout = Dropout(dropout, dtype=policy)

    def build(self, input_shape: tuple) -> None:
        """Builds the parts."""
        self.attention.build(input_shape)
        if self.attention_norm:
            self.attention_norm.build(input_shape)
        self.feed_forward.build(input_shape)
        self.feed_forward_norm.build(input_shape)

    def call(
        self,
        x: Any,
        attention_mask: Any,
        positions: Any = None,
        relative: Any = None,
        read_positions: Any = None,
        sequence_tokens: Any = None,
        training: bool = False,
    ) -> Any:
        """Applies the block; the class describes the arguments."""
        added = self.attention(
            self._read(x),
            attention_mask=attention_mask,
            positions=positions,
            relative=relative,
            read_positions=read_positions,
            sequence_tokens=sequence_tokens,
            training=training,
        )
        if read_positions is not None:
            x = gather_rows(x, read_positions)
        if sequence_tokens is not None:
            x = gather_tokens(x, sequence_tokens[:, :1])
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
            "epsilon": self.feed_forward_norm.epsilon,
            "norm_first": self.norm_first,
            "use_bias": self.use_bias,
            "normalizes_input": self.attention_norm is not None,
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
        self,
        x: Any,
        attention_mask: Any,
        positions: Any = None,
        relative: Any = None,
    ) -> Any:
        """Calls `SelfAttention.probabilities` with the input of the block."""
        return self.attention.probabilities(
            self._read(x), attention_mask, positions, relative
        )

    def _read(self, x: Any) -> Any:
        """Returns what the attention reads."""
        is_normalized = self.norm_first and self.attention_norm is not None
        return self.attention_norm(x) if is_normalized else x
