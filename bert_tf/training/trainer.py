"""A training step, on one replica or many.

`Model.fit` is not used: with several replicas Keras clips gradients before it sums
them, and its checkpoints hold neither the position in the data nor the dropout masks.
"""

import math
from typing import Any

import keras
import tensorflow as tf

from bert_tf.layers.dropout import replayable_dropout
from bert_tf.layers.elementwise import compilation
from bert_tf.models.objective import Batch, Objective, means_of
from bert_tf.optim.optimizers import MomentOptimizer
from bert_tf.training import distribution
from bert_tf.training.seeds import dropout_seed

Sums = dict[str, tuple[tf.Tensor, tf.Tensor]]

# Largest global norm of the gradients.
_CLIP_NORM = 1.0


class Trainer:
    """A model, its optimizer, and the training step that updates them.

    Args:
        model: a model that is called with a batch and `training`.
        optimizer: the optimizer, which is built on the model's trainable variables.
        objective: the loss to minimise, and metrics.
        seed: the seed of the dropout masks.
        accumulation_steps: the number of equal slices of a batch that are run one after
            another; the result is that of the whole batch.
        jit_compile: the parts that XLA compiles. "auto": the element-wise parts and the
            update; nothing on a TPU, where everything is compiled anyway. "on": loss
            and gradients as one, again for each shape of a batch. "off": nothing.
        strategy: a strategy of tf.distribute; None for the current one.

    Attributes:
        step: int64 variable, the number of steps done.
        loss_scale: float32 variable, a factor of the loss.
        rollbacks: int32 variable, the number of times the run went back to a
            checkpoint. Each time halves the learning rate.
        data_start: int64 variable, the step at which the data in use began.
    """

    def __init__(
        self,
        model: keras.Model,
        optimizer: MomentOptimizer,
        objective: Objective,
        *,
        seed: int = 0,
        accumulation_steps: int = 1,
        jit_compile: distribution.JitCompile = "auto",
        strategy: tf.distribute.Strategy | None = None,
    ) -> None:
        self.model = model
        self.optimizer = optimizer
        self.objective = objective
        self.seed = seed
        self.accumulation_steps = accumulation_steps
        self.strategy = strategy or tf.distribute.get_strategy()
        on_tpu = isinstance(self.strategy, tf.distribute.TPUStrategy)
        self._compiles_parts = jit_compile == "auto" and not on_tpu
        self._compiles_update = jit_compile == "on" or self._compiles_parts
        with self.strategy.scope():
            optimizer.build(model.trainable_variables)
            self.step = tf.Variable(
                0,
                dtype=tf.int64,
                trainable=False,
                aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
                name="step",
            )
            # Only the range of float16 is so small that gradients vanish in it.
            self.scales_loss = model.dtype_policy.compute_dtype == "float16"
            self.loss_scale = tf.Variable(
                2.0**15 if self.scales_loss else 1.0, trainable=False, name="loss_scale"
            )
            self._good_steps = tf.Variable(0, trainable=False, name="good_steps")
            self.rollbacks = tf.Variable(0, trainable=False, name="rollbacks")
            self.data_start = tf.Variable(
                0, dtype=tf.int64, trainable=False, name="data_start"
            )
        self._is_traced = False
        # Batches differ in their number of rows and in the length of rows; each shape
        # would be a trace.
        self._train_step = tf.function(
            self._train_step_in_graph, reduce_retracing=True, autograph=False
        )
        self._evaluate_step = tf.function(self._evaluate_step_in_graph, autograph=False)
        self._gradients = self._gradients_in_graph
        if jit_compile == "on":
            self._gradients = tf.function(
                self._gradients_in_graph, jit_compile=True, autograph=False
            )

    def trackables(self) -> dict[str, Any]:
        """Returns the parts of a checkpoint, besides the position in the data."""
        return {
            "model": self.model,
            "optimizer": self.optimizer,
            "step": self.step,
            "loss_scale": self.loss_scale,
            "good_steps": self._good_steps,
            "rollbacks": self.rollbacks,
            "data_start": self.data_start,
        }

    def train_step(self, batch: Batch, stopping: bool = False) -> dict[str, tf.Tensor]:
        """Makes one step on a global batch.

        Args:
            batch: the batch of this worker's replica; for several replicas, the
                result of `experimental_distribute_values_from_function`.
            stopping: whether this worker has to stop.

        Returns:
            float32 scalars: means over the batch of all sums of the objective, and
            `loss`, `gradient_norm` (before clipping), `learning_rate`, `finite`
            (0 if the step was skipped), `stopping` (1 if any worker has to stop).
        """
        if not self._is_traced:
            self._is_traced = True
            self._trace_for_all_shapes(batch)
        return self._train_step(batch, tf.constant(float(stopping)))

    def evaluate(self, batches: tf.data.Dataset) -> dict[str, float]:
        """Returns means of the objective's sums, and `loss`, over all batches.

        Each replica has an equal part of the rows of a batch.

        Args:
            batches: the same batches for every worker. The number of rows in each is a
                multiple of the number of replicas.

        Raises:
            ValueError: there is no batch.
        """
        means = means_of(self._evaluate_step(self._parts(batch)) for batch in batches)
        if not means:
            raise ValueError("Received no batch to evaluate on. Expected at least one.")
        return {"loss": sum(means[name] for name in self.objective.losses), **means}

    def _trace_for_all_shapes(self, batch: Batch) -> None:
        """Traces the step for unknown shapes, to which it would be relaxed anyway.

        Kernels are chosen by the shapes of the trace, and some differ in the last bit.
        So a run that is resumed amid rows of another length has to have the trace of
        the run from the start. On a TPU each shape is a program of its own anyway.
        """
        on_tpu = isinstance(self.strategy, tf.distribute.TPUStrategy)
        if on_tpu or len(distribution.local_replicas(self.strategy)) > 1:
            return
        unknown = {
            name: tf.TensorSpec([None] * len(value.shape), value.dtype)
            for name, value in batch.items()
        }
        self._train_step.get_concrete_function(unknown, tf.TensorSpec([]))

    def _train_step_in_graph(
        self, batch: Batch, stopping: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        per_replica = self.strategy.run(self.replica_step, args=(batch, stopping))
        results = self.strategy.experimental_local_results(per_replica)[0]
        return results

    def replica_step(
        self, batch: Batch, stopping: tf.Tensor | float = 0.0
    ) -> dict[str, tf.Tensor]:
        """The part of one replica in a step; in graph, in the replica's context.

        For arguments and results see `train_step`.
        """
        context = tf.distribute.get_replica_context()
        weights = _sum_over_replicas(context, self.objective.weights(batch))
        rate = tf.pow(0.5, tf.cast(self.rollbacks, tf.float32))
        gradients, sums = self._accumulate(
            batch, weights, context.replica_id_in_sync_group
        )
        gradients = context.all_reduce(tf.distribute.ReduceOp.SUM, gradients)
        sums = _sum_over_replicas(context, {**sums, "stopping": tf.identity(stopping)})
        stopping = sums.pop("stopping")
        means = {name: sums[name] / weights[name] for name in sums}
        means["loss"] = tf.add_n([means[name] for name in self.objective.losses])

        norm = tf.linalg.global_norm(gradients) / self.loss_scale
        finite = tf.math.is_finite(norm) & tf.math.is_finite(means["loss"])
        clip = _CLIP_NORM / tf.maximum(norm, _CLIP_NORM) / self.loss_scale
        scale = tf.where(finite, clip, tf.constant(math.nan))
        with compilation(self._compiles_update):
            learning_rate = self.optimizer.apply_scaled(gradients, scale, rate)
        if self.scales_loss:
            self._move_loss_scale(finite)
        self.step.assign_add(1)
        return {
            **means,
            "gradient_norm": norm,
            "learning_rate": learning_rate,
            "finite": tf.cast(finite, tf.float32),
            "stopping": tf.minimum(stopping, 1.0),
        }

    def _accumulate(
        self, batch: Batch, weights: dict[str, tf.Tensor], replica: Any
    ) -> tuple[list[tf.Tensor], dict[str, tf.Tensor]]:
        """Returns gradients and sums of the replica's batch, slice after slice."""
        count = self.accumulation_steps
        if count == 1:
            return self._gradients(batch, weights, replica, tf.constant(0))
        # The static shape is unknown.
        slices = {
            name: tf.reshape(value, tf.concat([[count, -1], tf.shape(value)[1:]], 0))
            for name, value in batch.items()
        }
        first = {name: value[0] for name, value in slices.items()}
        gradients, sums = self._gradients(first, weights, replica, tf.constant(0))

        def more(index: Any, gradients: Any, sums: Any) -> Any:
            piece = {name: value[index] for name, value in slices.items()}
            new = self._gradients(piece, weights, replica, index)
            return index + 1, *tf.nest.map_structure(tf.add, (gradients, sums), new)

        _, gradients, sums = tf.while_loop(
            lambda index, *_: index < count, more, (1, gradients, sums)
        )
        return gradients, sums

    def _gradients_in_graph(
        self, batch: Batch, weights: dict[str, tf.Tensor], replica: Any, piece: Any
    ) -> tuple[list[tf.Tensor], dict[str, tf.Tensor]]:
        draws = (self.strategy.num_replicas_in_sync, self.accumulation_steps)
        seed = dropout_seed(self.seed, self.step, replica, piece, draws)
        variables = [variable.value for variable in self.model.trainable_variables]
        with (
            compilation(self._compiles_parts),
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

    def _parts(self, batch: Batch) -> Any:
        """Divides a batch into the parts of the replicas."""
        count = self.strategy.num_replicas_in_sync
        if count == 1:
            return batch
        replicas = iter(distribution.local_replicas(self.strategy))
        size = next(iter(batch.values())).shape[0] // count

        def part(context: Any) -> dict[str, tf.Tensor]:
            del context
            first = next(replicas) * size
            return {name: rows[first : first + size] for name, rows in batch.items()}

        return self.strategy.experimental_distribute_values_from_function(part)

    def _evaluate_step_in_graph(self, batch: Batch) -> Sums:
        per_replica = self.strategy.run(self._replica_evaluation, args=(batch,))
        return self.strategy.experimental_local_results(per_replica)[0]

    def _replica_evaluation(self, batch: Batch) -> Sums:
        context = tf.distribute.get_replica_context()
        outputs = self.model(batch, training=False)
        weights = _sum_over_replicas(context, self.objective.weights(batch))
        sums = _sum_over_replicas(context, self.objective.sums(outputs, batch))
        return {name: (sums[name], weights[name]) for name in sums}


def _sum_over_replicas(context: Any, values: dict[str, tf.Tensor]) -> dict:
    names = sorted(values)
    reduced = context.all_reduce(
        tf.distribute.ReduceOp.SUM, [values[name] for name in names]
    )
    return dict(zip(names, reduced, strict=True))
