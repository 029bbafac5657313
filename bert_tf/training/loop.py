"""Training for a number of steps: data, checkpoints, logs, stopping."""

import contextlib
import dataclasses
import math
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import tensorflow as tf

from bert_tf.training import distribution
from bert_tf.training.plan import Pace
from bert_tf.training.planner import Planner
from bert_tf.training.run_checkpoints import RunCheckpoints
from bert_tf.training.run_log import Progress, RunLog
from bert_tf.training.trainer import Trainer
from data_pipelines.programs import cli, interruption

# After this many steps in a row that are not finite, the run goes back to the newest
# checkpoint; it does so at most MAX_ROLLBACKS times.
MAX_SKIPPED = 10
MAX_ROLLBACKS = 3


@dataclasses.dataclass(frozen=True)
class Phase:
    """A stretch of training on rows of one length.

    Attributes:
        end_step: the step at which it ends, counted from the start of the run.
        batches: a function of the number of a replica, the number of replicas and the
            number of the attempt. It returns a dataset of the replica's part of each
            batch, whose iterator can be saved. The parts of all replicas together do
            not depend on their number; each attempt has an order of its own.
        work: the work of one step, such as {"tokens": 4096, "flops": 3e9}; the rates of
            progress have the same names.
    """

    end_step: int
    batches: Callable[[int, int, int], tf.data.Dataset]
    work: Mapping[str, float]


class NonFiniteLoss(ValueError):
    """The loss or a gradient was repeatedly NaN or infinite."""


class Preempted(cli.Stopped):
    """The run received Ctrl-C, SIGTERM or SIGHUP and has saved a checkpoint.

    Args:
        number: the number of the signal.
        step: the step of the checkpoint.
    """

    def __init__(self, number: int, step: int) -> None:
        how = interruption.how_it_ended(number)
        message = f"{how} after step {step}. The same command resumes from there."
        super().__init__(message, 128 + number)


def train(
    trainer: Trainer,
    phases: Sequence[Phase],
    checkpoint_dir: str,
    log: RunLog,
    *,
    checkpoint_every: int,
    log_every: int,
    eval_every: int | None = None,
    evaluate: Callable[[int], None] = lambda step: None,
    planner: Planner | None = None,
    milestones: Mapping[int, Callable[[], None]] = MappingProxyType({}),
) -> None:
    """Trains up to the last phase's end, from the newest checkpoint if there is one.

    A checkpoint holds weights, moments, the step and the position in the data; the
    dropout masks are a function of the step. So a run that is killed and started again
    gives the same result as one that was not.

    Args:
        trainer: model, optimizer and objective.
        phases: in the order of their `end_step`.
        checkpoint_dir: the folder of the checkpoints.
        log: receives the progress and the messages of the run.
        checkpoint_every: steps between two checkpoints; there is one at the last step,
            too.
        log_every: steps between two reports of progress, which is also reported
            before each checkpoint and evaluation.
        eval_every: steps between two evaluations; None for one at the end.
        evaluate: receives the step of each evaluation, including the last step. Its
            time is not part of any rate.
        planner: changes the ends of the phases and the numbers of steps above while the
            run trains, to keep a budget of time. Default: they stay.
        milestones: functions to call after some steps, by the number of the step.

    Raises:
        NonFiniteLoss: steps that are not finite are skipped; after many in a row the
            run goes back to the newest checkpoint, with other data and half the
            learning rate. It is raised when that did not help.
        Preempted: Ctrl-C, SIGTERM or SIGHUP came, and a checkpoint was saved.
    """
    checkpoints = RunCheckpoints(
        checkpoint_dir, trainer.trackables(), trainer.strategy, log.say
    )
    run = _Run(
        trainer,
        phases,
        checkpoints,
        log,
        checkpoint_every,
        log_every,
        eval_every,
        evaluate,
        planner or Planner(),
        milestones,
    )
    with _signals_noted() as signals:
        step = checkpoints.restore()
        log.resume(step)
        run.follow(run.planner.begin(step, int(trainer.rollbacks.numpy())))
        while run.step < run.phases[-1].end_step:
            try:
                run.train_to_the_end(signals)
            except _Diverged as diverged:
                run.roll_back(*diverged.args)
                log.resume(run.step)


class _Diverged(Exception):
    """Too many steps in a row were skipped.

    Args:
        first_step: the first of them.
        count: their number.
    """

    def __init__(self, first_step: int, count: int) -> None:
        super().__init__(first_step, count)


