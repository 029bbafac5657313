"""Validation while `fit` trains a task, and checks of what was compiled."""

from collections.abc import Callable
from typing import Any

import keras

from bert_tf.finetuning.dev_scores import DevScores


class DevMetrics(keras.callbacks.Callback):
    """Adds the metrics of a task to the logs of each epoch, with the prefix `val_`.

    Args:
        scores: the metrics of the model on the validation data.
        keep: receives the threshold that is best there, if the task has one.
    """

    def __init__(self, scores: DevScores, keep: Callable[[float], None]) -> None:
        super().__init__()
        self._scores, self._keep = scores, keep

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Evaluates the model."""
        metrics, _ = self._scores()
        if "threshold" in metrics:
            self._keep(metrics["threshold"])
        if logs is not None:
            logs |= {f"val_{name}": value for name, value in metrics.items()}


def check_loss(loss: Any) -> None:
    """Raises ValueError where a loss takes the outputs, logits, for probabilities."""
    is_named = isinstance(loss, str) and "crossentropy" in loss
    config = loss.get_config() if isinstance(loss, keras.losses.Loss) else {}
    if is_named or config.get("from_logits") is False:
        raise ValueError(
            f"Received loss={loss!r}, which takes outputs for probabilities. Expected "
            "one for logits, such as "
            "keras.losses.SparseCategoricalCrossentropy(from_logits=True)."
        )
