"""Training for a number of steps: data, checkpoints, logs, stopping."""

import contextlib
import dataclasses
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import tensorflow as tf

from bert_tf import distribution
from bert_tf.run_checkpoints import RunCheckpoints
from bert_tf.trainer import Trainer

# Exit code of a program that was told to stop (SIGTERM) and has saved its work.
PREEMPTED_EXIT_CODE = 143


@dataclasses.dataclass(frozen=True)
class Phase:
    """A stretch of training on rows of one length.

    Attributes:
        end_step: the step at which it ends.
        batches: from the number of a replica, and that of all, to a dataset of the
            replica's part of each batch, whose iterator can be saved. What the parts
            are together does not depend on their number.
        work: what one step gets through, such as {"tokens": 4096, "flops": 3e9}; the
            rates of progress are named alike.
    """

    end_step: int
    batches: Callable[[int, int], tf.data.Dataset]
    work: Mapping[str, float]


@dataclasses.dataclass(frozen=True)
class Progress:
    """What is known at the end of an interval.

    Attributes:
        step: steps done.
        metrics: means over the interval: those of the objective and `loss`,
            `gradient_norm`, `learning_rate`.
        per_second: rates of the phase's work.
    """

    step: int
    metrics: dict[str, float]
    per_second: dict[str, float]


class NonFiniteLoss(ValueError):
    """The loss or a gradient is not a number; the weights are those before it."""


class Preempted(Exception):
    """SIGTERM came; a checkpoint is written."""


class WorkerLost(OSError):
    """Another worker no longer answers; none can go on alone."""


# What TensorFlow raises, sooner or later, where a worker is gone.
_LOST = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.InternalError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
)


def train(
    trainer: Trainer,
    phases: Sequence[Phase],
    checkpoint_dir: str,
    *,
    checkpoint_every: int,
    log_every: int,
    eval_every: int | None = None,
    on_progress: Callable[[Progress], None],
    on_evaluate: Callable[[int], None] = lambda step: None,
    on_resume: Callable[[int], None] = lambda step: None,
) -> None:
    """Trains up to the last phase's end, from the newest checkpoint if there is one.

    A checkpoint holds weights, moments, the step and the position in the data; the
    dropout masks are a function of the step. So a run that was killed and started
    again ends as if nothing had happened.

    Args:
        trainer: model, optimizer and objective.
        phases: in the order of their `end_step`.
        checkpoint_dir: where checkpoints are written and looked for.
        checkpoint_every: steps between two checkpoints; the last step has one too.
        log_every: steps between two calls of `on_progress`, which is also called
            before each checkpoint and evaluation.
        eval_every: steps between two calls of `on_evaluate`, which is also called
            at the end; None: then alone.
        on_progress: receives the means since its last call.
        on_evaluate: receives the step; its time is not counted in any rate.
        on_resume: receives the step of the checkpoint, 0 without one.

    Raises:
        NonFiniteLoss: names the step and the last good checkpoint.
        Preempted: after SIGTERM, when the checkpoint is written.
        WorkerLost: of several workers one has gone.
    """
    strategy = trainer.strategy
    checkpoints = RunCheckpoints(checkpoint_dir, trainer.trackables(), strategy)
    with _lost_workers_named(strategy), _sigterm_noted() as sigterm:
        step = checkpoints.restore()
        on_resume(step)
        phase_start = 0
        for number, phase in enumerate(phases):
            if step >= phase.end_step:
                phase_start = phase.end_step
                continue
            iterators = _iterators(phase, strategy, 0)
            if step > phase_start and not checkpoints.restore_position(
                step, number, iterators
            ):
                print(
                    f"The position in the data of {step - phase_start} steps was not "
                    "saved for this number of replicas: going through them again.",
                    flush=True,
                )
                iterators = _iterators(phase, strategy, step - phase_start)
            interval = _Interval(step)
            previous: dict[str, tf.Tensor] | None = None
            while step < phase.end_step:
                batch = _next_batch(iterators, strategy)
                metrics = trainer.train_step(batch, stopping=bool(sigterm))
                step += 1
                # Asked for once: it may come at any moment, and first it is saved.
                stopping = bool(sigterm)
                if distribution.num_workers(strategy) > 1:
                    # All have to know. They look at the step before, not to wait for
                    # each to end.
                    stopping = previous is not None and bool(previous["stopping"] > 0)
                previous = metrics
                interval.add(metrics)
                at_checkpoint = (
                    step % checkpoint_every == 0 or step == phase.end_step or stopping
                )
                at_evaluation = step == phases[-1].end_step or (
                    eval_every is not None and step % eval_every == 0
                )
                if at_checkpoint or at_evaluation or step % log_every == 0:
                    _stop_on_non_finite(interval, trainer, checkpoints)
                    on_progress(interval.finish(phase))
                    if at_evaluation:
                        on_evaluate(step)
                    interval = _Interval(step)
                if at_checkpoint:
                    checkpoints.save(step, number, iterators)
                if stopping:
                    raise Preempted(f"Stopped by SIGTERM after step {step}.")
            phase_start = phase.end_step


