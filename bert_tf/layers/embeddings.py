"""Token, position and segment embeddings, summed and, in most models, normalized."""

from typing import Any

import keras
import numpy as np
from keras import ops

from bert_tf.layers.dense import as_matrix
from bert_tf.layers.dropout import Dropout
from bert_tf.layers.ids import require_known_ids
from bert_tf.layers.norm import LayerNorm


@keras.saving.register_keras_serializable("bert_tf")
class Embeddings(keras.layers.Layer):
    """The input of the first block: the sum of three embeddings.

    Args:
        vocab_size: number of pieces.
        embedding_dim: width of the tables.
        hidden_dim: width of the output. Where it differs from `embedding_dim`, a dense
            projection follows (ALBERT).
        num_positions: rows of the learned position table.
        num_segments: rows of the segment table; 0 for no segments.
        position_embeddings: "learned", "sinusoidal" (Vaswani et al. 2017, section
            3.5), or "rotary", "relative" and "none", which add nothing here.
        position_offset: position of the first token.
        dropout: rate after the normalization.
        epsilon: added to the variance in the normalization; None for no
            normalization.
        initializer_range: standard deviation of the initial tables.
        use_bias: whether the normalization has an offset.

    Call arguments:
        token_ids: int32 (batch, sequence).
        segment_ids: int32 (batch, sequence), or None for all zeros.
        positions: int32 (batch or 1, sequence), without the offset.
        training: whether dropout is applied.

    Output:
        float (batch, sequence, hidden).

    Raises:
        ValueError: in an eager call, where ids or positions are outside their table;
            see `bert_tf.layers.ids`.
    """

    def __init__(
        self,
        vocab_size: int,
        embedding_dim: int,
        hidden_dim: int,
        num_positions: int,
        num_segments: int,
        position_embeddings: str,
        position_offset: int,
        dropout: float,
        epsilon: float | None,
        initializer_range: float,
        use_bias: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.vocab_size = vocab_size
        self.embedding_dim = embedding_dim
        self.hidden_dim = hidden_dim
        self.num_positions = num_positions
        self.num_segments = num_segments
        self.position_embeddings = position_embeddings
        self.position_offset = position_offset
        self.initializer = keras.initializers.TruncatedNormal(stddev=initializer_range)
        policy = self.dtype_policy
        self.use_bias = use_bias
        self.norm = None
        if epsilon is not None:
            self.norm = LayerNorm(
                epsilon, use_offset=use_bias, name="norm", dtype=policy
            )
        self.dropout = Dropout(dropout, name="dropout", dtype=policy)
        self.projection = None
        if hidden_dim != embedding_dim:
            self.projection = keras.layers.Dense(
                hidden_dim,
                kernel_initializer=self.initializer,
                name="projection",
                dtype=policy,
            )

    def build(self, input_shape: tuple) -> None:
        """Makes the tables (rows, embedding)."""
        # autocast=False: the few rows that are needed are looked up in float32 and then
        # cast, rather than a table of tens of thousands of rows.
        self.token_table = self._table("token_table", self.vocab_size)
        if self.position_embeddings == "learned":
            self.position_table = self._table("position_table", self.num_positions)
        if self.num_segments:
            self.segment_table = self._table("segment_table", self.num_segments)
        shape = (*input_shape, self.embedding_dim)
        if self.norm:
            self.norm.build(shape)
        if self.projection:
            self.projection.build(shape)

    def _table(self, name: str, rows: int) -> Any:
        return self.add_weight(
            name=name,
            shape=(rows, self.embedding_dim),
            initializer=self.initializer.clone(),
            autocast=False,
        )

    def assign_rows(self, vectors: np.ndarray, is_found: np.ndarray) -> None:
        """Initializes rows of the token table with vectors, before training.

        The mean of the vectors, which does not distinguish tokens, is subtracted. Then
        they are scaled to a mean squared length of 1: this is longer than random rows,
        so that the first steps, whose size does not depend on it, do not erase them.

        Args:
            vectors: float32 (tokens, embedding).
            is_found: bool (tokens,): the rows to initialize.

        Raises:
            ValueError: the shapes do not match the table, or the vectors do not differ.
        """
        shape = tuple(self.token_table.shape)
        if vectors.shape != shape or is_found.shape != shape[:1]:
            raise ValueError(
                f"Received vectors {vectors.shape} and is_found {is_found.shape}. "
                f"Expected {shape} and {shape[:1]}."
            )
        table = ops.convert_to_numpy(self.token_table).copy()
        found = vectors[is_found] - vectors[is_found].mean(axis=0)
        length = np.sqrt(np.square(found).sum(axis=1).mean())
        if not 0 < length < np.inf:
            raise ValueError(
                f"Received {len(found)} vectors whose mean distance from each other is "
                f"{length}. Expected several finite vectors that differ: check the "
                "file that they come from."
            )
        table[is_found] = found / length
        self.token_table.assign(table)

    def call(
        self, token_ids: Any, segment_ids: Any, positions: Any, training: bool = False
    ) -> Any:
        """Computes the embeddings; the class describes the arguments."""
        # A SavedModel with reduced-precision weights has the rows alone that it needs.
        table = ops.convert_to_tensor(self.token_table)
        require_known_ids("token_ids", token_ids, table.shape[0])
        x = ops.take(table, token_ids, axis=0)
        if self.num_segments:
            # RoBERTa has a single segment, also for pairs of texts.
            if segment_ids is None or self.num_segments == 1:
                segment_ids = ops.zeros_like(token_ids)
            require_known_ids("segment_ids", segment_ids, self.num_segments)
            # A product with one-hot rows: its gradient is a small product, too, where
            # the gradient of a lookup adds up thousands of rows one by one.
            segments = ops.one_hot(segment_ids, self.num_segments, dtype="float32")
            added = ops.matmul(as_matrix(segments), self.segment_table)
            x += ops.reshape(added, ops.shape(x))
        if self.position_embeddings == "learned":
            most = self.num_positions - self.position_offset
            require_known_ids("positions", positions, most)
            x += ops.take(self.position_table, positions + self.position_offset, axis=0)
        elif self.position_embeddings == "sinusoidal":
            x += _sinusoids(positions + self.position_offset, self.embedding_dim)
        x = ops.cast(x, self.compute_dtype)
        x = self.norm(x) if self.norm else x
        x = self.dropout(x, training=training)
        return self.projection(x) if self.projection else x

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of the constructor, as plain values."""
        return {
            **super().get_config(),
            "vocab_size": self.vocab_size,
            "embedding_dim": self.embedding_dim,
            "hidden_dim": self.hidden_dim,
            "num_positions": self.num_positions,
            "num_segments": self.num_segments,
            "position_embeddings": self.position_embeddings,
            "position_offset": self.position_offset,
            "dropout": self.dropout.rate,
            "epsilon": self.norm and self.norm.epsilon,
            "initializer_range": self.initializer.stddev,
            "use_bias": self.use_bias,
        }


def _sinusoids(positions: Any, width: int) -> Any:
    """Computes sines, then cosines, of the positions at geometric wavelengths.

    Args:
        positions: int32 (batch or 1, sequence).
        width: an even number.

    Returns:
        float32 (batch or 1, sequence, width).
    """
    half = width // 2
    frequencies = 10000.0 ** (-np.arange(half, dtype="float32") / max(half - 1, 1))
    angles = ops.cast(positions, "float32")[:, :, None] * frequencies
    return ops.concatenate([ops.sin(angles), ops.cos(angles)], axis=-1)
