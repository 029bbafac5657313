"""Attention in long rows, without a matrix of all pairs of tokens.

A row of 8,192 tokens has 67 million pairs, and each head a score for each of them.
Local attention reads windows: its memory and time are proportional to the length.
Global attention computes all scores, but those of a block of queries at a time.
"""

import dataclasses
from typing import Any

import numpy as np
from keras import ops

from bert_tf.layers import elementwise

# Rows with more tokens are computed here. Shorter ones are faster in one piece.
LONG_ROW = 1024
_BLOCK = 128
# Neighbouring seeds must not overlap in the counter that makes the random bits.
_STRIDE = 0x3779B1


@dataclasses.dataclass(frozen=True)
class LongRowMask:
    """The pairs of tokens of a row that attend to each other, in terms of tokens.

    Attributes:
        is_key: bool (batch, sequence), True for real tokens.
        sequence_ids: int32 (batch, sequence), the tokens that attend to each other
            have the same; None for one sequence a row.
        window: the distance to which a token attends on either side; None for any.
        causal: whether a token attends to itself and to tokens before it alone.
    """

    is_key: Any
    sequence_ids: Any = None
    window: int | None = None
    causal: bool = False


def attend_in_windows(
    query: Any,
    key: Any,
    value: Any,
    mask: LongRowMask,
    seed: Any,
    *,
    scale: float,
    rate: float,
) -> Any:
    """Computes the attention to tokens within `mask.window`.

    The row is cut into pieces as long as the window. The queries of a piece attend to
    keys of the piece, of the one before it, and of the one after it.

    Args:
        query, key, value: float (batch, heads, sequence, head_dim).
        mask: with a window.
        seed, scale, rate: see `elementwise.masked_softmax`.

    Returns:
        float (batch, heads, sequence, head_dim).
    """
    window = mask.window or 1
    batch, heads, length, width = ops.shape(query)
    pieces = (length + window - 1) // window
    missing = pieces * window - length

    def cut(x: Any, around: bool) -> Any:
        """Cuts (batch, sequence, ...) to (batch, pieces, window or 3 window, ...)."""
        side = window if around else 0
        more = [[0, 0]] * (len(x.shape) - 2)
        x = ops.pad(x, [[0, 0], [side, side + missing], *more])
        shape = (batch, pieces + 2 * int(around), window, *ops.shape(x)[2:])
        x = ops.reshape(x, shape)
        if not around:
            return x
        parts = [x[:, :-2], x[:, 1:-1], x[:, 2:]]
        return ops.concatenate(parts, axis=2)

    def of_heads(x: Any, around: bool) -> Any:
        """Returns (batch pieces, heads, window or 3 window, width)."""
        x = cut(ops.transpose(x, (0, 2, 1, 3)), around)
        size = window * (3 if around else 1)
        x = ops.reshape(x, (batch * pieces, size, heads, width))
        return ops.transpose(x, (0, 2, 1, 3))

    place = np.arange(window)[:, None] - (np.arange(3 * window)[None, :] - window)
    near = np.abs(place) <= window
    if mask.causal:
        near &= place >= 0
    may_attend = cut(mask.is_key, True)[:, :, None, :] & near
    if mask.sequence_ids is not None:
        of_query = cut(mask.sequence_ids, False)[:, :, :, None]
        may_attend &= of_query == cut(mask.sequence_ids, True)[:, :, None, :]
    probabilities = elementwise.masked_softmax(
        ops.matmul(
            of_heads(query, False), ops.transpose(of_heads(key, True), (0, 1, 3, 2))
        ),
        ops.reshape(may_attend, (batch * pieces, window, 3 * window)),
        seed,
        scale=scale,
        rate=rate,
    )
    context = ops.matmul(probabilities, of_heads(value, True))
    context = ops.reshape(
        ops.transpose(context, (0, 2, 1, 3)), (batch, pieces * window, heads, width)
    )
    return ops.transpose(context[:, :length], (0, 2, 1, 3))


def attend_in_blocks(
    query: Any,
    key: Any,
    value: Any,
    mask: LongRowMask,
    seed: Any,
    *,
    scale: float,
    rate: float,
) -> Any:
    """Computes the attention to all tokens, for a block of queries at a time.

    The arguments and the result are those of `attend_in_windows`.
    """
    batch, heads, length, width = ops.shape(query)
    blocks = (length + _BLOCK - 1) // _BLOCK
    missing = blocks * _BLOCK - length
    padded = ops.pad(query, [[0, 0], [0, 0], [0, missing], [0, 0]])
    queries = ops.transpose(
        ops.reshape(padded, (batch, heads, blocks, _BLOCK, width)), (2, 0, 1, 3, 4)
    )
    keys = ops.transpose(key, (0, 1, 3, 2))
    places = ops.arange(length, dtype="int32")

    def attend(inputs: tuple[Any, Any]) -> Any:
        block, of_block = inputs
        first = block * _BLOCK
        rows = first + ops.arange(_BLOCK, dtype="int32")
        may_attend = mask.is_key[:, None, :]
        if mask.sequence_ids is not None:
            ids = ops.pad(mask.sequence_ids, [[0, 0], [0, missing]])
            ids = ops.take(ids, rows, axis=1)
            may_attend &= ids[:, :, None] == mask.sequence_ids[:, None, :]
        if mask.causal:
            may_attend &= (rows[:, None] >= places[None, :])[None]
        shift = ops.stack([block * _STRIDE, block])
        probabilities = elementwise.masked_softmax(
            ops.matmul(of_block, keys),
            may_attend,
            seed + ops.cast(shift, seed.dtype),
            scale=scale,
            rate=rate,
        )
        return ops.matmul(probabilities, value)

    context = ops.map(attend, (ops.arange(blocks, dtype="int32"), queries))
    context = ops.reshape(
        ops.transpose(context, (1, 2, 0, 3, 4)),
        (batch, heads, blocks * _BLOCK, width),
    )
    return context[:, :, :length]
