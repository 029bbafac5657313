"""The element-wise work between matrix products, compiled as single kernels.

Op by op this work is bound by memory: each op reads and writes the whole
activation, and the gradient keeps every intermediate result. Here each part is
one function of plain `keras.ops`. Inside `compilation()`, on the TensorFlow
backend, `compilable` turns it into one XLA kernel forward and one backward, which
recomputes what it needs from the inputs; elsewhere the function runs as it is. The
matrix products stay outside: on a CPU oneDNN runs them several times faster than XLA
does.

This work is done in float32, whatever the dtype of the products: CPUs compute only
products in bfloat16, and would convert the values at every other operation.
"""

import contextlib
import contextvars
import functools
import math
from collections.abc import Callable, Iterator
from typing import Any

import keras
from keras import ops

_compiling: contextvars.ContextVar[bool] = contextvars.ContextVar(
    "compile the element-wise parts", default=False
)


@contextlib.contextmanager
def compilation(on: bool = True) -> Iterator[None]:
    """Compiles functions that are traced inside by XLA (TensorFlow backend only).

    Off by default, so that exported graphs need no XLA: TF Serving refuses it
    unless it is started with a flag.
    """
    token = _compiling.set(on and keras.backend.backend() == "tensorflow")
    try:
        yield
    finally:
        _compiling.reset(token)


def compilable(function: Callable) -> Callable:
    """Makes `function(*tensors, **constants)` one kernel inside `compilation()`.

    Gradients flow to the positional arguments of a floating dtype. The body must
    be free of state, as it runs a second time in the gradient.
    """

    @functools.wraps(function)
    def run(*tensors: Any, **constants: Any) -> Any:
        if not _compiling.get():
            return function(*tensors, **constants)
        return _kernel(function, tuple(sorted(constants.items())))(*tensors)

    return run


@functools.cache
def _kernel(function: Callable, constants: tuple) -> Callable:
    import tensorflow as tf  # Imported here: other backends work without it.

    body = functools.partial(function, **dict(constants))
    forward = tf.function(body, jit_compile=True, autograph=False)

    @tf.function(jit_compile=True, autograph=False)
    def backward(tensors: tuple, upstream: tuple) -> list:
        sources = [tensor for tensor in tensors if tensor.dtype.is_floating]
        with tf.GradientTape() as tape:
            tape.watch(sources)
            results = tf.nest.flatten(body(*tensors))
        return tape.gradient(results, sources, output_gradients=list(upstream))

    @tf.custom_gradient
    def run(*tensors: Any) -> Any:
        def gradient(*upstream: Any) -> list:
            found = iter(backward(tensors, upstream))
            return [next(found) if t.dtype.is_floating else None for t in tensors]

        return forward(*tensors), gradient

    return lambda *tensors: run(*(tf.convert_to_tensor(t) for t in tensors))


@compilable
def activation(x: Any, *, name: str) -> Any:
    """Applies `hidden_act`.

    Args:
        x: float (..., width).
        name: one of `bert_tf.models.config.HIDDEN_ACTS`. "geglu" halves the last axis:
            its first half gates the second (Shazeer 2020).

    Returns:
        float (..., width), or (..., width / 2) for "geglu".
    """
    wide = ops.cast(x, "float32")
    if name == "relu":
        result = ops.relu(wide)
    elif name == "geglu":
        gate, wide = ops.split(wide, 2, axis=-1)
        result = _gelu(gate) * wide
    elif name == "gelu_tanh":
        inner = math.sqrt(2 / math.pi) * (wide + 0.044715 * wide * wide * wide)
        result = 0.5 * wide * (1 + ops.tanh(inner))
    else:
        result = _gelu(wide)
    return ops.cast(result, x.dtype)


@compilable
def normalize(x: Any, scale: Any, offset: Any, *, epsilon: float) -> Any:
    """Layer normalization over the last axis, with statistics in float32.

    Args:
        x: float (..., hidden).
        scale: float32 (hidden,), gamma in the original.
        offset: float32 (hidden,), beta in the original.
        epsilon: added to the variance.
    """
    wide = ops.cast(x, "float32")
    return ops.cast(_normalize(wide, scale, offset, epsilon), x.dtype)


@compilable
def drop_add_normalize(
    x: Any,
    residual: Any,
    scale: Any,
    offset: Any,
    seed: Any,
    *,
    rate: float,
    epsilon: float,
) -> Any:
    """The end of a post-LN part: `normalize(residual + drop(x))`."""
    wide = ops.cast(residual, "float32") + _drop(ops.cast(x, "float32"), seed, rate)
    return ops.cast(_normalize(wide, scale, offset, epsilon), x.dtype)


@compilable
def drop_add(x: Any, residual: Any, seed: Any, *, rate: float) -> Any:
    """The end of a pre-LN part: `residual + drop(x)`."""
    wide = ops.cast(residual, "float32") + _drop(ops.cast(x, "float32"), seed, rate)
    return ops.cast(wide, x.dtype)


