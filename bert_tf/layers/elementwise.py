"""The element-wise work between matrix products, compiled as single kernels.

Op by op, this work is bound by memory: each op reads and writes the whole
activation, and the gradient keeps every intermediate result. Here each part is
one function of plain `keras.ops`. On the TensorFlow backend `compiled` turns it
into one XLA kernel forward and one backward, which recomputes what it needs from
the inputs; elsewhere the function runs as it stands. The matrix products stay
outside: on a CPU oneDNN runs them several times faster than XLA does.
"""

import functools
import math
from collections.abc import Callable
from typing import Any

import keras
from keras import ops


def compiled(function: Callable) -> Callable:
    """Compiles `function(*tensors, **constants)`, and its gradient, with XLA.

    Gradients flow to the positional arguments of a floating dtype. The body must
    be free of state: it runs a second time in the gradient.
    """

    @functools.wraps(function)
    def run(*tensors: Any, **constants: Any) -> Any:
        if keras.backend.backend() != "tensorflow":
            return function(*tensors, **constants)
        return _xla(function, tuple(sorted(constants.items())))(*tensors)

    run.plain = function  # type: ignore[attr-defined]
    return run


@functools.cache
def _xla(function: Callable, constants: tuple) -> Callable:
    import tensorflow as tf  # The other backends work without it.

    body = functools.partial(function, **dict(constants))
    forward = tf.function(body, jit_compile=True)

    @tf.function(jit_compile=True)
    def backward(tensors: tuple, upstream: Any) -> list:
        sources = [tensor for tensor in tensors if tensor.dtype.is_floating]
        with tf.GradientTape() as tape:
            tape.watch(sources)
            result = body(*tensors)
        return tape.gradient(result, sources, output_gradients=upstream)

    @tf.custom_gradient
    def run(*tensors: Any) -> Any:
        def gradient(upstream: Any) -> list:
            found = iter(backward(tensors, upstream))
            return [next(found) if t.dtype.is_floating else None for t in tensors]

        return forward(*tensors), gradient

    return lambda *tensors: run(*(tf.convert_to_tensor(t) for t in tensors))


def activation(x: Any, name: str) -> Any:
    """Applies `hidden_act`; `geglu` halves the last axis (Shazeer 2020).

    Args:
        x: float (..., width).
        name: one of `bert_tf.config.HIDDEN_ACTS`.

    Returns:
        float (..., width), or (..., width / 2) for `geglu`, whose first half is
        the gate.
    """
    return _activation(x, name=name)


@compiled
def _activation(x: Any, name: str) -> Any:
    if name == "relu":
        return ops.relu(x)
    if name == "geglu":
        gate, x = ops.split(x, 2, axis=-1)
        return _gelu(gate) * x
    return _gelu(x, tanh=name == "gelu_tanh")


def _gelu(x: Any, tanh: bool = False) -> Any:
    if tanh:
        inner = math.sqrt(2 / math.pi) * (x + 0.044715 * x * x * x)
        return 0.5 * x * (1 + ops.tanh(inner))
    return 0.5 * x * (1 + ops.erf(x * math.sqrt(0.5)))


def add_and_normalize(
    x: Any, residual: Any, scale: Any, offset: Any, epsilon: float, rate: float, seed: Any
) -> Any:
    """The post-LN step: `layer_norm(residual + dropout(x))`.

    Args:
        x: float (batch, sequence, hidden), what a part of the block computed.
        residual: float, the shape of `x`: what the part was given.
        scale: float (hidden,). Called gamma in the original.
        offset: float (hidden,). Called beta in the original.
        epsilon: added to the variance.
        rate: share of `x` that is dropped; 0 when not training.
        seed: int32 (2,) of `dropout.draw_seed`; unused at rate 0.
    """
    return _add_and_normalize(
        x, residual, scale, offset, seed, epsilon=epsilon, rate=rate
    )


@compiled
def _add_and_normalize(
    x: Any, residual: Any, scale: Any, offset: Any, seed: Any, epsilon: float, rate: float
) -> Any:
    return _normalize(residual + _dropout(x, seed, rate), scale, offset, epsilon)


@compiled
def normalize(x: Any, scale: Any, offset: Any, epsilon: float) -> Any:
    """Layer normalization over the last axis; statistics in float32."""
    return _normalize(x, scale, offset, epsilon)
