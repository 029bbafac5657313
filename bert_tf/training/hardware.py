"""Number formats, and the speed of this machine."""

import math
import time

import tensorflow as tf

_CPU_INFO = "/proc/cpuinfo"
# The dtype of the computation, and Keras' policy for it with weights in float32.
POLICIES: dict[str, str] = {
    "float32": "float32",
    "bfloat16": "mixed_bfloat16",
    "float16": "mixed_float16",
}


def number_format(dtype: str) -> str:
    """Returns a dtype; for "auto" the one whose products are fastest on this machine.

    That is bfloat16 on TPUs, on GPUs of compute capability 8 and on CPUs with
    instructions for it, as far as the system tells, and float32 on others.
    """
    if dtype != "auto":
        return dtype
    return "bfloat16" if _multiplies_bfloat16() else "float32"


def _multiplies_bfloat16() -> bool:
    if tf.config.list_physical_devices("TPU"):
        return True
    if gpus := tf.config.list_physical_devices("GPU"):
        details = tf.config.experimental.get_device_details(gpus[0])
        return details.get("compute_capability", (0, 0)) >= (8, 0)
    try:
        with open(_CPU_INFO, encoding="utf-8") as file:
            flags = set(file.read().split())
    except OSError:
        return False
    # The last one is that of ARM.
    return not flags.isdisjoint({"amx_bf16", "avx512_bf16", "bf16"})


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
