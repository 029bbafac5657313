"""Verbs in processes of their own: a crash of one does not end the comparison."""

import dataclasses
import signal
import subprocess
import sys
import time
from typing import Any

import tensorflow as tf


class Failed(Exception):
    """A program ended with another code than 0; the message is its last line."""


def command(module: str, options: Any) -> list[str]:
    """The command of a verb: `["python", "-m", "bert_tf.pretrain", "--seed=1"]`.

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
    """Runs a verb, whose command and output are appended to a file.

    Returns:
        Seconds that it took.

    Raises:
        Failed: it did.
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
            # This program is stopped; on SIGTERM the verb saves its work.
            process.send_signal(signal.SIGTERM)
            raise
        finally:
            # A program that prints into a full pipe does not end.
            log.write(process.communicate()[0])
    if process.returncode:
        # Its last line usually says why.
        raise Failed(f"{module} ended with {process.returncode}: {last}")
    return time.monotonic() - began
