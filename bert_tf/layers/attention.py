"""Multi-head self-attention (Vaswani et al. 2017, section 3.2)."""

from typing import Any

import keras
import numpy as np
from keras import ops

from bert_tf.layers import elementwise
from bert_tf.layers.dense import as_matrix, dense
from bert_tf.layers.dropout import SavedSeed, draw_seed
from bert_tf.layers.gather import gather_rows
from bert_tf.layers.long_rows import LongRowMask, attend_in_blocks, attend_in_windows
from bert_tf.layers.relative_positions import disentangled_scores


@keras.saving.register_keras_serializable("bert_tf")
class SelfAttention(SavedSeed, keras.layers.Layer):
    """Multi-head self-attention of the tokens of a row.

    Args:
        hidden_dim: width of input and output.
        num_heads: a divisor of `hidden_dim`.
        dropout: rate on the attention probabilities.
        initializer_range: standard deviation of the initial kernels.
        rotary: whether queries and keys are rotated by their positions.
        rotary_base: base of the wavelengths of the rotation.
        disentangled: whether contents are also compared with relative positions (He et
            al. 2021, section 3.1).
        use_bias: whether the dense layers add a bias.

    Call arguments:
        x: float (batch, sequence, hidden).
        attention_mask: bool (batch, 1 or query, key), True where a query may
            attend to a key; or a `LongRowMask`.
        positions: int32 (batch or 1, sequence), needed for rotary positions only.
        relative: float (2 sequence - 1, hidden), a vector for each distance, from
            `RelativePositions`, where the attention is disentangled. Otherwise float
            (1, heads, query, key), a bias that is added to the scores, from
            `RelativeBias`, or None.
        read_positions: int32 (batch, read), the tokens that attend; None for all. Not
            with `relative` or a `LongRowMask`.
        sequence_tokens: int32 (sequences, length), the tokens of sequences in all rows
            laid end to end, where only the first token of each sequence attends; None
            otherwise. The mask and the positions are those of the sequences then.
        training: whether dropout is applied.

    Output:
        float (batch, sequence or read, hidden); with `sequence_tokens` float
        (sequences, 1, hidden).
    """

    def __init__(
        self,
        hidden_dim: int,
        num_heads: int,
        dropout: float,
        initializer_range: float,
        rotary: bool = False,
        rotary_base: float = 10000.0,
        disentangled: bool = False,
        use_bias: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.hidden_dim = hidden_dim
        self.num_heads = num_heads
        self.dropout = dropout
        self.initializer_range = initializer_range
        self.rotary = rotary
        self.rotary_base = rotary_base
        self.disentangled = disentangled
        self.use_bias = use_bias
        self.seed_generator = keras.random.SeedGenerator()
        # One wide product computes queries, keys and values: it runs closer to the
        # peak rate of the machine than three narrow ones.
        arguments = {"dtype": self.dtype_policy, "use_bias": use_bias}
        self.query_key_value = dense(
            3 * hidden_dim, initializer_range, "query_key_value", **arguments
        )
        self.output_projection = dense(
            hidden_dim, initializer_range, "output", **arguments
        )

    def build(self, input_shape: tuple) -> None:
        """Makes the kernels (hidden, 3 hidden) and (hidden, hidden)."""
        self.query_key_value.build(input_shape)
        self.output_projection.build(input_shape)

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
        """Applies the attention; the class describes the arguments."""
        query, key, value = self._query_key_value(x, positions, sequence_tokens)
        if sequence_tokens is not None:
            query = query[:, :, :1]
        if read_positions is not None:
            query, attention_mask = _at(read_positions, query, attention_mask)
        batch, _, queries, _ = ops.shape(query)
        if isinstance(attention_mask, LongRowMask):
            context = self._long_context(query, key, value, attention_mask, training)
        else:
            context = ops.matmul(
                self._probabilities(query, key, attention_mask, relative, training),
                value,
            )  # (batch, heads, query, head_dim)
        context = ops.transpose(context, (0, 2, 1, 3))
        outputs = self.output_projection(ops.reshape(context, (-1, self.hidden_dim)))
        return ops.reshape(outputs, (batch, queries, self.hidden_dim))

    def probabilities(
        self,
        x: Any,
        attention_mask: Any,
        positions: Any = None,
        relative: Any = None,
    ) -> Any:
        """Computes the attention probabilities, without dropout.

        They are float (batch, heads, query, key) and sum to 1 over the keys.
        """
        query, key, _ = self._query_key_value(x, positions)
        return self._probabilities(query, key, attention_mask, relative, False)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of the constructor, as plain values."""
        return {
            **super().get_config(),
            "hidden_dim": self.hidden_dim,
            "num_heads": self.num_heads,
            "dropout": self.dropout,
            "initializer_range": self.initializer_range,
            "rotary": self.rotary,
            "rotary_base": self.rotary_base,
            "disentangled": self.disentangled,
            "use_bias": self.use_bias,
        }

    def _query_key_value(
        self, x: Any, positions: Any, sequence_tokens: Any = None
    ) -> tuple[Any, Any, Any]:
        """Returns queries, keys and values: (batch, heads, sequence, head_dim) each."""
        query, key, value = self._split(x, sequence_tokens)
        if self.rotary:
            base = self.rotary_base
            query, key = _rotate(query, positions, base), _rotate(key, positions, base)
        return query, key, value

    def _split(self, x: Any, sequence_tokens: Any = None) -> tuple[Any, Any, Any]:
        batch, sequence, _ = ops.shape(x)
        projected = self.query_key_value(as_matrix(x))
        if sequence_tokens is not None:
            batch, sequence = ops.shape(sequence_tokens)
            projected = ops.take(projected, sequence_tokens, axis=0)
        head_dim = self.hidden_dim // self.num_heads
        projected = ops.reshape(
            projected, (batch, sequence, 3, self.num_heads, head_dim)
        )
        return ops.unstack(ops.transpose(projected, (2, 0, 3, 1, 4)), 3, axis=0)

    @property
    def _scale(self) -> float:
        # Three products are added up in disentangled attention.
        terms = 3 if self.disentangled else 1
        return (terms * self.hidden_dim // self.num_heads) ** -0.5

    def _probabilities(
        self, query: Any, key: Any, attention_mask: Any, relative: Any, training: bool
    ) -> Any:
        scores = ops.matmul(query, ops.transpose(key, (0, 1, 3, 2)))
        if self.disentangled:
            # The positions have the kernels of the contents.
            of_query, of_key, _ = self._split(relative[None])
            scores += disentangled_scores(query, key, of_query, of_key)
        elif relative is not None:
            scores += relative / self._scale
        rate = self.dropout if training else 0.0
        return elementwise.masked_softmax(
            scores,  # (batch, heads, query, key)
            attention_mask,
            draw_seed(self.seed_generator, rate),
            scale=self._scale,
            rate=rate,
        )

    def _long_context(
        self, query: Any, key: Any, value: Any, mask: LongRowMask, training: bool
    ) -> Any:
        rate = self.dropout if training else 0.0
        attend = attend_in_windows if mask.window else attend_in_blocks
        seed = draw_seed(self.seed_generator, rate)
        return attend(query, key, value, mask, seed, scale=self._scale, rate=rate)


def _at(read_positions: Any, query: Any, attention_mask: Any) -> tuple[Any, Any]:
    """Returns the queries and the mask rows of some tokens."""
    # A product rather than a lookup, whose gradient would be a scatter.
    sequence = ops.shape(query)[2]
    chosen = ops.one_hot(read_positions, sequence, dtype=query.dtype)
    query = ops.matmul(chosen[:, None], query)
    if attention_mask.shape[1] != 1:
        attention_mask = gather_rows(attention_mask, read_positions)
    return query, attention_mask


def _rotate(x: Any, positions: Any, base: float) -> Any:
    """Rotates pairs of features by their positions (RoPE, Su et al. 2021).

    Feature i of the first half and feature i of the second half form a pair, which is
    rotated by the angle position / base^(2i / head_dim).

    Args:
        x: float (batch, heads, sequence, head_dim), head_dim even.
        positions: int32 (batch or 1, sequence).
        base: of the wavelengths; 10000 in the paper.
    """
    half = x.shape[-1] // 2
    frequencies = base ** (-np.arange(half, dtype="float32") / half)
    angles = ops.cast(positions, "float32")[:, None, :, None] * frequencies
    cosine, sine = (ops.cast(f(angles), x.dtype) for f in (ops.cos, ops.sin))
    first, second = ops.split(x, 2, axis=-1)
    return ops.concatenate(
        [first * cosine - second * sine, second * cosine + first * sine], axis=-1
    )
