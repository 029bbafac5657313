"""Ctrl-C and SIGTERM in a program: one line, and nothing half-written is left."""

import contextlib
import os
import signal
import sys
from collections.abc import Iterable, Iterator
from typing import Any


def die_while_importing(package: str) -> None:
    """Lets Ctrl-C end `python -m PACKAGE.verb` without a traceback while it imports.

    For the `__init__` of the package, which runs first. Nothing changes for those who
    import the package.
    """
    # What it holds while Python looks for the module of -m.
    is_program = sys.argv[:1] == ["-m"] and any(
        name.removeprefix("-m").startswith(f"{package}.") for name in sys.orig_argv
    )
    if is_program and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)


@contextlib.contextmanager
def handled(kept: str) -> Iterator[None]:
    """Ends the program in the block after Ctrl-C and SIGTERM; ignored ones stay so.

    Ctrl-C raises KeyboardInterrupt, and a second one kills the process. SIGTERM
    removes what is half-written and exits with 143.

    Args:
        kept: a sentence for the user: what of the work is kept.
    """

    def terminate(number: int, _: Any) -> None:
        # No exception: it would be lost if it came while a library collects garbage.
        with contextlib.suppress(Exception):
            import multiprocessing  # Not before Ctrl-C is handled.

            for process in multiprocessing.active_children():
                process.kill()
            # Asked for by name, so that the light verbs need not import TensorFlow.
            if atomic := sys.modules.get("data_pipelines.files.atomic"):
                atomic.remove_unfinished()
            if locks := sys.modules.get("data_pipelines.files.locks"):
                locks.remove_lock_files()
            sys.stdout.flush()
        os.write(2, f"error: Stopped by SIGTERM. {kept}\n".encode())
        os._exit(128 + number)

    handlers: dict[int, Any] = {signal.SIGINT: interrupt, signal.SIGTERM: terminate}
    previous = heeded(handlers)
    for number in previous:
        signal.signal(number, handlers[number])
    try:
        yield
    finally:
        for number, before in previous.items():
            signal.signal(number, before)


def heeded(numbers: Iterable[int]) -> dict[int, Any]:
    """The handlers of signals that are not ignored, as they are under nohup."""
    found = {number: signal.getsignal(number) for number in numbers}
    # None: what handles it is not Python's.
    return {n: h for n, h in found.items() if h not in (signal.SIG_IGN, None)}


def interrupt(number: int, _: Any) -> None:
    """Raises KeyboardInterrupt; from here on Ctrl-C kills the process."""
    signal.signal(number, signal.SIG_DFL)
    raise KeyboardInterrupt


def has_come() -> bool:
    """True in a block of `handled` after Ctrl-C, whatever has become of its error."""
    return signal.getsignal(signal.SIGINT) is signal.SIG_DFL
