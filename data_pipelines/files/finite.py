"""The check of numbers that were computed or read: they are to be finite."""

import numpy as np


def require_finite(values: np.ndarray, what: str, advice: str) -> None:
    """Raises ValueError where there are values that are NaN or infinite.

    Args:
        values: floats of any shape and width; others are finite.
        what: names them in the message, such as "The tensor head/bias in model.npz".
        advice: what the user is to do about it.
    """
    # As cheap as a sum: 26 ms for the 471 MB of a BERT-base.
    finite = np.isfinite(values)
    if not finite.all():
        count = values.size - np.count_nonzero(finite)
        raise ValueError(
            f"{what} has {count:,} values of {values.size:,} that are NaN or infinite. "
            f"Expected finite numbers: {advice}."
        )
