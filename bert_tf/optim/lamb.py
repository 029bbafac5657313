"""LAMB, for large batches."""

from typing import Any

from keras import ops

from bert_tf.layers.elementwise import compilable
from bert_tf.optim.scaled import MomentOptimizer, moved_moments


class Lamb(MomentOptimizer):
    """LAMB (You et al. 2019, algorithm 2).

    Unlike `keras.optimizers.Lamb`, weight decay is part of the update whose norm
    the trust ratio is made of, as in the paper; biases and norms are neither
    decayed nor adapted, as in the authors' code.

    Args:
        learning_rate: a float or a schedule.
        weight_decay, beta_1, beta_2, epsilon: see `MomentOptimizer`.
    """

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Moves one variable and its moments."""
        first, second, excluded = self._moments_of(variable)
        updated = _lamb(
            variable,
            gradient,
            first,
            second,
            self._factors(variable, learning_rate, bias_correction=True),
            beta_1=self.beta_1,
            beta_2=self.beta_2,
            epsilon=self.epsilon,
            decay=self.decay,
            adapt=not excluded,
        )
        for target, value in zip((variable, first, second), updated, strict=True):
            self.assign(target, value)


@compilable
def _lamb(
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
    adapt: bool,
) -> tuple[Any, Any, Any]:
    new_first, new_second = moved_moments(
        gradient, first, second, factors, beta_1, beta_2
    )
    update = new_first * factors[2] / (ops.sqrt(new_second * factors[3]) + epsilon)
    trust = 1.0
    if adapt:
        update = update + decay * variable
        weight_norm = ops.sqrt(ops.sum(ops.square(variable)))
        update_norm = ops.sqrt(ops.sum(ops.square(update)))
        both = (weight_norm > 0) & (update_norm > 0)
        trust = ops.where(both, weight_norm / ops.where(both, update_norm, 1.0), 1.0)
    new_variable = variable - factors[0] * trust * update
    good = ops.isfinite(factors[1])
    return (
        ops.where(good, new_variable, variable),
        ops.where(good, new_first, first),
        ops.where(good, new_second, second),
    )
