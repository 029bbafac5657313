"""The planner of a run with a budget of time."""

import contextlib
import dataclasses
import math
from collections.abc import Callable, Iterator
from typing import Literal

from bert_tf.optim.planned_decay import PlannedLinearDecay
from bert_tf.training.budget import Budget
from bert_tf.training.plan import (
    Costs,
    Pace,
    Plan,
    Revision,
    Wishes,
    corrected_pace,
    first_pace,
    provisional_pace,
    read_plan,
)
from bert_tf.training.planner import PlannedRun
from data_pipelines.files.paths import exists

# Steps of a process, or of rows of a new length, that are not measured: they trace and
# compile. After them at least this number is measured, and this share of the time left.
_UNMEASURED_STEPS = 2
_MEASURED_STEPS = 3
_MEASURED_SHARE = 0.02
# The plan aims at an end so much earlier than the budget's, but no more seconds.
_MARGIN, _MAX_MARGIN = 0.01, 10.0
# It is corrected where the end would be off by this share of the time left.
_TOLERANCE = 0.02
# When less of the budget is left to train, the plan stays, so that the noise of a few
# steps does not move it; only the end of the time cuts it short.
_LEAST_CORRECTED = 0.05
# The time of an evaluated batch relative to that of a training step, before one has
# been measured: a third of the operations, and a little more.
_EVALUATION_PER_STEP = 0.4
# The time of the first evaluation, and of the report, relative to that of the first
# steps: all of them are mostly Python code that runs for the first time.
_FIRST_EVALUATION_PER_TRACING = 0.3
_ENDING_PER_TRACING = 0.3
_LEAST_ENDING = 2.0
# The first steps of a busy machine say less: they count as at most this share of the
# budget.
_MOST_TRACING = 0.1
# The assumed speed of a disk, before it has been measured.
_BYTES_PER_SECOND = 100e6


@dataclasses.dataclass(frozen=True)
class Workload:
    """The work of a run, from which its times are estimated before they are measured.

    Attributes:
        least_seconds_per_step: in each phase, at the machine's rate at matrix products.
        num_bytes: the size of the weights.
        num_eval_batches: held-out batches there are; 0: nothing is held out.
    """

    least_seconds_per_step: tuple[float, ...]
    num_bytes: int
    num_eval_batches: int


