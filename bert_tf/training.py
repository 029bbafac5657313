"""Training for a number of steps: one compiled step, checkpoints, logs, stopping.

`Model.fit` is not used: under several replicas Keras clips before it adds the
gradients up, and its checkpoints hold neither the position in the data nor the
dropout masks.
"""

import contextlib
import dataclasses
import math
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

import keras
import tensorflow as tf

from bert_tf.layers.dropout import replayable_dropout
from bert_tf.layers.elementwise import compilation
from bert_tf.optim.scaled import MomentOptimizer

# Exit code of a program that was told to stop (SIGTERM) and has saved its work.
PREEMPTED_EXIT_CODE = 143

# What is computed in, and Keras' name for it with weights in float32.
POLICIES = {
    "float32": "float32",
    "bfloat16": "mixed_bfloat16",
    "float16": "mixed_float16",
}

Batch = Mapping[str, tf.Tensor]
Sums = dict[str, tuple[tf.Tensor, tf.Tensor]]


class Objective(Protocol):
    """What is minimised, in sums, so that means are taken over the global batch."""

    @property
    def losses(self) -> Sequence[str]:
        """Names in `sums` whose means are added up to the loss."""
        ...

    def weights(self, batch: Batch) -> dict[str, tf.Tensor]:
        """The total weight of each sum, from the batch alone."""
        ...

    def sums(self, outputs: Any, batch: Batch) -> dict[str, tf.Tensor]:
        """Weighted sums over a batch, float32 scalars: losses and metrics."""
        ...


@dataclasses.dataclass(frozen=True)
class Phase:
    """A stretch of training on rows of one length.

    Attributes:
        end_step: the step at which it ends.
        dataset: its batches; from here its iterator can be saved.
        work: what one step gets through, such as {"tokens": 4096, "flops": 3e9}; the
            rates of progress are named alike.
    """

    end_step: int
    dataset: tf.data.Dataset
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


