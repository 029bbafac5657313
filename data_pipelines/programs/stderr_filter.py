"""Drops the lines with which TensorFlow starts from the stderr of a program.

They come from C++ on descriptor 2: some before the logging that obeys
TF_CPP_MIN_LOG_LEVEL is set up, and one, about the missing driver of a GPU, as an error.
A process of its own reads what is written there, and writes on all but those lines.
A thread could not do that: when C++ aborts, its last message is in the pipe, and no
thread runs any more. Python's own stderr is the terminal or file itself, as before.
"""

import atexit
import contextlib
import os
import re
import select
import signal
import sys

# The descriptor of the terminal or file that was the program's stderr at its start.
descriptor = 2


def _logged(level: bytes, file: bytes = rb"\S+", message: bytes = b"") -> bytes:
    """A pattern for the beginning of a line that absl's C++ logging writes."""
    return level + rb"\d{4} \S+ +\d+ " + file + rb":\d+\] " + message


_HIDDEN = re.compile(
    b"|".join(
        [
            rb"WARNING: All log messages before absl::InitializeLog\(\) is called",
            # Notes, of which level 2 hides only those that come late enough, and the
            # second line of one.
            _logged(b"I"),
            rb"To enable the following instructions: .* rebuild TensorFlow",
            # Without the driver of a GPU (303), and with one but without a GPU (100).
            # Other numbers are of a driver that does not work: they are shown.
            _logged(b"E", b"cuda_platform.cc", rb"failed call to cuInit: .*\(303\)"),
            _logged(b"E", b"cuda_platform.cc", rb"failed call to cuInit: .*NO_DEVICE"),
        ]
    )
)
# The end of a line may be late. Only such beginnings wait for it, and not for long.
_MAY_BE_HIDDEN = re.compile(rb"[IWET][^\r]*")
_WAIT_SECONDS = 0.1

# What a program writes to be told when all before it has been written on.
_MARK = b"\0drained\0"


def begin() -> None:
    """Puts the filter behind descriptor 2, in a program that has only just started.

    Nothing changes if TF_CPP_MIN_LOG_LEVEL asks for the notes (0 or 1), and in a
    container whose only process this is: it ends with it, and so would the filter,
    before it has written the last lines.
    """
    global descriptor
    shows_all = os.environ.get("TF_CPP_MIN_LOG_LEVEL") in ("0", "1")
    if shows_all or sys.stderr is None or descriptor != 2 or os.getpid() == 1:
        return
    with contextlib.suppress(OSError):  # Of too many processes or files.
        source, sink = os.pipe()
        drained, tell = os.pipe()
        _fork_twice(source, tell)
        os.close(source)
        os.close(tell)
        descriptor = os.dup(2)
        os.dup2(sink, 2)
        sys.stderr = sys.__stderr__ = open(  # type: ignore[misc]  # noqa: SIM115
            descriptor,
            "w",
            buffering=1,
            encoding=sys.stderr.encoding,
            errors=sys.stderr.errors,
            closefd=False,
        )
        atexit.register(_drain, sink, drained)


def _fork_twice(source: int, tell: int) -> None:
    """Starts the filter as nobody's child: whoever looks for ours finds only ours."""
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        return
    try:
        if os.fork() == 0:
            _be_filter(source, tell)
    finally:
        os._exit(0)


def _be_filter(source: int, tell: int) -> None:
    # The program decides what a signal means, and the filter ends after it.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, signal.SIG_IGN)
    # Whoever reads the program's output waits until nobody holds it any more.
    os.dup2(source, 0)
    os.dup2(tell, 1)
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    with contextlib.suppress(OSError):  # Nobody reads it any more.
        copy(0, 2, tell=1)


def copy(source: int, sink: int, tell: int) -> None:
    """Writes what it reads, without the hidden lines, until the end.

    Args:
        source: descriptor that is read.
        sink: descriptor that is written to.
        tell: descriptor that gets a byte for each mark that is read.
    """
    held = b""  # The beginning of a line that may have to be hidden.
    is_shown = False  # The beginning of the line has been written.
    data = b"."
    while data:
        if held and not select.select([source], [], [], _WAIT_SECONDS)[0]:
            _write(sink, held)
            held, is_shown = b"", True
        data = os.read(source, 1 << 16)
        *lines, last = (held + data).split(b"\n")
        for line in lines:
            if line.endswith(_MARK):
                _write(sink, line.removesuffix(_MARK))
                os.write(tell, b".")
            elif is_shown or not _HIDDEN.match(line):
                _write(sink, line + b"\n")
            is_shown = False
        held = b""
        if data and not is_shown and _MAY_BE_HIDDEN.fullmatch(last):
            held = last
        elif last:
            _write(sink, last)
            is_shown = True


def _write(sink: int, data: bytes) -> None:
    while data:
        data = data[os.write(sink, data) :]


def _drain(sink: int, drained: int) -> None:
    """Waits at the end of the program until its last lines are written."""
    with contextlib.suppress(OSError):
        os.write(sink, _MARK + b"\n")
        select.select([drained], [], [], 1)