@compilable
def drop(x: Any, seed: Any, *, rate: float) -> Any:
    """Dropout: zeroes a share `rate` of `x` and scales up the rest.

    Args:
        x: float, any shape.
        seed: int32 (2,); the mask is a function of it and of the shape.
        rate: 0 leaves `x` unchanged.
    """
    return _drop(x, seed, rate)


def draw(logits: Any, seed: Any) -> Any:
    """Draws a class for each vector of logits from its softmax.

    Args:
        logits: float (..., classes).
        seed: int32 (2,); the draw is a function of it and of the logits.

    Returns:
        int32 (...).
    """
    shares = ops.softmax(ops.cast(ops.stop_gradient(logits), "float32"), axis=-1)
    bits = random_bits(ops.shape(logits)[:-1], seed)
    # The upper 24 bits, which float32 represents exactly; the result is below 1.
    uniform = ops.cast(ops.right_shift(bits, _uint32(8)), "float32") * 2.0**-24
    passed = ops.cumsum(shares, axis=-1) <= uniform[..., None]
    # Rounding may leave the sum below 1.
    last = logits.shape[-1] - 1
    return ops.minimum(ops.sum(ops.cast(passed, "int32"), axis=-1), last)


@compilable
def masked_softmax(
    scores: Any, attention_mask: Any, seed: Any, *, scale: float, rate: float
) -> Any:
    """Computes attention probabilities in float32, with dropout.

    Args:
        scores: float (batch, heads, query, key).
        attention_mask: bool (batch, 1 or query, key), True where a query may attend to
            a key.
        seed: int32 (2,) of the dropout.
        scale: multiplies the scores, 1 / sqrt(width of a head).
        rate: dropout rate on the probabilities.

    Returns:
        float (batch, heads, query, key) of the dtype of `scores`.
    """
    # A finite number: a query without any key (in a row of padding, which fills up
    # the last batch) gets uniform probabilities rather than NaN.
    logits = ops.where(
        attention_mask[:, None], ops.cast(scores, "float32") * scale, -1e30
    )
    weights = ops.exp(logits - ops.max(logits, axis=-1, keepdims=True))
    weights = weights / ops.sum(weights, axis=-1, keepdims=True)
    return ops.cast(_drop(weights, seed, rate), scores.dtype)


@compilable
def cross_entropy(logits: Any, labels: Any) -> tuple[Any, Any]:
    """Computes the cross-entropy of each label, and whether it is the best guess.

    Args:
        logits: float (..., classes).
        labels: int32 (...).

    Returns:
        float32 (...) each: the negative log-likelihood, and 1 where no class has a
        larger logit than the label, else 0.
    """
    logits = ops.cast(logits, "float32")
    # A comparison rather than a lookup, whose gradient would be a scatter.
    is_label = ops.arange(ops.shape(logits)[-1], dtype="int32") == labels[..., None]
    largest = ops.stop_gradient(ops.max(logits, axis=-1, keepdims=True))
    shifted = logits - largest
    of_label = ops.sum(ops.where(is_label, shifted, 0.0), axis=-1)
    losses = ops.log(ops.sum(ops.exp(shifted), axis=-1)) - of_label
    return losses, ops.cast(ops.stop_gradient(of_label) >= 0, "float32")


def _gelu(x: Any) -> Any:
    return 0.5 * x * (1 + ops.erf(x * math.sqrt(0.5)))


def _normalize(x: Any, scale: Any, offset: Any, epsilon: float) -> Any:
    centered = x - ops.mean(x, axis=-1, keepdims=True)
    variance = ops.mean(ops.square(centered), axis=-1, keepdims=True)
    normalized = centered * ops.rsqrt(variance + epsilon)
    scale, offset = ops.cast(scale, "float32"), ops.cast(offset, "float32")
    return normalized * scale + offset


def _drop(x: Any, seed: Any, rate: float) -> Any:
    if not rate:
        return x
    kept = random_bits(ops.shape(x), seed) >= _uint32(int(rate * 2**32))
    return ops.where(kept, x / (1 - rate), ops.zeros_like(x))


def random_bits(shape: tuple, seed: Any) -> Any:
    """Computes 32 random bits for each element from its index and the seed.

    The bits are the finalizer of MurmurHash3 over a counter. XLA's own generator is
    hundreds of times slower on a CPU, and dropout needs no better randomness.
    """
    seed = ops.cast(seed, "uint32")
    counter = ops.arange(math.prod(shape), dtype="int32")
    bits = ops.cast(ops.reshape(counter, shape), "uint32")
    for shift, multiplier, key in (
        (16, 0x85EBCA6B, seed[0]),
        (13, 0xC2B2AE35, seed[1]),
    ):
        bits = (bits + key) * _uint32(0x9E3779B1)
        bits = _fold(bits, shift) * _uint32(multiplier)
    return _fold(bits, 16)


def _fold(bits: Any, shift: int) -> Any:
    return ops.bitwise_xor(bits, ops.right_shift(bits, _uint32(shift)))


def _uint32(value: int) -> Any:
    return ops.convert_to_tensor(value, "uint32")
