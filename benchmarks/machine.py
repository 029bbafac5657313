"""Description of the machine, and resources used by a program."""

import contextlib
import os
import platform
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

_INSTRUCTION_SETS = (
    "avx2",
    "avx512f",
    "avx_vnni",
    "avx512_vnni",
    "avx512_bf16",
    "amx_bf16",
    "amx_int8",
)


def processor() -> str:
    """Returns the name of the processor, as far as the system provides it."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def instruction_sets() -> list[str]:
    """Returns those of the processor on which the speed of products depends."""
    try:
        flags = set(Path("/proc/cpuinfo").read_text().split())
    except OSError:
        return []
    return [name for name in _INSTRUCTION_SETS if name in flags]


def description() -> dict[str, Any]:
    """Returns what figures depend on: the machine, its speed, and the versions."""
    # Imported here: programs that measure others need no TensorFlow.
    import keras
    import tensorflow as tf

    from bert_tf.training.hardware import peak_flops_per_second

    return {
        "processor": processor(),
        "cores": os.cpu_count(),
        "instruction_sets": instruction_sets(),
        "float32_gflops": round(peak_flops_per_second("float32") / 1e9, 1),
        "bfloat16_gflops": round(peak_flops_per_second("bfloat16") / 1e9, 1),
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
    }


def measure(command: Sequence[str]) -> tuple[float, int]:
    """Runs a program; returns its seconds, and the peak bytes of all its processes.

    Pages shared by several processes are counted once, if the system reports them.

    Raises:
        ValueError: the program failed; its errors are printed.
    """
    import psutil

    start, peak = time.perf_counter(), 0
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        root = psutil.Process(process.pid)
        while process.poll() is None:
            memory = 0
            # A process may end while it is examined.
            with contextlib.suppress(psutil.Error):
                for part in (root, *root.children(recursive=True)):
                    held = part.memory_full_info()
                    memory += getattr(held, "pss", held.rss)
            peak = max(peak, memory)
            time.sleep(0.1)
    seconds = time.perf_counter() - start
    if process.returncode:
        raise ValueError(f"{' '.join(command)} ended with {process.returncode}.")
    return seconds, peak
