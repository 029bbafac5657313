"""The plan of a run with a budget: its steps, and the step of each revision.

It is written to `plan.json` in the folder of the run, each revision before it takes
effect. The learning rates of all steps follow from it, so the run can be repeated.
"""

import bisect
import dataclasses
from collections.abc import Sequence
from typing import Any

from data_pipelines.files.json_files import read_json, write_json

PLAN = "plan.json"

# Share of the steps that the paper (appendix A.2) trains on long rows.
LONG_SHARE = 0.1
# The share of the training time that the first plan gives to evaluations.
_EVALUATION_SHARE = 0.05
_MAX_EVALUATIONS = 8
_NUM_CHECKPOINTS = 4
_NUM_LOG_LINES = 100
_LEAST_PROVISIONAL_STEPS = 1000


@dataclasses.dataclass(frozen=True)
class Pace:
    """The numbers of steps that control the training loop.

    Attributes:
        num_train_steps: steps in all.
        long_from: the step from which rows are long; None if they never are.
        checkpoint_every: steps between two checkpoints.
        log_every: steps between two lines of progress.
        eval_every: steps between two evaluations.
        num_eval_batches: held-out batches of an evaluation.
    """

    num_train_steps: int
    long_from: int | None
    checkpoint_every: int
    log_every: int
    eval_every: int
    num_eval_batches: int

    @property
    def phase_ends(self) -> tuple[int, ...]:
        """The last step of each phase."""
        if self.long_from is None:
            return (self.num_train_steps,)
        return (self.long_from, self.num_train_steps)


@dataclasses.dataclass(frozen=True)
class Revision:
    """A pace, and where it took effect.

    Attributes:
        step: the number of steps done at that time.
        rollbacks: how often the run had gone back to a checkpoint, see `Trainer`.
        progress: the progress of the learning rate's schedule, from 0 to 1.
        seconds: the part of the budget that was used up.
        seconds_per_step: the expected time of a step in each phase.
        reason: why it was made, in words.
        pace: the numbers of steps from here on.
    """

    step: int
    rollbacks: int
    progress: float
    seconds: float
    seconds_per_step: tuple[float, ...]
    reason: str
    pace: Pace

    def progress_at(self, step: int) -> float:
        """Returns the progress of the schedule at a later step."""
        planned = max(self.pace.num_train_steps - self.step, 1)
        done = min((step - self.step) / planned, 1.0)
        return self.progress + (1 - self.progress) * done


@dataclasses.dataclass
class Plan:
    """All revisions in the order in which they were made.

    Attributes:
        budget: seconds.
        revisions: the first one is of step 0.
        used: seconds of the budget that were used up at the newest checkpoints, by
            step.
        total: seconds of the whole run; None: it is not finished.
    """

    budget: float
    revisions: list[Revision] = dataclasses.field(default_factory=list)
    used: dict[int, float] = dataclasses.field(default_factory=dict)
    total: float | None = None

    def at(self, step: int, rollbacks: int) -> Revision:
        """Returns the revision that is in force at a step."""
        place = (rollbacks, step)
        return [r for r in self.revisions if (r.rollbacks, r.step) <= place][-1]

    def until(self, step: int, rollbacks: int) -> "Plan":
        """Returns the plan as it was at a checkpoint."""
        place = (rollbacks, step)
        kept = [r for r in self.revisions if (r.rollbacks, r.step) <= place]
        used = {at: seconds for at, seconds in self.used.items() if at <= step}
        return Plan(self.budget, kept, used)

    def write(self, path: str) -> None:
        """Writes the plan as JSON; the file is replaced, whole or not at all."""
        revisions = []
        for revision in self.revisions:
            values = dataclasses.asdict(revision)
            revisions.append({**values.pop("pace"), **values})
        values = {"budget": self.budget, "total": self.total, "used": self.used}
        write_json(path, {**values, "revisions": revisions})


def read_plan(path: str) -> Plan:
    """Reads the plan of a run.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no plan.
    """
    values = read_json(path)
    names = [field.name for field in dataclasses.fields(Pace)]
    try:
        revisions = [_revision(row, names) for row in values["revisions"]]
        used = {int(step): seconds for step, seconds in values["used"].items()}
        if not revisions:
            raise ValueError("it has no revision")
        return Plan(values["budget"], revisions, used, values["total"])
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(
            f"{path} is not a plan ({type(error).__name__}: {error}). Expected the "
            f"{PLAN} that bert_tf.pretrain --budget has written."
        ) from None


def _revision(row: dict[str, Any], names: Sequence[str]) -> Revision:
    pace = Pace(**{name: row[name] for name in names})
    rest = {name: value for name, value in row.items() if name not in names}
    rest["seconds_per_step"] = tuple(rest["seconds_per_step"])
    return Revision(**rest, pace=pace)


@dataclasses.dataclass(frozen=True)
class Wishes:
    """The numbers of a pace that the user has given; None if the plan chooses them."""

    checkpoint_every: int | None = None
    log_every: int | None = None
    eval_every: int | None = None
    num_eval_batches: int | None = None


