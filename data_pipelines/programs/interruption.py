"""Ctrl-C, SIGTERM and SIGHUP in a program: one line, and nothing half-written is left.

SIGHUP is what a program gets when its terminal, or its connection, is closed.
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
    """Ends the program in the block after a signal; ignored ones stay so.

    What is half-written is removed, and the exit code is 128 + the number of the
    signal.

    Args:
        kept: a sentence for the user: what of the work is kept.
    """

    def end(number: int, _: Any) -> None:
        # No exception: it would be lost, or shown with a traceback, if it came while
        # a library calls Python or collects garbage.
        with contextlib.suppress(Exception):
            import multiprocessing  # Not before signals are handled.

            for process in multiprocessing.active_children():
                process.kill()
            # Asked for by name, so that the light verbs need not import TensorFlow.
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
    """Handles signals after the block: one that comes while it runs waits for its end.

    For the main thread, which alone handles signals; in others nothing changes.
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
    """The handlers of signals that are not ignored, as they are under nohup."""
    found = {number: signal.getsignal(number) for number in numbers}
    # None: what handles it is not Python's.
    return {n: h for n, h in found.items() if h not in (signal.SIG_IGN, None)}


def say(line: str) -> None:
    """Writes to stderr from a handler of signals; its terminal may be gone."""
    with contextlib.suppress(OSError):
        os.write(stderr_filter.descriptor, line.encode())


def how_it_ended(number: int) -> str:
    """The beginning of a sentence about a program that a signal has ended."""
    is_interrupt = number == signal.SIGINT
    return (
        "Interrupted" if is_interrupt else f"Stopped by {signal.Signals(number).name}"
    )
