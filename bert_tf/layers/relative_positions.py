"""Attention to relative positions: that of DeBERTa, and the bias of MPNet and T5.

Only tokens of the same sequence attend to each other, so that their distance is that of
their places in the row, in packed rows, too.
"""

import math
from typing import Any

import keras
import numpy as np
from keras import ops

from bert_tf.layers.norm import LayerNorm

# Distances from which on all are in the last bucket (Raffel et al. 2020, section 2.1).
_BIAS_MAX_DISTANCE = 128


@keras.saving.register_keras_serializable("bert_tf")
class RelativePositions(keras.layers.Layer):
    """A normalized vector for each distance, which all blocks share (DeBERTa v2).

    (He et al. 2021, DeBERTaV3, section 3, and the code of DeBERTa v2.)

    Args:
        hidden_dim: width of the vectors.
        num_buckets: as `relative_buckets` of `BertConfig`; 0: no buckets.
        max_distance: as `max_relative_distance`.
        num_positions: the longest row.
        epsilon: added to the variance in the normalization.
        initializer_range: standard deviation of the initial table.

    Call arguments:
        x: float (batch, sequence, hidden), of which only the length is read.

    Output:
        float (2 sequence - 1, hidden), for the distances 1 - sequence to sequence - 1,
        each that of a query from a key before it.
    """

    def __init__(
        self,
        hidden_dim: int,
        num_buckets: int,
        max_distance: int,
        num_positions: int,
        epsilon: float,
        initializer_range: float,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.hidden_dim = hidden_dim
        self.num_buckets = num_buckets
        self.max_distance = max_distance
        self.num_positions = num_positions
        self.initializer_range = initializer_range
        self.norm = LayerNorm(epsilon, name="norm", dtype=self.dtype_policy)
        distances = np.arange(1 - num_positions, num_positions)
        span = num_buckets or max_distance
        buckets = _log_buckets(distances, num_buckets, max_distance)
        self._rows = np.clip(buckets + span, 0, 2 * span - 1).astype("int32")

    def build(self, input_shape: Any = None) -> None:
        """Makes the table, two rows for each bucket, and the normalization."""
        self.distance_table = self.add_weight(
            name="distance_table",
            shape=(2 * (self.num_buckets or self.max_distance), self.hidden_dim),
            initializer=keras.initializers.TruncatedNormal(
                stddev=self.initializer_range
            ),
            autocast=False,
        )
        self.norm.build((None, self.hidden_dim))

    def call(self, x: Any) -> Any:
        """Computes the vectors; the class describes the arguments."""
        length = ops.shape(x)[1]
        table = self.norm(ops.cast(self.distance_table, self.compute_dtype))
        return ops.take(table, _around_zero(self._rows, length), axis=0)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of the constructor, as plain values."""
        return {
            **super().get_config(),
            "hidden_dim": self.hidden_dim,
            "num_buckets": self.num_buckets,
            "max_distance": self.max_distance,
            "num_positions": self.num_positions,
            "epsilon": self.norm.epsilon,
            "initializer_range": self.initializer_range,
        }


@keras.saving.register_keras_serializable("bert_tf")
class RelativeBias(keras.layers.Layer):
    """A bias of attention for each head and distance, which all blocks share (MPNet).

    (Song et al. 2020, and Raffel et al. 2020, section 2.1.)

    Args:
        num_heads: the number of heads.
        num_buckets: half of them are for keys behind the query.
        num_positions: the longest row.
        initializer_range: standard deviation of the initial table.

    Call arguments:
        x: float (batch, sequence, hidden), of which only the length is read.

    Output:
        float (1, heads, query, key).
    """

    def __init__(
        self,
        num_heads: int,
        num_buckets: int,
        num_positions: int,
        initializer_range: float,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.num_heads = num_heads
        self.num_buckets = num_buckets
        self.num_positions = num_positions
        self.initializer_range = initializer_range
        distances = np.arange(1 - num_positions, num_positions)
        self._rows = _bias_buckets(distances, num_buckets)

    def build(self, input_shape: Any = None) -> None:
        """Makes the table (buckets, heads)."""
        self.bucket_table = self.add_weight(
            name="bucket_table",
            shape=(self.num_buckets, self.num_heads),
            initializer=keras.initializers.TruncatedNormal(
                stddev=self.initializer_range
            ),
            autocast=False,
        )

    def call(self, x: Any) -> Any:
        """Computes the bias; the class describes the arguments."""
        length = ops.shape(x)[1]
        rows = _around_zero(self._rows, length)
        of_distance = ops.transpose(ops.take(self.bucket_table, rows, axis=0))
        of_distance = ops.cast(of_distance, self.compute_dtype)[None, :, None, :]
        shape = (1, self.num_heads, length, 2 * length - 1)
        # Columns in the order of keys.
        return shifted(ops.broadcast_to(ops.flip(of_distance, axis=-1), shape))

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of the constructor, as plain values."""
        return {
            **super().get_config(),
            "num_heads": self.num_heads,
            "num_buckets": self.num_buckets,
            "num_positions": self.num_positions,
            "initializer_range": self.initializer_range,
        }


def disentangled_scores(query: Any, key: Any, of_query: Any, of_key: Any) -> Any:
    """Computes scores of contents with relative positions, without their scale.

    Args:
        query, key: float (batch, heads, sequence, head_dim), of the contents.
        of_query, of_key: float (1, heads, 2 sequence - 1, head_dim), of the distances
            1 - sequence to sequence - 1.

    Returns:
        float (batch, heads, query, key): content to position plus position to content.
    """
    content_to_position = ops.matmul(
        query, ops.transpose(ops.flip(of_key, axis=2), (0, 1, 3, 2))
    )
    position_to_content = ops.matmul(key, ops.transpose(of_query, (0, 1, 3, 2)))
    return shifted(content_to_position) + ops.transpose(
        shifted(position_to_content), (0, 1, 3, 2)
    )


def shifted(x: Any) -> Any:
    """Moves row i of a matrix to the left, so that its column 0 is column n - 1 - i.

    Columns that stand for the differences 1 - n to n - 1 of two places become columns
    for the second place, given that the row is the first (Dai et al. 2019, appendix B).

    Args:
        x: float (batch, heads, n, 2 n - 1).

    Returns:
        float (batch, heads, n, n).
    """
    batch, heads, n, _ = ops.shape(x)
    flat = ops.reshape(ops.pad(x, [[0, 0]] * 3 + [[0, 1]]), (batch, heads, 2 * n * n))
    rows = flat[:, :, n - 1 : n - 1 + n * (2 * n - 1)]
    return ops.reshape(rows, (batch, heads, n, 2 * n - 1))[:, :, :, :n]


def _around_zero(rows: np.ndarray, length: Any) -> Any:
    """Returns the rows of the distances 1 - length to length - 1 of all distances."""
    middle = len(rows) // 2
    return ops.take(rows, ops.arange(2 * length - 1) + (middle - length + 1), axis=0)


def _log_buckets(
    distances: np.ndarray, num_buckets: int, max_distance: int
) -> np.ndarray:
    """Returns the buckets of distances: itself if it is short, else logarithmic.

    The arithmetic is in float32, as in the original: a bucket's border may depend on
    the last bit.
    """
    if not num_buckets:
        return distances
    middle = num_buckets // 2
    lengths = np.abs(distances)
    is_short = lengths < middle
    far = np.where(is_short, middle - 1, lengths).astype("float32")
    limit = np.log(np.float32((max_distance - 1) / middle))
    with np.errstate(divide="ignore"):
        steps = np.log(far / np.float32(middle)) / limit * np.float32(middle - 1)
    logarithmic = (np.ceil(steps) + middle) * np.sign(distances)
    return np.where(far <= middle, distances, logarithmic).astype("int64")


def _bias_buckets(distances: np.ndarray, num_buckets: int) -> np.ndarray:
    """Returns the bucket of each distance of a query from a key before it."""
    half = num_buckets // 2
    lengths, exact = np.abs(distances), half // 2
    far = np.maximum(lengths, 1).astype("float32") / np.float32(exact)
    share = np.log(far) / np.float32(math.log(_BIAS_MAX_DISTANCE / exact))
    large = exact + np.floor(share * np.float32(half - exact)).astype("int64")
    buckets = np.where(lengths < exact, lengths, np.minimum(large, half - 1))
    return (buckets + half * (distances < 0)).astype("int32")
