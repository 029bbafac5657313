"""Vectors of some tokens, by their place in the row or in all rows."""

from typing import Any

from keras import ops


def gather_rows(x: Any, positions: Any) -> Any:
    """The vectors at some positions of each row.

    Args:
        x: float (batch, sequence, hidden).
        positions: int32 (batch, predictions).

    Returns:
        float (batch, predictions, hidden).
    """
    return ops.take_along_axis(x, positions[:, :, None], axis=1)


def gather_tokens(x: Any, tokens: Any) -> Any:
    """The vectors at some places in all rows laid end to end.

    Args:
        x: float (rows, row length, features).
        tokens: int32, any shape.

    Returns:
        float (*tokens.shape, features).
    """
    return ops.take(ops.reshape(x, (-1, x.shape[-1])), tokens, axis=0)
