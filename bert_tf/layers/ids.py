"""Check of ids in eager calls of layers."""

from typing import Any

from keras import ops

from data_pipelines.rows.ids import require_ids


def require_known_ids(name: str, ids: Any, count: int) -> None:
    """Raises ValueError where an id is below 0, or not below `count`.

    Nothing is checked in a graph, such as that of a training step: the check would cost
    a transfer on GPUs, and XLA would remove it. There, the datasets and the signatures
    of a SavedModel check the ids.
    """
    if hasattr(ids, "numpy"):  # Symbolic tensors have no values.
        require_ids(name, ops.convert_to_numpy(ids), count)