class Trainer:
    """A model, its optimizer, and the step that moves them.

    Args:
        model: called with a batch and `training`.
        optimizer: built here on the model's trainable variables.
        objective: what is minimised.
        seed: of the dropout masks.
        clip_norm: largest global norm of the gradients.
        accumulation_steps: how many equal slices of a batch are run one after
            another; the result is that of the whole batch.
        compile_elementwise: whether element-wise parts are compiled by XLA.
        strategy: of tf.distribute; the current one if None.
    """

    def __init__(
        self,
        model: keras.Model,
        optimizer: MomentOptimizer,
        objective: Objective,
        *,
        seed: int = 0,
        clip_norm: float = 1.0,
        accumulation_steps: int = 1,
        compile_elementwise: bool = True,
        strategy: tf.distribute.Strategy | None = None,
    ) -> None:
        self.model = model
        self.optimizer = optimizer
        self.objective = objective
        self.seed = seed
        self.clip_norm = clip_norm
        self.accumulation_steps = accumulation_steps
        self.compile_elementwise = compile_elementwise
        self.strategy = strategy or tf.distribute.get_strategy()
        with self.strategy.scope():
            optimizer.build(model.trainable_variables)
            self.step = tf.Variable(0, dtype=tf.int64, trainable=False, name="step")
            # float16 alone has a range so short that gradients vanish in it.
            scaled = model.dtype_policy.compute_dtype == "float16"
            self.loss_scale = tf.Variable(
                2.0**15 if scaled else 1.0, trainable=False, name="loss_scale"
            )
            self._scales_loss = scaled
            self._good_steps = tf.Variable(0, trainable=False, name="good_steps")
        # Packed batches differ in their number of rows: not a trace for each.
        self._train_step = tf.function(self._train_step_in_graph, reduce_retracing=True)
        self._evaluate_step = tf.function(self._evaluate_step_in_graph)

    def trackables(self) -> dict[str, Any]:
        """What a checkpoint of the run has to hold, besides the data's position."""
        return {
            "model": self.model,
            "optimizer": self.optimizer,
            "step": self.step,
            "loss_scale": self.loss_scale,
            "good_steps": self._good_steps,
        }

    def train_step(self, batch: Batch) -> dict[str, tf.Tensor]:
        """One step on a global batch.

        Returns:
            float32 scalars: means over the batch of all sums of the objective, and
            `loss`, `gradient_norm` (before clipping), `learning_rate`, `finite`
            (0 where the step was skipped).
        """
        return self._train_step(batch)

    def evaluate(self, batches: tf.data.Dataset) -> dict[str, float]:
        """Means of the objective's sums, and `loss`, over all batches."""
        totals: dict[str, float] = {}
        weights: dict[str, float] = {}
        for batch in batches:
            for name, (value, weight) in self._evaluate_step(batch).items():
                totals[name] = totals.get(name, 0.0) + float(value)
                weights[name] = weights.get(name, 0.0) + float(weight)
        if not totals:
            raise ValueError("Received no batch to evaluate on. Expected at least one.")
        means = {name: totals[name] / max(weights[name], 1e-9) for name in totals}
        return {"loss": sum(means[name] for name in self.objective.losses), **means}

    def _train_step_in_graph(self, batch: Batch) -> dict[str, tf.Tensor]:
        per_replica = self.strategy.run(self._replica_step, args=(batch,))
        results = self.strategy.experimental_local_results(per_replica)[0]
        self.step.assign_add(1)
        return results

    def _replica_step(self, batch: Batch) -> dict[str, tf.Tensor]:
        context = tf.distribute.get_replica_context()
        num_replicas = self.strategy.num_replicas_in_sync
        weights = _sum_over_replicas(context, self.objective.weights(batch))
        learning_rate = tf.cast(self.optimizer.learning_rate, tf.float32)
        gradients, sums = self._accumulate(
            batch, weights, context.replica_id_in_sync_group
        )
        gradients = context.all_reduce(tf.distribute.ReduceOp.SUM, gradients)
        sums = _sum_over_replicas(context, sums)
        means = {name: sums[name] / weights[name] for name in sums}
        means["loss"] = tf.add_n([means[name] for name in self.objective.losses])

        norm = tf.linalg.global_norm(gradients) / self.loss_scale
        finite = tf.math.is_finite(norm) & tf.math.is_finite(means["loss"])
        clip = self.clip_norm / tf.maximum(norm, self.clip_norm) / self.loss_scale
        scale = tf.where(finite, clip, tf.constant(math.nan))
        # Keras adds gradients up over the replicas once more.
        with compilation(self.compile_elementwise):
            self.optimizer.apply_scaled(gradients, scale / num_replicas)
        if self._scales_loss:
            self._move_loss_scale(finite)
        return {
            **means,
            "gradient_norm": norm,
            "learning_rate": learning_rate,
            "finite": tf.cast(finite, tf.float32),
        }

    def _accumulate(
        self, batch: Batch, weights: dict[str, tf.Tensor], replica: Any
    ) -> tuple[list[tf.Tensor], dict[str, tf.Tensor]]:
        """Gradients and sums of the replica's batch, slice after slice."""
        count = self.accumulation_steps
        if count == 1:
            return self._gradients(batch, weights, replica, 0)
        slices = {
            name: tf.reshape(value, (count, -1, *value.shape[1:]))
            for name, value in batch.items()
        }
        first = {name: value[0] for name, value in slices.items()}
        gradients, sums = self._gradients(first, weights, replica, 0)

        def more(index: Any, gradients: Any, sums: Any) -> Any:
            piece = {name: value[index] for name, value in slices.items()}
            new = self._gradients(piece, weights, replica, index)
            return index + 1, *tf.nest.map_structure(tf.add, (gradients, sums), new)

        _, gradients, sums = tf.while_loop(
            lambda index, *_: index < count, more, (1, gradients, sums)
        )
        return gradients, sums

    def _gradients(
        self, batch: Batch, weights: dict[str, tf.Tensor], replica: Any, piece: Any
    ) -> tuple[list[tf.Tensor], dict[str, tf.Tensor]]:
        draws = self.strategy.num_replicas_in_sync * self.accumulation_steps
        draw = tf.cast(self.step, tf.int32) * draws
        draw += tf.cast(replica, tf.int32) * self.accumulation_steps + piece
        seed = tf.stack([tf.constant(self.seed % (2**31 - 1), tf.int32), draw])
        variables = [variable.value for variable in self.model.trainable_variables]
        with (
            compilation(self.compile_elementwise),
            replayable_dropout(seed),
            tf.GradientTape() as tape,
        ):
            sums = self.objective.sums(self.model(batch, training=True), batch)
            loss = tf.add_n(
                [sums[name] / weights[name] for name in self.objective.losses]
            )
            loss = loss * self.loss_scale
        gradients = tape.gradient(
            loss, variables, unconnected_gradients=tf.UnconnectedGradients.ZERO
        )
        return [tf.convert_to_tensor(gradient) for gradient in gradients], sums

    def _move_loss_scale(self, finite: tf.Tensor) -> None:
        """Halves the loss scale after a bad step, doubles it after 2,000 good ones."""
        good = tf.where(finite, self._good_steps + 1, 0)
        grow = good >= 2000
        factor = tf.where(finite, tf.where(grow, 2.0, 1.0), 0.5)
        self.loss_scale.assign(tf.clip_by_value(self.loss_scale * factor, 1.0, 2.0**24))
        self._good_steps.assign(tf.where(grow, 0, good))

    def _evaluate_step_in_graph(self, batch: Batch) -> Sums:
        outputs = self.model(batch, training=False)
        weights = self.objective.weights(batch)
        sums = self.objective.sums(outputs, batch)
        return {name: (sums[name], weights[name]) for name in sums}


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
    """
    last = tf.train.latest_checkpoint(checkpoint_dir)
    step = checkpoint_step(last) if last else 0
    on_resume(step)
    with _sigterm_noted() as sigterm:
        for number, phase in enumerate(phases):
            if step >= phase.end_step:
                continue
            iterator = iter(phase.dataset)
            checkpoint = tf.train.Checkpoint(
                **trainer.trackables(), **{f"iterator_{number}": iterator}
            )
            manager = tf.train.CheckpointManager(
                checkpoint, checkpoint_dir, max_to_keep=2, checkpoint_name="step"
            )
            if last:
                # At the start of a phase the checkpoint holds the iterator of the
                # phase before, which must not be asked for.
                checkpoint.restore(last).expect_partial()
                last = None
            interval = _Interval(step)
            while step < phase.end_step:
                interval.add(trainer.train_step(next(iterator)))
                step += 1
                # Asked for once: it may come at any moment, and first it is saved.
                stopping = bool(sigterm)
                at_checkpoint = (
                    step % checkpoint_every == 0 or step == phase.end_step or stopping
                )
                at_evaluation = step == phases[-1].end_step or (
                    eval_every is not None and step % eval_every == 0
                )
                if at_checkpoint or at_evaluation or step % log_every == 0:
                    _stop_on_non_finite(interval, trainer, manager)
                    on_progress(interval.finish(phase))
                    if at_evaluation:
                        on_evaluate(step)
                    interval = _Interval(step)
                if at_checkpoint:
                    manager.save(checkpoint_number=step)
                if stopping:
                    raise Preempted(f"Stopped by SIGTERM after step {step}.")


def checkpoint_step(path: str) -> int:
    """The number of steps done when a checkpoint was written."""
    return int(tf.train.load_variable(path, "step/.ATTRIBUTES/VARIABLE_VALUE"))


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
            if name != "finite"
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
    interval: _Interval, trainer: Trainer, manager: tf.train.CheckpointManager
) -> None:
    bad = interval.bad_steps()
    # float16 is expected to overflow now and then: the loss scale is halved.
    if not bad or (trainer._scales_loss and float(trainer.loss_scale) > 1.0):
        return
    good = manager.latest_checkpoint or "none was written yet"
    raise NonFiniteLoss(
        f"The loss or a gradient was not finite at step {bad[0]}. Expected numbers: "
        "lower --learning_rate, lengthen --num_warmup_steps, or use bfloat16. The "
        f"last good checkpoint: {good}."
    )


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


def _sum_over_replicas(context: Any, values: dict[str, tf.Tensor]) -> dict:
    names = sorted(values)
    reduced = context.all_reduce(
        tf.distribute.ReduceOp.SUM, [values[name] for name in names]
    )
    return dict(zip(names, reduced, strict=True))


def matmul_flops_per_second(dtype: str, seconds: float = 0.5) -> float:
    """The machine's rate at a large matrix product, as a yardstick for a step."""
    size = 2048 if tf.config.list_physical_devices("GPU") else 1024
    left = tf.cast(tf.random.stateless_normal([size, size], [1, 2]), dtype)

    @tf.function
    def product() -> tf.Tensor:
        return tf.linalg.matmul(left, left)

    product()
    best, end = math.inf, time.monotonic() + seconds
    while time.monotonic() < end:
        start = time.perf_counter()
        product().numpy()
        best = min(best, time.perf_counter() - start)
    return 2 * size**3 / best