@dataclasses.dataclass(frozen=True)
class Costs:
    """Seconds of a run besides those of its steps.

    Attributes:
        evaluation: one evaluation of all held-out batches.
        checkpoint: writing one checkpoint.
        ending: writing the report and the weights.
        first_evaluation: the additional time of the first evaluation, which traces.
        first_long_step: the additional time of the first step with long rows.
    """

    evaluation: float
    checkpoint: float
    ending: float
    first_evaluation: float = 0.0
    first_long_step: float = 0.0

    @property
    def after_the_last_step(self) -> float:
        """Seconds from the last step to the end of the command."""
        evaluation = self.first_evaluation + self.evaluation
        return evaluation + self.checkpoint + self.ending


_NO_COSTS = Costs(evaluation=0.0, checkpoint=0.0, ending=0.0)


def provisional_pace(
    seconds: float, seconds_per_step: Sequence[float], wishes: Wishes, num_batches: int
) -> Pace:
    """Plans the first steps, whose time is not known yet.

    Args:
        seconds: the time that is left.
        seconds_per_step: the least time of a step, in each phase. So the steps are
            rather too many, and the progress at the first real plan is small.
        wishes: the numbers that the user has given.
        num_batches: the number of held-out batches.
    """
    long_from = None if len(seconds_per_step) == 1 else 0
    # No evaluation and no checkpoint before the first real plan.
    never = 10**9
    pace = Pace(0, long_from, never, wishes.log_every or 20, never, num_batches)
    steps = _last_step(pace, 0, seconds, seconds_per_step, _NO_COSTS)
    return _with_steps(pace, 0, max(steps, _LEAST_PROVISIONAL_STEPS))


def first_pace(
    step: int,
    seconds: float,
    seconds_per_step: Sequence[float],
    seconds_per_eval_batch: float,
    costs: Costs,
    wishes: Wishes,
    num_batches: int,
) -> Pace:
    """Plans a run after its first steps.

    Args:
        step: steps done.
        seconds: what is left of the budget for all that follows.
        seconds_per_step: the time of a step, in each phase.
        seconds_per_eval_batch: the time of a batch in an evaluation.
        costs: the other parts of the run; the evaluation's is not read.
        wishes: the numbers that the user has given.
        num_batches: the number of held-out batches; 0: nothing is held out.
    """
    costs = dataclasses.replace(costs, evaluation=0.0)
    free = max(seconds - costs.after_the_last_step, 0.0)
    affordable = int(_EVALUATION_SHARE * free / seconds_per_eval_batch)
    batches = min(wishes.num_eval_batches or max(affordable, 1), num_batches)
    evaluations = min(affordable // max(batches, 1), _MAX_EVALUATIONS)
    costs = dataclasses.replace(costs, evaluation=batches * seconds_per_eval_batch)
    long_from = None if len(seconds_per_step) == 1 else step
    never = 10**9
    pace = Pace(step, long_from, never, 1, never, batches)
    most = max(_last_step(pace, step, seconds, seconds_per_step, costs), 1)
    pace = dataclasses.replace(
        pace,
        checkpoint_every=wishes.checkpoint_every or -(-most // _NUM_CHECKPOINTS),
        log_every=wishes.log_every or max(1, most // _NUM_LOG_LINES),
        eval_every=wishes.eval_every or -(-most // max(evaluations, 1)),
    )
    return corrected_pace(pace, step, seconds, seconds_per_step, costs)


def corrected_pace(
    pace: Pace,
    step: int,
    seconds: float,
    seconds_per_step: Sequence[float],
    costs: Costs,
) -> Pace:
    """Plans the rest of a run anew; the arguments are those of `first_pace`."""
    last = _last_step(pace, step, seconds, seconds_per_step, costs)
    return _with_steps(pace, step, last)


def _last_step(
    pace: Pace,
    step: int,
    seconds: float,
    seconds_per_step: Sequence[float],
    costs: Costs,
) -> int:
    """Returns the number of steps of a run that ends in time; `step` if it is over."""
    most = step + int(max(seconds, 0.0) / min(seconds_per_step))
    return step + bisect.bisect_right(
        range(step + 1, most + 1),
        seconds,
        key=lambda last: _seconds_until(
            _with_steps(pace, step, last), step, seconds_per_step, costs
        ),
    )


def _seconds_until(
    pace: Pace, step: int, seconds_per_step: Sequence[float], costs: Costs
) -> float:
    """Returns the time from a step to the end of the command."""
    last, long_from = pace.num_train_steps, pace.long_from
    num_short = last - step
    seconds = costs.after_the_last_step
    if long_from is not None:
        num_short = max(long_from - step, 0)
        seconds += (last - max(long_from, step)) * seconds_per_step[1]
        if step <= long_from:
            seconds += costs.first_long_step
    seconds += num_short * seconds_per_step[0]
    # Those at the last step are counted already.
    for every, cost in (
        (pace.eval_every, costs.evaluation),
        (pace.checkpoint_every, costs.checkpoint),
    ):
        seconds += max(0, (last - 1) // every - step // every) * cost
    return seconds


def _with_steps(pace: Pace, step: int, last: int) -> Pace:
    """Changes the last step; long rows that have not begun are the last tenth."""
    long_from = pace.long_from
    if long_from is not None and step <= long_from:
        long_from = max(step, last - round(LONG_SHARE * last))
    return dataclasses.replace(pace, num_train_steps=last, long_from=long_from)
