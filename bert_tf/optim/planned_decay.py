"""The learning rate of a run whose number of steps may change while it trains."""

from typing import Any

import keras
from keras import ops


class PlannedLinearDecay(keras.optimizers.schedules.LearningRateSchedule):
    """Linear warm-up and linear decay over a plan that may be revised.

    The rate is a function of the *progress* of the run, a number from 0 to 1: it rises
    from 0 to `peak` while the progress goes from 0 to `warmup_share`, and falls to 0 at
    progress 1. Progress is linear in the step. A revision of the plan changes its
    slope from a step on, so the rate never jumps.

    Args:
        peak: the largest rate.
        warmup_share: the progress at which the warm-up ends, between 0 and 1.
    """

    def __init__(self, peak: float, warmup_share: float = 0.1) -> None:
        super().__init__()
        self.peak = peak
        self.warmup_share = warmup_share
        # Variables, so that a traced training step follows a revision.
        self._first_step, self._last_step = (
            keras.Variable(value, dtype="int64", trainable=False, name=name)
            for name, value in (("first_step", 0), ("last_step", 1))
        )
        self._progress = keras.Variable(
            0.0, dtype="float32", trainable=False, name="progress"
        )

    def follow(self, first_step: int, progress: float, last_step: int) -> None:
        """Revises the plan.

        Args:
            first_step: the number of steps done when the revision takes effect.
            progress: the progress at that step.
            last_step: the step at which the progress is 1.
        """
        self._first_step.assign(first_step)
        self._progress.assign(progress)
        self._last_step.assign(last_step)

    def __call__(self, step: Any) -> Any:
        """Returns the rate after `step` steps, a float32 scalar."""
        first, last = self._first_step.value, self._last_step.value
        done = ops.cast(ops.cast(step, "int64") - first, "float32")
        planned = ops.cast(ops.maximum(last - first, 1), "float32")
        before = ops.convert_to_tensor(self._progress.value)
        progress = ops.minimum(before + (1 - before) * (done / planned), 1.0)
        rise = progress / self.warmup_share
        fall = (1 - progress) / (1 - self.warmup_share)
        return self.peak * ops.minimum(rise, fall)

    def get_config(self) -> dict:
        """Returns the arguments of the constructor."""
        return {"peak": self.peak, "warmup_share": self.warmup_share}
