"""AdamW and LAMB, whose update can be scaled and skipped."""

import dataclasses
from collections.abc import Sequence
from typing import Any, Literal

import keras
from keras import ops

from bert_tf.layers.elementwise import compilable
from bert_tf.optim.layer_rates import LayerRates

OptimizerName = Literal["adamw_bert", "adamw", "lamb"]

# Biases and the weights of norms are not decayed, nor adapted in LAMB.
_EXCLUDED = ("bias", "output_bias", "scale", "offset")


def make_optimizer(
    name: OptimizerName,
    learning_rate: Any,
    *,
    weight_decay: float = 0.01,
    beta_2: float = 0.999,
    layer_rates: LayerRates | None = None,
) -> "MomentOptimizer":
    """Makes the optimizer of a training run; see `MomentOptimizer` for the arguments.

    "adamw_bert" is the AdamW of google-research/bert, without bias correction; "adamw"
    is the published one; "lamb" is for large batches.
    """
    arguments: dict[str, Any] = {
        "weight_decay": weight_decay,
        "beta_2": beta_2,
        "layer_rates": layer_rates,
    }
    if name == "lamb":
        return Lamb(learning_rate, **arguments)
    return AdamW(learning_rate, bias_correction=name == "adamw", **arguments)


class MomentOptimizer(keras.optimizers.Optimizer):
    """The base of AdamW and LAMB, which keep two moments for each variable.

    Args:
        learning_rate: a float or a schedule.
        weight_decay: rate at which weights decay to 0; biases and norms do not decay.
        beta_1: decay of the first moment.
        beta_2: decay of the second moment.
        epsilon: added to the root of the second moment.
        layer_rates: factors of the learning rate for each variable; None for equal
            rates.
    """

    bias_correction = True
    has_trust_ratio = False

    def __init__(
        self,
        learning_rate: Any,
        weight_decay: float = 0.01,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-6,
        layer_rates: LayerRates | None = None,
        **kwargs: Any,
    ) -> None:
        # Keras applies its own weight_decay in a separate pass over the variables and,
        # for LAMB, outside of the trust ratio.
        super().__init__(learning_rate=learning_rate, **kwargs)
        self.decay = weight_decay
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.layer_rates = layer_rates

    def build(self, variables: Sequence[Any]) -> None:
        """Makes two moments for each variable."""
        if self.built:
            return
        super().build(variables)
        self._first, self._second = self.add_optimizer_variables(
            variables, ["first_moment", "second_moment"]
        )
        self._paths = [variable.path for variable in variables]

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Moves one variable and its moments."""
        self._move(variable, gradient, learning_rate, 1.0)

    def moments(self) -> dict[str, Any]:
        """Returns the moments, by "first_moment/" or "second_moment/" and the path."""
        names = {"first_moment": self._first, "second_moment": self._second}
        return {
            f"{name}/{path}": moment
            for name, moments in names.items()
            for path, moment in zip(self._paths, moments, strict=True)
        }

    def apply_scaled(
        self, gradients: Sequence[Any], scale: Any, rate: Any = 1.0
    ) -> Any:
        """Applies `scale * gradients`, or nothing if `scale` is not finite.

        Clipping by the global norm and skipping a bad step need no pass over the
        gradients this way, and no branch, which tf.distribute does not allow. Keras'
        own `apply` would sum the gradients over the replicas a second time.

        Args:
            gradients: one for each variable that the optimizer was built with, summed
                over all replicas.
            scale: float32 scalar.
            rate: factor of the learning rate.

        Returns:
            The learning rate of this step, a float32 scalar.
        """
        import tensorflow as tf  # Imported here: other backends work without it.

        update = tf.distribute.get_strategy().extended.update
        learning_rate = ops.cast(self.learning_rate, "float32") * rate
        arguments = (learning_rate, ops.cast(scale, "float32"))
        pairs = zip(self._trainable_variables, gradients, strict=True)
        for variable, gradient in pairs:
            update(variable.value, self._move, (gradient, *arguments), group=False)
        self.iterations.assign_add(1)
        return learning_rate

    def _move(
        self, variable: Any, gradient: Any, learning_rate: Any, scale: Any
    ) -> None:
        index = self._get_variable_index(variable)
        path, moments = self._paths[index], (self._first[index], self._second[index])
        is_excluded = path.rsplit("/", 1)[-1] in _EXCLUDED
        if self.layer_rates is not None:
            learning_rate *= self.layer_rates.factor(path, self.iterations)
        corrections = [1.0, 1.0]
        if self.bias_correction:
            step = ops.cast(self.iterations, "float32") + 1
            betas = (self.beta_1, self.beta_2)
            corrections = [1 / (1 - ops.power(beta, step)) for beta in betas]
        factors = (learning_rate, scale, *corrections)
        updated = _moved(
            variable,
            gradient,
            *moments,
            *(ops.cast(factor, "float32") for factor in factors),
            beta_1=self.beta_1,
            beta_2=self.beta_2,
            epsilon=self.epsilon,
            decay=0.0 if is_excluded else self.decay,
            has_trust_ratio=self.has_trust_ratio and not is_excluded,
        )
        for target, value in zip((variable, *moments), updated, strict=True):
            self.assign(target, value)

    def get_config(self) -> dict:
        """Returns the arguments of the constructor, as plain values."""
        return {
            **super().get_config(),
            "weight_decay": self.decay,
            "beta_1": self.beta_1,
            "beta_2": self.beta_2,
            "epsilon": self.epsilon,
            "layer_rates": self.layer_rates and dataclasses.asdict(self.layer_rates),
        }

    @classmethod
    def from_config(cls, config: dict, custom_objects: Any = None) -> "MomentOptimizer":
        """Makes the optimizer that `get_config` describes."""
        rates = config.get("layer_rates")
        config = {**config, "layer_rates": rates and LayerRates(**rates)}
        return super().from_config(config, custom_objects)


@keras.saving.register_keras_serializable("bert_tf")
class AdamW(MomentOptimizer):
    """Adam with decoupled weight decay (Loshchilov and Hutter 2017).

    Args:
        bias_correction: False for the optimizer of google-research/bert, which does not
            correct the moments for their start at zero; True for the published Adam,
            which is more stable on small datasets.
        learning_rate, kwargs: see `MomentOptimizer`; the defaults are those of the
            original.
    """

    def __init__(
        self, learning_rate: Any, bias_correction: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(learning_rate, **kwargs)
        self.bias_correction = bias_correction

    def get_config(self) -> dict:
        """Returns the arguments of the constructor, as plain values."""
        return {**super().get_config(), "bias_correction": self.bias_correction}


@keras.saving.register_keras_serializable("bert_tf")
class Lamb(MomentOptimizer):
    """LAMB (You et al. 2019, algorithm 2), for large batches.

    Unlike in `keras.optimizers.Lamb`, weight decay is part of the update whose norm
    enters the trust ratio, as in the paper. Biases and norms are neither decayed nor
    adapted, as in the authors' code.
    """

    has_trust_ratio = True


@compilable
def _moved(
    variable: Any,
    gradient: Any,
    first: Any,
    second: Any,
    learning_rate: Any,
    scale: Any,
    first_correction: Any,
    second_correction: Any,
    *,
    beta_1: float,
    beta_2: float,
    epsilon: float,
    decay: float,
    has_trust_ratio: bool,
) -> tuple[Any, Any, Any]:
    """Returns a variable and its moments after a step; unchanged if `scale` is NaN."""
    gradient = gradient * scale
    new_first = beta_1 * first + (1 - beta_1) * gradient
    new_second = beta_2 * second + (1 - beta_2) * ops.square(gradient)
    update = new_first * first_correction
    update /= ops.sqrt(new_second * second_correction) + epsilon
    update += decay * variable
    if has_trust_ratio:
        weight_norm = ops.sqrt(ops.sum(ops.square(variable)))
        update_norm = ops.sqrt(ops.sum(ops.square(update)))
        both = (weight_norm > 0) & (update_norm > 0)
        learning_rate *= ops.where(
            both, weight_norm / ops.where(both, update_norm, 1.0), 1.0
        )
    good = ops.isfinite(scale)
    return (
        ops.where(good, variable - learning_rate * update, variable),
        ops.where(good, new_first, first),
        ops.where(good, new_second, second),
    )