class BudgetPlanner(PlannedRun):
    """The planner of a run that has to end in time.

    It measures the first steps and plans the rest. Whenever half of the remaining time
    has passed, it looks at the clock again and corrects the plan if need be. A revision
    is written before it takes effect.

    Args:
        path, schedule, say: see `PlannedRun`.
        budget: the time of the whole command.
        workload: the work of the run.
        wishes: the numbers of steps that the user has given.
    """

    def __init__(
        self,
        path: str,
        schedule: PlannedLinearDecay,
        say: Callable[[str], None],
        budget: Budget,
        workload: Workload,
        wishes: Wishes,
    ) -> None:
        super().__init__(path, Plan(budget.seconds), schedule, say)
        self.budget = budget
        self.workload = workload
        self.wishes = wishes
        writing = workload.num_bytes / _BYTES_PER_SECOND
        self.costs = Costs(
            evaluation=0.0,
            # Weights and two moments.
            checkpoint=0.5 + 3 * writing,
            ending=_LEAST_ENDING + writing,
        )
        # Whether the time of a step is known, and whether this process has planned.
        self._is_measured = self._has_planned = False
        # The step at which measuring begins in this process, and when it started.
        self._first_step, self._began = 0, 0.0
        # The first measured step, when it began, and the time of other parts since.
        self._window_step, self._window_began, self._elsewhere = 0, 0.0, 0.0
        self._check_at = math.inf

    def begin(self, step: int, rollbacks: int) -> Pace:
        """Starts a run, or resumes one by its record up to the checkpoint."""
        if step and exists(self.path):
            self.plan = read_plan(self.path).until(step, rollbacks)
            self.plan.budget = self.budget.seconds
            self.budget.used_before = max(self.plan.used.values(), default=0.0)
        self._began, self._first_step = self.budget.used, step + _UNMEASURED_STEPS
        self._rollbacks = rollbacks
        if self.plan.revisions:
            self._is_measured = any(r.step for r in self.plan.revisions)
            pace = self._follow(self.plan.at(step, rollbacks))
            self._expect_evaluations(pace, self._revision.seconds_per_step)
            return pace
        times = self.workload.least_seconds_per_step
        pace = provisional_pace(
            *(self._seconds, times, self.wishes, self.workload.num_eval_batches)
        )
        return self._adopt(step, 0.0, times, "estimate", pace)

    def roll_back(self, step: int, rollbacks: int) -> Pace:
        """Plans the rest anew, as the time of the lost steps is used up."""
        before = self.plan.at(step, self._rollbacks)
        pace = before.pace
        if self._is_measured:
            pace = self._corrected(pace, step, before.seconds_per_step)
        self._rollbacks = rollbacks
        self._open_window(step, 0.5)
        progress, times = before.progress_at(step), before.seconds_per_step
        return self._adopt(step, progress, times, "rollback", pace)

    def is_due(self, step: int) -> bool:
        """Returns whether the plan is to be checked after this step."""
        if step >= self.pace.num_train_steps:
            return False
        if self._is_up or self._opens_window(step):
            return True
        long_from = self.pace.long_from
        is_traced = step > self._first_step and not (
            long_from is not None and 0 < step - long_from < _UNMEASURED_STEPS
        )
        is_measured = step >= self._window_step + _MEASURED_STEPS
        return is_traced and is_measured and self.budget.used >= self._check_at

    def revise(self, step: int) -> Pace:
        """Plans the rest from the time of the last steps; often nothing changes.

        Raises:
            TooShort: the first steps leave no time for others.
        """
        if self._is_up:
            return self._end(step)
        if self._opens_window(step):
            self._note_tracing(step)
            self._open_window(step, _MEASURED_SHARE)
            return self.pace
        times = self._seconds_per_step(step)
        if self._is_measured:
            pace = self._corrected(self.pace, step, times)
            reason = "correction" if self._has_planned else "resumed"
        else:
            pace = self._first(step, times)
            reason = "first steps"
        if pace.num_train_steps <= step and not self._is_measured:
            raise self._too_short()
        self._open_window(step, 0.5)
        change = abs(pace.num_train_steps - self.pace.num_train_steps) * times[-1]
        if self._has_planned and change <= _TOLERANCE * self._seconds_to_train:
            return self.pace
        self._is_measured = self._has_planned = True
        progress = self._revision.progress_at(step)
        return self._adopt(step, progress, times, reason, pace)

    def saved(self, step: int) -> None:
        """Notes the time used up to a checkpoint, for a run that resumes from it."""
        kept = {at: used for at, used in self.plan.used.items() if at < step}
        self.plan.used = {**kept, step: self.budget.used}
        self.plan.write(self.path)

    @contextlib.contextmanager
    def timed(self, part: Literal["evaluation", "checkpoint"]) -> Iterator[None]:
        """Measures a part of the run that is no step."""
        began = self.budget.used
        yield
        took = self.budget.used - began
        self._elsewhere += took
        self.costs = dataclasses.replace(self.costs, **{part: took})
        if part == "evaluation":
            self.costs = dataclasses.replace(self.costs, first_evaluation=0.0)

    def finish(self) -> None:
        """Writes how long the whole run has taken."""
        self.plan.total = round(self.budget.used, 2)
        self.plan.write(self.path)
        print(f"It took {self.plan.total:.0f} of {self.budget.seconds:.0f} s.")

    @property
    def _seconds(self) -> float:
        """Seconds that the plan may fill from here on."""
        margin = min(_MARGIN * self.budget.seconds, _MAX_MARGIN)
        return self.budget.left - margin

    @property
    def _seconds_to_train(self) -> float:
        return self._seconds - self.costs.after_the_last_step

    @property
    def _is_up(self) -> bool:
        return self.budget.left <= self.costs.after_the_last_step

    def _opens_window(self, step: int) -> bool:
        """Returns whether the steps up to here were for tracing."""
        long_from = self.pace.long_from
        return step == self._first_step or (
            long_from is not None and step == long_from + _UNMEASURED_STEPS
        )

    def _note_tracing(self, step: int) -> None:
        if step != self._first_step:
            self.costs = dataclasses.replace(self.costs, first_long_step=0.0)
            return
        took = self.budget.used - self._began
        slow = min(took, _MOST_TRACING * self.budget.seconds)
        self.costs = dataclasses.replace(
            self.costs,
            ending=self.costs.ending + _ENDING_PER_TRACING * slow,
            first_evaluation=_FIRST_EVALUATION_PER_TRACING * slow,
            first_long_step=took if self.pace.long_from is not None else 0.0,
        )

    def _open_window(self, step: int, share: float) -> None:
        """Measures from here on, until a share of the time that is left has passed."""
        now = self.budget.used
        self._window_step, self._window_began, self._elsewhere = step, now, 0.0
        self._check_at = now + max(0.5, share * self._seconds_to_train)
        least = _LEAST_CORRECTED * self.budget.seconds
        if self._has_planned and self.budget.seconds - self._check_at < least:
            self._check_at = math.inf

    def _seconds_per_step(self, step: int) -> tuple[float, ...]:
        """Returns the times of the last steps, of those of each phase."""
        count = step - self._window_step
        known = self._revision.seconds_per_step
        took = self.budget.used - self._window_began - self._elsewhere
        measured = max(took / max(count, 1), 1e-6)
        if len(known) == 1:
            return (measured,)
        long_from = self.pace.long_from
        if long_from is not None and step > long_from:
            return known[0], measured
        short, long = self.workload.least_seconds_per_step
        return measured, measured * long / short

    def _first(self, step: int, times: tuple[float, ...]) -> Pace:
        per_batch = _EVALUATION_PER_STEP * times[0]
        pace = first_pace(
            *(step, self._seconds, times, per_batch, self.costs, self.wishes),
            self.workload.num_eval_batches,
        )
        self._expect_evaluations(pace, times)
        return pace

    def _expect_evaluations(self, pace: Pace, times: tuple[float, ...]) -> None:
        evaluation = pace.num_eval_batches * _EVALUATION_PER_STEP * times[0]
        self.costs = dataclasses.replace(self.costs, evaluation=evaluation)

    def _corrected(self, pace: Pace, step: int, times: tuple[float, ...]) -> Pace:
        return corrected_pace(pace, step, self._seconds, times, self.costs)

    def _end(self, step: int) -> Pace:
        """Ends the training here: the time is up."""
        if not self._is_measured:
            raise self._too_short()
        revision, long_from = self._revision, self.pace.long_from
        if long_from is not None:
            long_from = min(long_from, step)
        pace = dataclasses.replace(self.pace, num_train_steps=step, long_from=long_from)
        progress = revision.progress_at(step)
        times = revision.seconds_per_step
        return self._adopt(step, progress, times, "the time is up", pace)

    def _too_short(self) -> ValueError:
        self.budget.note("first steps", self.budget.used - self._began)
        needed = self.budget.used + self.costs.after_the_last_step
        return self.budget.too_short(needed)

    def _adopt(
        self,
        step: int,
        progress: float,
        times: tuple[float, ...],
        reason: str,
        pace: Pace,
    ) -> Pace:
        """Writes a revision, and follows it."""
        revision = Revision(
            step=step,
            rollbacks=self._rollbacks,
            progress=progress,
            seconds=round(self.budget.used, 2),
            seconds_per_step=times,
            reason=reason,
            pace=pace,
        )
        self.plan.revisions.append(revision)
        self.plan.write(self.path)
        if reason != "estimate":
            self.say(
                f"Plan at step {step:,} ({reason}): {pace.num_train_steps:,} steps in "
                f"all; {self.budget.used:.0f} of {self.budget.seconds:.0f} s are used."
            )
        return self._follow(revision)
