"""Runs programs in processes of their own: a crash does not end the comparison."""

import dataclasses
import signal
import subprocess
import sys
import time
from typing import Any

import tensorflow as tf


class Failed(Exception):
    """A program ended with an exit code other than 0; the message is its last line."""


def command(module: str, options: Any) -> list[str]:
    """Returns a command such as `["python", "-m", "bert_tf.pretrain", "--seed=1"]`.

    Options at their defaults are left out.
    """
    flags = []
    for field in dataclasses.fields(options):
        value = getattr(options, field.name)
        if value != field.default:
            shown = ",".join(value) if isinstance(value, tuple) else value
            flags.append(f"--{field.name}={shown}")
    return ["python", "-m", module, *flags]


def run(module: str, options: Any, log_file: str) -> float:
    """Runs a program, and appends its command and output to a file.

    Returns:
        The seconds that it took.

    Raises:
        Failed: the program failed.
    """
    shown = command(module, options)
    began = time.monotonic()
    with tf.io.gfile.GFile(log_file, "a") as log:
        log.write(f"\n$ {' '.join(shown)}\n")
        process = subprocess.Popen(
            [sys.executable, *shown[1:]],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        last = ""
        try:
            for line in process.stdout or ():
                log.write(line)
                log.flush()
                last = line.strip() or last
        except BaseException:
            # The comparison is being stopped; on SIGTERM the program saves its work.
            process.send_signal(signal.SIGTERM)
            raise
        finally:
            # The program cannot end while it prints into a full pipe.
            log.write(process.communicate()[0])
    if process.returncode:
        # Its last line usually says why.
        raise Failed(f"{module} ended with {process.returncode}: {last}")
    return time.monotonic() - began
