"""Adam with decoupled weight decay, as BERT was trained with it."""

from typing import Any

from keras import ops

from bert_tf.layers.elementwise import compilable
from bert_tf.optim.scaled import MomentOptimizer, moved_moments


class AdamW(MomentOptimizer):
    """Adam with decoupled weight decay (Loshchilov and Hutter 2017).

    Args:
        learning_rate: a float or a schedule.
        bias_correction: False is google-research/bert's optimizer, which leaves out
            the correction of the moments' start at zero; True is the published Adam,
            which is more stable on small data.
        weight_decay, beta_1, beta_2, epsilon: see `MomentOptimizer`; the defaults
            are the original's.
    """

    def __init__(
        self, learning_rate: Any, bias_correction: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(learning_rate, **kwargs)
        self.bias_correction = bias_correction

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Moves one variable and its moments."""
        first, second, excluded = self._moments_of(variable)
        updated = _adamw(
            variable,
            gradient,
            first,
            second,
            self._factors(variable, learning_rate, self.bias_correction),
            beta_1=self.beta_1,
            beta_2=self.beta_2,
            epsilon=self.epsilon,
            decay=0.0 if excluded else self.decay,
        )
        for target, value in zip((variable, first, second), updated, strict=True):
            self.assign(target, value)

    def get_config(self) -> dict:
        """The arguments of the constructor."""
        return {**super().get_config(), "bias_correction": self.bias_correction}


@compilable
def _adamw(
    variable: Any,
    gradient: Any,
    first: Any,
    second: Any,
    factors: Any,
    *,
    beta_1: float,
    beta_2: float,
    epsilon: float,
    decay: float,
) -> tuple[Any, Any, Any]:
    new_first, new_second = moved_moments(
        gradient, first, second, factors, beta_1, beta_2
    )
    update = new_first * factors[2] / (ops.sqrt(new_second * factors[3]) + epsilon)
    new_variable = variable - factors[0] * (update + decay * variable)
    good = ops.isfinite(factors[1])
    return (
        ops.where(good, new_variable, variable),
        ops.where(good, new_first, first),
        ops.where(good, new_second, second),
    )
