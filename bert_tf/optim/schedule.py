"""Schedules of the learning rate."""

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable("bert_tf")
class WarmupLinearDecay(keras.optimizers.schedules.LearningRateSchedule):
    """Linear warm-up from 0, then a linear decay to 0.

    As in google-research/bert, the line of the decay begins at step 0: after the
    warm-up the rate is `peak * (1 - step / num_train_steps)`.

    Args:
        peak: the rate that the decay starts from.
        num_train_steps: the step at which the rate is 0.
        num_warmup_steps: the number of steps of the warm-up.
    """

    def __init__(
        self, peak: float, num_train_steps: int, num_warmup_steps: int = 0
    ) -> None:
        super().__init__()
        self.peak = peak
        self.num_train_steps = num_train_steps
        self.num_warmup_steps = num_warmup_steps

    def __call__(self, step: Any) -> Any:
        """Returns the rate at a step (an integer tensor), float32."""
        step = ops.cast(step, "float32")
        warm = step / max(self.num_warmup_steps, 1)
        decayed = ops.maximum(1 - step / self.num_train_steps, 0.0)
        return self.peak * ops.where(step < self.num_warmup_steps, warm, decayed)

    def get_config(self) -> dict:
        """Returns the arguments of the constructor, as plain values."""
        return {
            "peak": self.peak,
            "num_train_steps": self.num_train_steps,
            "num_warmup_steps": self.num_warmup_steps,
        }
