"""Number formats, and the speed of this machine."""

import math
import time

import tensorflow as tf

# The dtype of the computation, and Keras' policy for it with weights in float32.
POLICIES: dict[str, str] = {
    "float32": "float32",
    "bfloat16": "mixed_bfloat16",
    "float16": "mixed_float16",
}


def peak_flops_per_second(dtype: str, seconds: float = 0.5) -> float:
    """Measures the machine's rate at a large matrix product, in FLOP/s.

    Model FLOPs utilization (MFU) is the share of this rate that a training step
    reaches. Unlike the rate in a data sheet, it can be had for every CPU.
    """
    size = 2048 if tf.config.list_physical_devices("GPU") else 1024
    left = tf.cast(tf.random.stateless_normal([size, size], [1, 2]), dtype)

    @tf.function(autograph=False)
    def product() -> tf.Tensor:
        return tf.linalg.matmul(left, left)

    product()
    best, end = math.inf, time.monotonic() + seconds
    while time.monotonic() < end:
        start = time.perf_counter()
        product().numpy()
        best = min(best, time.perf_counter() - start)
    return 2 * size**3 / best
