"""The check of ids where a layer is called eagerly."""

from typing import Any

from keras import ops

from data_pipelines.rows.ids import require_ids


def require_known_ids(name: str, ids: Any, count: int) -> None:
    """Raises ValueError where an id is below 0, or not below the count.

    In a graph, as each step of training is one, nothing is checked: it would cost a
    transfer on GPUs, and XLA leaves it out. There, datasets and the signatures of a
    SavedModel check what they are given.
    """
    if hasattr(ids, "numpy"):  # Symbols have no values.
        require_ids(name, ops.convert_to_numpy(ids), count)
