"""Lookup of the vectors of tokens, by their places in a row or in all rows."""

from typing import Any

from keras import ops


def gather_rows(x: Any, positions: Any) -> Any:
    """Gathers the vectors at the given positions of each row.

    Args:
        x: float (batch, sequence, hidden).
        positions: int32 (batch, predictions).

    Returns:
        float (batch, predictions, hidden).
    """
    return ops.take_along_axis(x, positions[:, :, None], axis=1)


def gather_tokens(x: Any, tokens: Any) -> Any:
    """Gathers the vectors at the given places in all rows laid end to end.

    Args:
        x: float (rows, row length, features).
        tokens: int32, any shape.

    Returns:
        float (*tokens.shape, features).
    """
    return ops.take(ops.reshape(x, (-1, x.shape[-1])), tokens, axis=0)


def sequence_layout(inputs: dict[str, Any], width: int | None = None) -> tuple:
    """Finds the tokens of each sequence in all rows laid end to end.

    Args:
        inputs: rows of one sequence each, or packed rows, see
            `first_tokens_and_lengths`.
        width: the number of tokens to take from each sequence; None for that of a row.

    Returns:
        int32 (sequences, width), and bool (sequences, width): whether the token belongs
        to the sequence.
    """
    rows, length = ops.shape(inputs["token_ids"])
    places = ops.arange(length if width is None else width, dtype="int32")[None, :]
    first_tokens, lengths = first_tokens_and_lengths(inputs)
    tokens = first_tokens[:, None] + places
    return ops.minimum(tokens, rows * length - 1), places < lengths[:, None]


def first_tokens_and_lengths(inputs: dict[str, Any]) -> tuple[Any, Any]:
    """Finds where each sequence begins, in all rows laid end to end, and its length.

    Args:
        inputs: packed rows with `first_tokens` and `lengths`, see
            `data_pipelines.finetuning.batches.pack_batch`; without them each row is
            one sequence, padded at its end, whose `padding_mask` is True for its
            tokens.

    Returns:
        int32 (sequences,) each; None for the lengths of packed rows without them.
    """
    if "first_tokens" in inputs:
        return inputs["first_tokens"], inputs.get("lengths")
    rows, length = ops.shape(inputs["token_ids"])
    lengths = ops.sum(ops.cast(inputs["padding_mask"], "int32"), axis=1)
    return ops.arange(rows, dtype="int32") * length, lengths
