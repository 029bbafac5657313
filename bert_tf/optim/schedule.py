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


@keras.saving.register_keras_serializable("bert_tf")
class WarmupConstant(keras.optimizers.schedules.LearningRateSchedule):
    """Linear warm-up from 0, a constant rate, and a linear cool-down to 0.

    The length of the constant part need not be known when training begins: a run can
    be continued from the step before its cool-down (Hu et al. 2024, section 4;
    ModernBERT, Warner et al. 2024, section 2.2.1).

    Args:
        peak: the constant rate.
        num_train_steps: the number of steps; the rate is 0 after the last one.
        num_warmup_steps: the number of steps of the warm-up.
        num_cooldown_steps: the number of steps of the cool-down.
        first_step: the step that counts as 0, for an optimizer that has made steps in
            another run.
    """

    def __init__(
        self,
        peak: float,
        num_train_steps: int,
        num_warmup_steps: int = 0,
        num_cooldown_steps: int = 0,
        first_step: int = 0,
    ) -> None:
        super().__init__()
        self.peak = peak
        self.num_train_steps = num_train_steps
        self.num_warmup_steps = num_warmup_steps
        self.num_cooldown_steps = num_cooldown_steps
        self.first_step = first_step

    def __call__(self, step: Any) -> Any:
        """Returns the rate at a step (an integer tensor), float32."""
        step = ops.cast(step, "float32") - self.first_step
        warm = step / max(self.num_warmup_steps, 1)
        warm = ops.where(step < self.num_warmup_steps, warm, 1.0)
        cool = (self.num_train_steps - step) / max(self.num_cooldown_steps, 1)
        return self.peak * ops.maximum(ops.minimum(warm, cool), 0.0)

    def get_config(self) -> dict:
        """Returns the arguments of the constructor, as plain values."""
        return {
            "peak": self.peak,
            "num_train_steps": self.num_train_steps,
            "num_warmup_steps": self.num_warmup_steps,
            "num_cooldown_steps": self.num_cooldown_steps,
            "first_step": self.first_step,
        }
