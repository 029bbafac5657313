"""Dropout masks: a pure function of (seed, step, replica, draw).

A layer calls `draw_seed(self.seed_generator, rate)`. Inside `replayable_dropout`, which
the training loop uses, the seed depends on the step and the replica alone: a resumed
run draws the same masks as an uninterrupted one, and no two replicas draw the same.
Elsewhere, as in Keras' `fit`, the seed comes from the layer's own `SeedGenerator`.
"""

import contextlib
import contextvars
from collections.abc import Iterator
from typing import Any

import keras
from keras import ops

from bert_tf.layers import elementwise

# Neighbouring draws must not overlap in the counter that makes the random bits.
_STRIDE = 0x3779B9

_current: contextvars.ContextVar["_StepSeeds | None"] = contextvars.ContextVar(
    "dropout seeds of the step", default=None
)


class _StepSeeds(keras.random.SeedGenerator):
    """A `SeedGenerator` without state: draw n of a step is always the same.

    The seed, int32 (2,), differs for each step and replica.
    """

    def __init__(self, seed: Any) -> None:
        # super().__init__ is not called: it would make the variable that this class
        # avoids.
        self._seed = seed
        self._draws = 0

    def next(self, ordered: bool = True) -> Any:
        self._draws += 1
        shift = ops.convert_to_tensor([self._draws * _STRIDE, self._draws], "int32")
        return ops.cast(self._seed, "int32") + shift


@contextlib.contextmanager
def replayable_dropout(seed: Any) -> Iterator[None]:
    """Makes layers that are called inside draw masks from `seed`, int32 (2,), alone."""
    token = _current.set(_StepSeeds(seed))
    try:
        yield
    finally:
        _current.reset(token)


def draw_seed(generator: keras.random.SeedGenerator, rate: float) -> Any:
    """Returns the seed of one mask, int32 (2,).

    Args:
        generator: the layer's own, used outside `replayable_dropout`.
        rate: the dropout rate; at 0 nothing is drawn and the seed is zeros.
    """
    if not rate:
        return ops.zeros((2,), "int32")
    seed = (_current.get() or generator).next()
    # TensorFlow keeps the state of a SeedGenerator as int64, others as uint32.
    return ops.cast(ops.mod(ops.cast(seed, "int64"), 2**31 - 1), "int32")


class SavedSeed:
    """Saves the state of a layer's `seed_generator` with its weights in `.keras` files.

    Keras leaves it out, so that a restored training would draw other masks.
    """

    seed_generator: keras.random.SeedGenerator

    def save_own_variables(self, store: Any) -> None:
        """Writes the weights, and the state of the seeds as `seed`."""
        super().save_own_variables(store)  # type: ignore[misc]
        store["seed"] = ops.convert_to_numpy(self.seed_generator.state)

    def load_own_variables(self, store: Any) -> None:
        """Reads what `save_own_variables` wrote; files of weights may lack the seed."""
        values = {name: store[name] for name in store.keys()}  # noqa: SIM118
        if "seed" in values:
            self.seed_generator.state.assign(values.pop("seed"))
        super().load_own_variables(values)  # type: ignore[misc]


@keras.saving.register_keras_serializable("bert_tf")
class Dropout(SavedSeed, keras.layers.Layer):
    """Dropout, optionally followed by the addition of a residual.

    Args:
        rate: share of the elements that are set to zero in training.

    Call arguments:
        x: float, any shape.
        residual: float of the same shape, added after the dropout.
        training: whether dropout is applied.
    """

    def __init__(self, rate: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.rate = rate
        self.seed_generator = keras.random.SeedGenerator()
        self.supports_masking = True
        self.built = True

    def call(self, x: Any, residual: Any = None, training: bool = False) -> Any:
        """Applies the dropout; the class describes the arguments."""
        rate = self.rate if training else 0.0
        if residual is None and not rate:
            return x
        seed = draw_seed(self.seed_generator, rate)
        if residual is None:
            return elementwise.drop(x, seed, rate=rate)
        return elementwise.drop_add(x, residual, seed, rate=rate)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of the constructor, as plain values."""
        return {
            **super().get_config(),
            "rate": self.rate,
        }