@dataclasses.dataclass
class _Run:
    """The loop over the steps, with its recoveries; attributes as in `train`."""

    trainer: Trainer
    phases: Sequence[Phase]
    checkpoints: RunCheckpoints
    log: RunLog
    checkpoint_every: int
    log_every: int
    eval_every: int | None
    evaluate: Callable[[int], None]
    planner: Planner
    milestones: Mapping[int, Callable[[], None]]

    @property
    def step(self) -> int:
        return int(self.trainer.step.numpy())

    def follow(self, pace: Pace | None) -> None:
        """Takes over a new pace, if there is one."""
        if pace is None:
            return
        self.phases = [
            dataclasses.replace(phase, end_step=end_step)
            for phase, end_step in zip(self.phases, pace.phase_ends, strict=True)
        ]
        self.checkpoint_every = pace.checkpoint_every
        self.log_every = pace.log_every
        self.eval_every = pace.eval_every
        self.log.replan(pace.num_train_steps)

    def train_to_the_end(self, signals: Sequence[int]) -> None:
        """Trains from the step of the trainer to the end of the last phase."""
        for number in range(len(self.phases)):
            if self.step < self.phases[number].end_step:
                self._train_phase(number, signals)

    def roll_back(self, first_step: int, count: int) -> None:
        """Restores the newest checkpoint, for other data at half the learning rate.

        Without any, or after too many returns, raises NonFiniteLoss.
        """
        rollbacks = int(self.trainer.rollbacks.numpy()) + 1
        good = self.checkpoints.latest()
        # The checkpoints may have been removed since.
        if good is not None and rollbacks <= MAX_ROLLBACKS:
            step = self.checkpoints.restore()
            good = self.checkpoints.latest()
        if good is None or rollbacks > MAX_ROLLBACKS:
            tried = f" after {rollbacks - 1} returns to a checkpoint"
            raise NonFiniteLoss(
                f"The loss or a gradient was not finite in {count} steps from step "
                f"{first_step} on{tried if rollbacks > 1 else ''}. Expected numbers: "
                "lower --learning_rate, lengthen --num_warmup_steps, or use bfloat16. "
                f"The last good checkpoint: {good or 'none was written yet'}."
            )
        self.trainer.rollbacks.assign(rollbacks)
        self.trainer.data_start.assign(step)
        self.follow(self.planner.roll_back(step, rollbacks))
        self.log.say(
            f"{count} steps in a row, from step {first_step} on, were not finite: "
            f"resuming from step {step} with other data at {0.5**rollbacks:g} of the "
            "learning rate."
        )

    def _train_phase(self, number: int, signals: Sequence[int]) -> None:
        strategy, step = self.trainer.strategy, self.step
        iterators = self._iterators_from_here(number)
        interval, skipped = _Interval(step), _SkippedSteps(self.trainer)
        previous: dict[str, tf.Tensor] | None = None
        while step < self.phases[number].end_step:
            batch = _next_batch(iterators, strategy)
            metrics = self.trainer.train_step(batch, stopping=bool(signals))
            step += 1
            # Read only once, as a signal may come at any moment: a checkpoint is saved
            # before the exception is raised.
            stopping = bool(signals)
            if distribution.num_workers(strategy) > 1:
                # All workers have to know. They look at the step before, so that they
                # need not wait for each step to end.
                stopping = previous is not None and bool(previous["stopping"] > 0)
            previous = metrics
            # Not yet floats: that would wait for the step to end.
            interval.steps.append(metrics)
            if self.planner.is_due(step):
                float(metrics["loss"])  # Waits for the step, whose time is taken.
                self.follow(self.planner.revise(step))
            phase = self.phases[number]
            at_end = step == phase.end_step
            at_checkpoint = step % self.checkpoint_every == 0 or at_end or stopping
            at_evaluation = step == self.phases[-1].end_step or (
                self.eval_every is not None and step % self.eval_every == 0
            )
            if at_checkpoint or at_evaluation or step % self.log_every == 0:
                skipped.count(interval)
                self.log.progress(interval.progress(phase))
                if at_evaluation:
                    with self.planner.timed("evaluation"):
                        self.evaluate(step)
                interval = _Interval(step)
            if step in self.milestones:
                # Before the checkpoint of this step, from which a run may resume.
                self.milestones[step]()
            # No checkpoint within a series of bad steps: the last good one is older.
            if at_checkpoint and (stopping or not skipped.in_a_row):
                with self.planner.timed("checkpoint"):
                    self.checkpoints.save(step, number, iterators)
                self.planner.saved(step)
            if stopping:
                # Perhaps only another worker has received the signal.
                raise Preempted(signals[0] if signals else signal.SIGTERM, step)

    def _iterators_from_here(self, number: int) -> dict[int, Iterator[Any]]:
        """Returns each local replica's data of a phase, at the step of the trainer."""
        phase = self.phases[number]
        begin = self.phases[number - 1].end_step if number else 0
        attempt = int(self.trainer.rollbacks.numpy())
        done = self.step - max(begin, int(self.trainer.data_start.numpy()))
        iterators = _iterators(phase, self.trainer.strategy, attempt, 0)
        if not done or self.checkpoints.restore_position(self.step, number, iterators):
            return iterators
        self.log.say(
            f"The position in the data of {done} steps was not saved for this number "
            "of replicas: reading them again."
        )
        return _iterators(phase, self.trainer.strategy, attempt, done)


