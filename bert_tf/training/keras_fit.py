"""Keras' `fit`, with the training step of this project."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf

from bert_tf.models.objective import Batch, Objective
from bert_tf.optim.optimizers import MomentOptimizer
from bert_tf.training.trainer import Trainer

# From a batch to what a loss or metrics of Keras compare the outputs with, and to the
# weights of these.
Targets = Callable[[Batch], tuple[Any, Any]]


class FitModel(keras.Model):
    """A model and its objective, which `fit` trains on datasets of batches.

    With an optimizer of this project and no loss of the user's, a step is the one that
    the programs take, `Trainer.replica_step`: gradients are clipped, dropout masks
    depend on the seed and the step alone, and a step that is not finite changes
    nothing. With any other optimizer it is Keras' own step, on the same objective or on
    the loss that was compiled.

    Args:
        model: receives the batches; it is trained, and this class has no other weights.
        objective: the default loss, and metrics.
        names: the sums of the objective.
        targets: for losses and metrics of Keras; None: the model allows none.
        seed: the seed of the dropout masks.

    Raises:
        ValueError: there are several replicas.
    """

    def __init__(
        self,
        model: keras.Model,
        objective: Objective,
        names: Sequence[str],
        targets: Targets | None = None,
        seed: int = 0,
    ) -> None:
        count = tf.distribute.get_strategy().num_replicas_in_sync
        if count > 1:
            raise ValueError(
                f"Received a strategy of {count} replicas. Expected one for fit: "
                "use the programs pretrain and finetune, with --strategy."
            )
        super().__init__(dtype=model.dtype_policy, name=f"fit_{model.name}")
        self.model = model
        self.objective = _Watched(objective, self._watch)
        self._names, self._targets, self._seed = names, targets, seed
        self._means: list[keras.metrics.Mean] = []
        self._trainer: Trainer | None = None
        self.built = True

    def compile(self, optimizer: Any, **kwargs: Any) -> None:
        """Compiles as Keras does; see the class for what a step then is."""
        is_own = isinstance(optimizer, MomentOptimizer) and kwargs.get("loss") is None
        # `Trainer` scales the loss of float16 itself. The number of rows varies, and
        # XLA would compile a step anew for each.
        kwargs = {"jit_compile": False, **kwargs}
        super().compile(optimizer=optimizer, auto_scale_loss=not is_own, **kwargs)
        self._trainer = None
        if kwargs.get("loss") is None:
            self._means = [keras.metrics.Mean(name=name) for name in self._names]
        if is_own:
            self._trainer = Trainer(
                self.model, optimizer, self.objective, seed=self._seed
            )

    def call(self, inputs: Any, training: bool = False) -> Any:
        """The outputs of the model."""
        return self.model(inputs, training=training)

    def train_step(self, data: Batch) -> dict[str, Any]:
        """One step on a batch; in graph."""
        if self._trainer is None:
            return super().train_step(self._with_targets(data))
        self._trainer.replica_step(data)
        return self.get_metrics_result()

    def test_step(self, data: Batch) -> dict[str, Any]:
        """The loss and metrics of a batch; in graph."""
        return super().test_step(self._with_targets(data))

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        """The loss of a batch: that of the objective, unless another was compiled."""
        if self._compile_loss is not None:
            return super().compute_loss(x, y, y_pred, sample_weight, training)
        sums, weights = self.objective.sums(y_pred, x), self.objective.weights(x)
        return tf.add_n([sums[name] / weights[name] for name in self.objective.losses])

    def compute_metrics(
        self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None
    ) -> dict[str, Any]:
        """The metrics so far; those of the objective are counted where it is."""
        if self._compile_loss is not None:
            return super().compute_metrics(x, y, y_pred, sample_weight)
        return self.get_metrics_result()

    def get_metrics_result(self) -> dict[str, Any]:
        """The loss and the metrics so far: means over all that was counted.

        The parts of the loss are among them, if it has several.
        """
        found = super().get_metrics_result()
        if self._compile_loss is not None:
            return found
        losses = {mean.name: mean.result() for mean in self._means}
        losses = {name: losses[name] for name in self.objective.losses}
        if len(losses) == 1:
            del found[next(iter(losses))]
        return {**found, "loss": tf.add_n(list(losses.values()))}

    def save(self, filepath: Any, *args: Any, **kwargs: Any) -> None:
        """Raises: a `.keras` file would lack the vocabulary and the labels."""
        raise ValueError(
            f"Received {str(filepath)!r} for a model that takes strings. Expected the "
            "save(folder) of the task's class; in ModelCheckpoint, "
            "save_weights_only=True."
        )

    def _with_targets(self, batch: Batch) -> tuple[Batch, Any, Any]:
        targets = (None, None) if self._targets is None else self._targets(batch)
        return batch, *targets

    def _watch(self, outputs: Any, batch: Batch, sums: dict[str, Any]) -> None:
        """Counts what the objective has found, and the metrics that were compiled."""
        weights = self.objective.weights(batch)
        for mean in self._means:
            weight = weights[mean.name]
            # All examples of a batch may have the weight 0.
            value = tf.math.divide_no_nan(sums[mean.name], weight)
            mean.update_state(value, sample_weight=weight)
        if self._compile_metrics is not None:
            _, targets, target_weights = self._with_targets(batch)
            super().compute_metrics(batch, targets, outputs, target_weights)


class _Watched:
    """An objective whose sums are also shown to a function."""

    def __init__(self, objective: Objective, watch: Callable[..., None]) -> None:
        self._objective, self._watch = objective, watch
        self.losses = objective.losses
        self.weights = objective.weights

    def sums(self, outputs: Any, batch: Batch) -> dict[str, tf.Tensor]:
        sums = self._objective.sums(outputs, batch)
        self._watch(outputs, batch, sums)
        return sums
