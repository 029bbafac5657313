"""Runs programs as processes on a disk that can be made to fail."""

import contextlib
import dataclasses
import json
import os
import pathlib
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any, Literal, Self

# Action of `failing_disk.c` at the operation; "none" only counts.
Action = Literal["none", "enospc", "eio", "full", "dead", "kill"]

# A program that runs longer is killed, which counts as a failure.
_LONGEST_SECONDS = 300.0
_SOURCE = pathlib.Path(__file__).with_name("failing_disk.c")


@dataclasses.dataclass(frozen=True)
class Disk:
    """The disk of a program.

    Attributes:
        folder: folder below which operations are counted and fail.
        action: action at the operation.
        at: number of the operation, from 1.
    """

    folder: pathlib.Path
    action: Action = "none"
    at: int = 0


@dataclasses.dataclass(frozen=True)
class Ended:
    """The end of a program.

    Attributes:
        code: exit code, or -N for the signal N.
        operations: disk operations, such as "rename out/vocab.txt", with the prefix
            "! " if they failed.
        orphans: whether child processes were still alive after a minute.
    """

    code: int
    seconds: float
    stdout: str
    stderr: str
    operations: Sequence[str]
    orphans: bool

    @property
    def failed_operation(self) -> str:
        """First operation that failed, or "" for none."""
        return next((o[2:] for o in self.operations if o.startswith("! ")), "")


@dataclasses.dataclass(frozen=True)
class Signal:
    """A signal that is sent some seconds after the start.

    Attributes:
        to_group: whether it is sent to all processes of the program, like Ctrl-C in a
            terminal.
    """

    number: signal.Signals
    seconds: float
    to_group: bool


def compiled_library(folder: pathlib.Path) -> pathlib.Path:
    """Compiles `failing_disk.c`.

    Raises:
        ValueError: there is no C compiler, or this is not Linux.
    """
    library = folder / "failing_disk.so"
    if not sys.platform.startswith("linux"):
        raise ValueError("The failing disk needs LD_PRELOAD. Expected Linux.")
    command = ["cc", "-O2", "-shared", "-fPIC", "-o", str(library), str(_SOURCE)]
    try:
        subprocess.run([*command, "-ldl"], check=True, capture_output=True)
    except FileNotFoundError:
        raise ValueError("There is no C compiler. Expected cc: install gcc.") from None
    return library


class Programs:
    """Runs programs with the server of `start`."""

    def __init__(self, server: subprocess.Popen[str], logs: pathlib.Path) -> None:
        self._server = server
        self._log = logs / "program"

    @classmethod
    @contextlib.contextmanager
    def started(cls, folder: pathlib.Path) -> Iterator[Self]:
        """Starts the server, with its library and logs in the folder."""
        environment = {
            **os.environ,
            "LD_PRELOAD": str(compiled_library(folder)),
            "TF_CPP_MIN_LOG_LEVEL": "3",
            "CUDA_VISIBLE_DEVICES": "-1",
        }
        command = [sys.executable, "-m", "benchmarks.faults.start"]
        with subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            text=True,
        ) as server:
            programs = cls(server, folder)
            programs._answer(_LONGEST_SECONDS)
            yield programs

    def run(
        self,
        module: str,
        flags: Sequence[str],
        disk: Disk,
        stop: Signal | None = None,
    ) -> Ended:
        """Runs a program until it ends, perhaps because of a signal or the disk."""
        state = self._log.with_suffix(".state")
        operations = state.with_suffix(".state.log")
        for file in (state, operations):
            file.unlink(missing_ok=True)
        environment = {
            "FAILING_DISK_FOLDER": str(disk.folder),
            "FAILING_DISK_STATE": str(state),
            "FAILING_DISK_AT": str(disk.at),
            "FAILING_DISK_ACTION": disk.action,
        }
        began = time.monotonic()
        line = json.dumps([module, flags, str(self._log), environment])
        print(line, file=self._server.stdin, flush=True)
        process = self._answer(_LONGEST_SECONDS)
        status = None
        if stop is not None:
            status = self._answer(began + stop.seconds - time.monotonic())
            if status is None:
                kill = os.killpg if stop.to_group else os.kill
                # The program may have ended by now.
                with contextlib.suppress(ProcessLookupError):
                    kill(process, stop.number)
        if status is None:
            status = self._answer(_LONGEST_SECONDS)
        if status is None:
            os.killpg(process, signal.SIGKILL)
            status = self._answer(_LONGEST_SECONDS)
        seconds = time.monotonic() - began
        return Ended(
            os.waitstatus_to_exitcode(status),
            seconds,
            self._log.with_suffix(".stdout").read_text(errors="replace"),
            self._log.with_suffix(".stderr").read_text(errors="replace"),
            operations.read_text().splitlines() if operations.exists() else [],
            _outlived(process),
        )

    def _answer(self, seconds: float) -> Any:
        """Returns the next answer of the server; None if it does not come in time."""
        output = self._server.stdout
        if output is None or not select.select([output], [], [], max(0.0, seconds))[0]:
            return None
        line = output.readline()
        if not line:
            raise ValueError("The server of programs exited; its errors are above.")
        return json.loads(line)


def _outlived(session: int) -> bool:
    """Returns True if processes of a session are alive after a minute; kills them.

    A process that is importing TensorFlow checks for its parent only afterwards.
    """
    deadline = time.monotonic() + 60
    while members := _members(session):
        if time.monotonic() > deadline:
            for process in members:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
            return True
        time.sleep(0.05)
    return False


def _members(session: int) -> list[int]:
    found = []
    for path in pathlib.Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            # The fields after the name in brackets: state, parent, group, session.
            fields = path.read_text().rpartition(")")[2].split()
            if int(fields[3]) == session and fields[0] != "Z":
                found.append(int(path.parent.name))
    return found