def _iterators(
    phase: Phase, strategy: tf.distribute.Strategy, attempt: int, num_done: int
) -> dict[int, Iterator[Any]]:
    """Returns each local replica's iterator, after `num_done` batches."""
    count = strategy.num_replicas_in_sync
    with tf.device("CPU"):
        return {
            replica: iter(phase.batches(replica, count, attempt).skip(num_done))
            for replica in distribution.local_replicas(strategy)
        }


def _next_batch(
    iterators: Mapping[int, Iterator[Any]], strategy: tf.distribute.Strategy
) -> Any:
    if len(iterators) == 1:
        (iterator,) = iterators.values()
        return next(iterator)
    replicas = iter(iterators.values())
    return strategy.experimental_distribute_values_from_function(
        lambda context: next(next(replicas))
    )


class _Interval:
    """Collects the steps since the last report of progress."""

    def __init__(self, first_step: int) -> None:
        self.first_step = first_step
        self.steps: list[dict[str, tf.Tensor]] = []
        self.started = time.monotonic()

    def progress(self, phase: Phase) -> Progress:
        """Returns means over the steps that were not skipped; NaN if all were."""
        count = len(self.steps)
        good = [step for step in self.steps if float(step["finite"])]
        metrics = {
            name: sum(float(step[name]) for step in good) / len(good)
            if good
            else math.nan
            for name in self.steps[0]
            if name not in ("finite", "stopping")
        }
        if len(good) < count:
            metrics["skipped_steps"] = float(count - len(good))
        seconds = time.monotonic() - self.started
        rates = {name: count * amount / seconds for name, amount in phase.work.items()}
        return Progress(self.first_step + count, metrics, rates)


class _SkippedSteps:
    """Counts the steps in a row that were skipped, as they were not finite."""

    def __init__(self, trainer: Trainer) -> None:
        self.trainer = trainer
        self.in_a_row = 0

    def count(self, interval: _Interval) -> None:
        """Counts the steps of an interval; raises _Diverged if there are too many."""
        for index, metrics in enumerate(interval.steps):
            self.in_a_row = 0 if float(metrics["finite"]) else self.in_a_row + 1
            if self.in_a_row >= MAX_SKIPPED and not self._loss_scale_falls():
                first_step = interval.first_step + index + 2 - self.in_a_row
                raise _Diverged(first_step, self.in_a_row)

    def _loss_scale_falls(self) -> bool:
        """Returns whether the loss scale of float16, which may overflow, is falling."""
        trainer = self.trainer
        return trainer.scales_loss and float(trainer.loss_scale.numpy()) > 1.0


@contextlib.contextmanager
def _signals_noted() -> Iterator[list[int]]:
    """Yields a list that receives the number of each SIGINT, SIGTERM and SIGHUP.

    A second Ctrl-C ends the program, or the cell of a notebook.
    """
    noted: list[int] = []
    previous = interruption.heeded(interruption.SIGNALS)

    def note(number: int, _: Any) -> None:
        noted.append(number)
        if number == signal.SIGINT:
            interruption.say(
                "\nInterrupted: saving a checkpoint. Again: ends at once.\n"
            )
            signal.signal(number, previous[number])

    try:
        for number in previous:
            signal.signal(number, note)
    except ValueError:
        # Signals are handled in the main thread alone; this is another one.
        yield noted
        return
    try:
        yield noted
    finally:
        for number, before in previous.items():
            signal.signal(number, before)
