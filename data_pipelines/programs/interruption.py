"""Ends programs on Ctrl-C, SIGTERM and SIGHUP: with one line and no unfinished files.

A program receives SIGHUP when its terminal or its connection is closed.
"""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterable, Iterator
from typing import Any

from data_pipelines.programs import stderr_filter

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextlib.contextmanager
def handled(kept: str) -> Iterator[None]:
    """Ends the program when a signal arrives in the block; ignored ones stay ignored.

    Unfinished files are removed. The exit code is 128 + the number of the signal.

    Args:
        kept: a sentence that tells the user what the program has kept.
    """

    def end(number: int, _: Any) -> None:
        # An exception would be lost, or shown with a traceback, if the signal arrived
        # while a library calls Python or collects garbage.
        with contextlib.suppress(Exception):
            import multiprocessing  # Imported here, once signals are handled.

            for process in multiprocessing.active_children():
                process.kill()
            # Looked up by name, so that small programs need not import TensorFlow.
            if atomic := sys.modules.get("data_pipelines.files.atomic"):
                atomic.remove_unfinished()
            sys.stdout.flush()
        say(f"error: {how_it_ended(number)}. {kept}\n")
        os._exit(128 + number)

    previous = heeded(SIGNALS)
    for number in previous:
        signal.signal(number, end)
    try:
        yield
    finally:
        for number, before in previous.items():
            signal.signal(number, before)


@contextlib.contextmanager
def held_back() -> Iterator[None]:
    """Delays the handling of signals until the end of the block.

    This concerns the main thread, the only one that handles signals; in other threads
    nothing changes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    waiting: list[int] = []
    previous = heeded(SIGNALS)
    for number in previous:
        signal.signal(number, lambda number, _: waiting.append(number))
    try:
        yield
    finally:
        for number, before in previous.items():
            signal.signal(number, before)
        for number in waiting:
            signal.raise_signal(number)


def heeded(numbers: Iterable[int]) -> dict[int, Any]:
    """Returns the handlers of the signals that are not ignored (nohup ignores some)."""
    found = {number: signal.getsignal(number) for number in numbers}
    # None: the handler was not installed by Python.
    return {n: h for n, h in found.items() if h not in (signal.SIG_IGN, None)}


def say(line: str) -> None:
    """Writes to stderr from a signal handler; the terminal may be closed."""
    with contextlib.suppress(OSError):
        os.write(stderr_filter.descriptor, line.encode())


def how_it_ended(number: int) -> str:
    """Returns the beginning of a sentence about a program that a signal has ended."""
    is_interrupt = number == signal.SIGINT
    return (
        "Interrupted" if is_interrupt else f"Stopped by {signal.Signals(number).name}"
    )
