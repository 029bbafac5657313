"""Verbs as programs of their own: one that fails takes no other along."""

import contextlib
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from typing import Any

import tensorflow as tf


class Failed(Exception):
    """A program ended with another code than 0; the message is its last line."""


def command(module: str, options: Mapping[str, Any]) -> list[str]:
    """What a user would write: `["python", "-m", "bert_tf.pretrain", "--seed=0"]`."""
    flags = []
    for name, value in options.items():
        if isinstance(value, (tuple, list)):
            value = ",".join(map(str, value))
        if value is not None:
            flags.append(f"--{name}={value}")
    return ["python", "-m", module, *flags]


def run(module: str, options: Mapping[str, Any], log_file: str) -> float:
    """Runs a verb, whose output goes to the end of a file.

    Returns:
        Seconds that it took.

    Raises:
        Failed: it did.
    """
    shown = command(module, options)
    began = time.monotonic()
    with tf.io.gfile.GFile(log_file, "a") as log:
        log.write(f"\n$ {' '.join(shown)}\n")
        with _started([sys.executable, *shown[1:]]) as process:
            last = ""
            for line in process.stdout or ():
                log.write(line)
                log.flush()
                last = line.strip() or last
    if process.returncode:
        # What it printed last says why, most often.
        raise Failed(f"{module} ended with {process.returncode}: {last}")
    return time.monotonic() - began


@contextlib.contextmanager
def _started(arguments: list[str]) -> Iterator[subprocess.Popen]:
    """A program that is told to stop, and waited for, if this one is."""
    process = subprocess.Popen(
        arguments,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    try:
        yield process
    finally:
        if process.poll() is None and sys.exc_info()[0] is not None:
            # It saves its work on that.
            process.send_signal(signal.SIGTERM)
        process.wait()