def _iterators(
    phase: Phase, strategy: tf.distribute.Strategy, num_done: int
) -> dict[int, Iterator[Any]]:
    """Of each local replica's data, after so many batches."""
    count = strategy.num_replicas_in_sync
    with tf.device("CPU"):
        return {
            replica: iter(phase.batches(replica, count).skip(num_done))
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
    """The steps since the last report."""

    def __init__(self, first_step: int) -> None:
        self.first_step = first_step
        self.steps: list[dict[str, tf.Tensor]] = []
        self.started = time.monotonic()

    def add(self, metrics: dict[str, tf.Tensor]) -> None:
        # Not yet a float: that would wait for the step to end.
        self.steps.append(metrics)

    def bad_steps(self) -> list[int]:
        return [
            self.first_step + index + 1
            for index, metrics in enumerate(self.steps)
            if not float(metrics["finite"])
        ]

    def finish(self, phase: Phase) -> Progress:
        count = len(self.steps)
        metrics = {
            name: sum(float(step[name]) for step in self.steps) / count
            for name in self.steps[0]
            if name not in ("finite", "stopping")
        }
        seconds = time.monotonic() - self.started
        return Progress(
            step=self.first_step + count,
            metrics=metrics,
            per_second={
                name: count * amount / seconds for name, amount in phase.work.items()
            },
        )


def _stop_on_non_finite(
    interval: _Interval, trainer: Trainer, checkpoints: RunCheckpoints
) -> None:
    bad = interval.bad_steps()
    # float16 is expected to overflow now and then: the loss scale is halved.
    if not bad or (trainer.scales_loss and float(trainer.loss_scale) > 1.0):
        return
    good = checkpoints.latest() or "none was written yet"
    raise NonFiniteLoss(
        f"The loss or a gradient was not finite at step {bad[0]}. Expected numbers: "
        "lower --learning_rate, lengthen --num_warmup_steps, or use bfloat16. The "
        f"last good checkpoint: {good}."
    )


@contextlib.contextmanager
def _lost_workers_named(strategy: tf.distribute.Strategy) -> Iterator[None]:
    try:
        yield
    except _LOST as error:
        if distribution.num_workers(strategy) == 1:
            raise
        raise WorkerLost(
            "Another worker no longer answers: it has ended or can not be reached. "
            "Expected all of them: look at its log, and start the same command on each "
            "again to go on from the newest checkpoint."
        ) from error


@contextlib.contextmanager
def _sigterm_noted() -> Iterator[list[int]]:
    """A list that is empty until SIGTERM comes."""
    noted: list[int] = []
    try:
        previous = signal.signal(signal.SIGTERM, lambda number, _: noted.append(number))
    except ValueError:
        # Not the main thread (a notebook, a test): nothing to listen to.
        yield noted
        return
    try:
        yield noted
    finally:
        signal.signal(signal.SIGTERM, previous)
