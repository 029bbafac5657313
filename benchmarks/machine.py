"""The machine of a benchmark, and the resources that a program used."""

import contextlib
import platform
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path


def processor() -> str:
    """The processor's name, as far as the system tells it."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def measure(command: Sequence[str]) -> tuple[float, int]:
    """Runs a program: its seconds, and the most bytes that all its processes held.

    A page that several processes share is counted once, where the system tells it.

    Raises:
        ValueError: the program failed; what it printed was.
    """
    import psutil

    start, peak = time.perf_counter(), 0
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        root = psutil.Process(process.pid)
        while process.poll() is None:
            memory = 0
            # A process may end while it is looked at.
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
