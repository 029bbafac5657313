"""Planners, which tell the training loop how many steps there are."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Literal

from bert_tf.optim.planned_decay import PlannedLinearDecay
from bert_tf.training.plan import Pace, Plan, Revision


class Planner:
    """The planner of a run with a fixed number of steps, which revises nothing."""

    @property
    def num_eval_batches(self) -> int | None:
        """Held-out batches in an evaluation; None for all batches."""
        return None

    def begin(self, step: int, rollbacks: int) -> Pace | None:
        """Starts or resumes a run at a step; returns its pace, None if it is fixed."""
        del step, rollbacks
        return None

    def roll_back(self, step: int, rollbacks: int) -> Pace | None:
        """Continues a run that has gone back to a checkpoint; returns its pace."""
        del step, rollbacks
        return None

    def is_due(self, step: int) -> bool:
        """Returns whether `revise` is to be called after this step."""
        del step
        return False

    def revise(self, step: int) -> Pace:
        """Revises the plan, if need be, after a completed step; returns the pace."""
        raise NotImplementedError

    def saved(self, step: int) -> None:
        """Notes that a checkpoint is written."""

    @contextlib.contextmanager
    def timed(self, part: Literal["evaluation", "checkpoint"]) -> Iterator[None]:
        """Measures the time of an evaluation or a checkpoint."""
        del part
        yield

    def finish(self) -> None:
        """Notes that the command has done all its work."""


class PlannedRun(Planner):
    """The planner of a run with a plan in a file.

    Args:
        path: the file of the plan.
        plan: the plan as far as it is known.
        schedule: the learning rate, which follows the plan.
        say: a function that receives messages for the user.
    """

    def __init__(
        self,
        path: str,
        plan: Plan,
        schedule: PlannedLinearDecay,
        say: Callable[[str], None],
    ) -> None:
        self.path = path
        self.plan = plan
        self.schedule = schedule
        self.say = say
        self._rollbacks = 0
        self._current: Revision | None = None

    @property
    def pace(self) -> Pace:
        """The current plan of steps."""
        return self._revision.pace

    @property
    def num_eval_batches(self) -> int | None:
        """Held-out batches in an evaluation."""
        return self.pace.num_eval_batches

    @property
    def _revision(self) -> Revision:
        if self._current is None:
            raise RuntimeError("The run has not begun.")
        return self._current

    def _follow(self, revision: Revision) -> Pace:
        self._current = revision
        self._rollbacks = revision.rollbacks
        self.schedule.follow(
            revision.step, revision.progress, revision.pace.num_train_steps
        )
        return revision.pace


class RecordedPlanner(PlannedRun):
    """The planner of a run that repeats another run, bit for bit, by its plan."""

    def begin(self, step: int, rollbacks: int) -> Pace:
        """Starts or resumes the run, and writes a copy of the plan into its folder."""
        self.plan.write(self.path)
        pace = self._follow(self.plan.at(step, rollbacks))
        self._rollbacks = rollbacks
        return pace

    def roll_back(self, step: int, rollbacks: int) -> Pace:
        """Continues at a checkpoint, as the other run did if it went back as well."""
        before = self.plan.at(step, self._rollbacks)
        self._rollbacks = rollbacks
        return self._follow(self._recorded(step) or before)

    def is_due(self, step: int) -> bool:
        """Returns whether the other run has revised its plan at this step."""
        return self._recorded(step) is not None

    def revise(self, step: int) -> Pace:
        """Revises the plan as the other run did."""
        revision = self._recorded(step)
        return self.pace if revision is None else self._follow(revision)

    def _recorded(self, step: int) -> Revision | None:
        found = [
            revision
            for revision in self.plan.revisions
            if (revision.rollbacks, revision.step) == (self._rollbacks, step)
        ]
        return found[-1] if found else None
