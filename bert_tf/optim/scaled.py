"""What AdamW and LAMB share: moments, decay by name, scaled or skipped updates."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from bert_tf.optim.layer_rates import LayerRates

# Neither decayed nor, in LAMB, adapted: biases and the two weights of a norm.
_EXCLUDED = ("bias", "output_bias", "scale", "offset")


class MomentOptimizer(keras.optimizers.Optimizer):
    """An optimizer with two moments whose update can be scaled and skipped.

    Args:
        learning_rate: a float or a schedule.
        weight_decay: pulls weights towards 0; biases and norms are excluded.
        beta_1: decay of the first moment.
        beta_2: decay of the second moment.
        epsilon: added to the root of the second moment.
        layer_rates: what the rate of each variable is multiplied by; None: nothing.
    """

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
        # Keras' own weight_decay would change the variable in a pass of its own,
        # and for LAMB outside the trust ratio.
        super().__init__(learning_rate=learning_rate, **kwargs)
        self.decay = weight_decay
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.layer_rates = layer_rates
        self._scale: Any = 1.0
        self._rate: Any = 1.0
        self._are_summed = False

    def build(self, variables: Sequence[Any]) -> None:
        """Makes two moments for each variable."""
        if self.built:
            return
        super().build(variables)
        self._first, self._second = self.add_optimizer_variables(
            variables, ["first_moment", "second_moment"]
        )
        self._paths = [variable.path for variable in variables]
        self._excluded = [path.rsplit("/", 1)[-1] in _EXCLUDED for path in self._paths]

    def apply_scaled(
        self, gradients: Sequence[Any], scale: Any, rate: Any = 1.0
    ) -> None:
        """Applies `scale * gradients`, or nothing if `scale` is not finite.

        Clipping by the global norm and skipping a bad step cost no pass over the
        gradients this way, and no branch, which tf.distribute would not allow.

        Args:
            gradients: one for each variable that the optimizer was built with, summed
                over all replicas.
            scale: float32 scalar.
            rate: what the learning rate is multiplied by.
        """
        self._scale, self._rate, self._are_summed = scale, rate, True
        try:
            self.apply(gradients)
        finally:
            self._scale, self._rate, self._are_summed = 1.0, 1.0, False

    def _all_reduce_sum_gradients(self, grads_and_vars: Any) -> Any:
        """Keras' own sum over the replicas, where they are not summed already."""
        if self._are_summed:
            return grads_and_vars
        return super()._all_reduce_sum_gradients(grads_and_vars)

    def _moments_of(self, variable: Any) -> tuple[Any, Any, bool]:
        index = self._get_variable_index(variable)
        return self._first[index], self._second[index], self._excluded[index]

    def _factors(self, variable: Any, learning_rate: Any, bias_correction: bool) -> Any:
        """float32 (4,): learning rate, gradient scale, and both corrections."""
        learning_rate *= self._rate
        if self.layer_rates is not None:
            path = self._paths[self._get_variable_index(variable)]
            learning_rate *= self.layer_rates.factor(path, self.iterations)
        step = ops.cast(self.iterations, "float32") + 1
        first = second = ops.ones(())
        if bias_correction:
            first = 1 / (1 - ops.power(self.beta_1, step))
            second = 1 / (1 - ops.power(self.beta_2, step))
        values = (learning_rate, self._scale, first, second)
        return ops.stack([ops.cast(value, "float32") for value in values])

    def get_config(self) -> dict:
        """The arguments of the constructor."""
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
        """The optimizer that `get_config` described."""
        rates = config.pop("layer_rates", None)
        optimizer = super().from_config(config, custom_objects)
        optimizer.layer_rates = rates and LayerRates(**rates)
        return optimizer


def moved_moments(
    gradient: Any, first: Any, second: Any, factors: Any, beta_1: float, beta_2: float
) -> tuple[Any, Any]:
    """Both moments after one more gradient, which `factors[1]` scales."""
    gradient = gradient * factors[1]
    first = beta_1 * first + (1 - beta_1) * gradient
    second = beta_2 * second + (1 - beta_2) * ops.square(gradient)
    return first, second
