"""The time that a command may take, and which stage has taken how much of it."""

import contextlib
import math
import os
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

Clock = Callable[[], float]

_SECONDS = {"s": 1, "m": 60, "h": 3600}


class TooShort(ValueError):
    """The budget is used up before anything could be trained."""


def seconds_of(text: str) -> float:
    """Parses a duration: `90s`, `4m` or `1.5h`.

    Raises:
        ValueError: it is no duration, or 0.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smh])", text, re.ASCII)
    if not found or float(found[1]) == 0:
        raise ValueError(
            f"Received budget={text!r}. Expected a number above 0 with its unit, s, m "
            "or h, such as 90s, 4m or 1.5h."
        )
    return float(found[1]) * _SECONDS[found[2]]


def stopwatch() -> Clock:
    """Returns a function that returns the seconds since this call."""
    began = time.monotonic()
    return lambda: time.monotonic() - began


def process_clock() -> Clock:
    """Returns a function that returns the seconds since this process was started.

    Python's start and all imports are in it. Where the system does not know the start
    of a process (there is no /proc), the clock starts now.
    """
    age, since = 0.0, stopwatch()
    with contextlib.suppress(OSError, LookupError, ValueError, AttributeError):
        with open("/proc/self/stat") as file:
            ticks = int(file.read().rpartition(")")[2].split()[19])
        started = ticks / os.sysconf("SC_CLK_TCK")
        age = max(0.0, time.clock_gettime(time.CLOCK_BOOTTIME) - started)
    return lambda: age + since()


class Budget:
    """A number of seconds, and a clock.

    Args:
        seconds: the whole time.
        clock: returns the seconds since the command was started.
    """

    def __init__(self, seconds: float, clock: Clock) -> None:
        self.seconds = seconds
        self._clock = clock
        # Seconds that earlier processes of a resumed run have used.
        self.used_before = 0.0
        self._stages = {"start": clock()}

    @property
    def used(self) -> float:
        """Seconds that are used up."""
        return self.used_before + self._clock()

    @property
    def left(self) -> float:
        """Seconds that are left; less than 0 if there were too few."""
        return self.seconds - self.used

    @contextlib.contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Measures a stage of the preparation, and ends it when the time is up.

        Raises:
            TooShort: nothing of the budget is left in the stage, or at its end.
        """
        began = self.used
        try:
            with _ended_after(self.left):
                yield
        except _TimeIsUp:
            self.note(name, self.used - began)
            raise self.too_short(self.seconds) from None
        self.note(name, self.used - began)
        if self.left <= 0:
            raise self.too_short(self.seconds)

    def note(self, stage: str, seconds: float) -> None:
        """Notes the time that a stage has taken."""
        self._stages[stage] = seconds

    def too_short(self, needed: float) -> TooShort:
        """Makes the error of a budget in which no training fits.

        Args:
            needed: seconds that the preparation and the end of the run need at least.
        """
        stages = ", ".join(f"{name} {took:.0f} s" for name, took in self._spent())
        return TooShort(
            f"Received a budget of {self.seconds:g} s, which leaves no time to train: "
            f"{stages}. Expected more, such as --budget="
            f"{_suggested(2 * max(needed, self.seconds))}. The same command with a "
            "longer budget continues with what is complete."
        )

    def _spent(self) -> list[tuple[str, float]]:
        return [(name, took) for name, took in self._stages.items() if took >= 0.5]


def _suggested(seconds: float) -> str:
    """A duration that is easy to type, of at least this number of seconds."""
    if seconds <= 90:
        return f"{max(30, -int(-seconds // 30) * 30)}s"
    minutes = -int(-seconds // 60)
    return f"{minutes}m" if minutes < 120 else f"{-int(-minutes // 60)}h"


class _TimeIsUp(BaseException):
    """No Exception: a pool of processes ends them at once for others alone."""


@contextlib.contextmanager
def _ended_after(seconds: float) -> Iterator[None]:
    """Raises _TimeIsUp in the block after a number of seconds.

    In other threads than the main one, which alone handles signals, nothing happens.
    """
    is_main = threading.current_thread() is threading.main_thread()
    if seconds == math.inf or not is_main:
        yield
        return

    def end(*_: Any) -> None:
        raise _TimeIsUp

    before = signal.signal(signal.SIGALRM, end)
    # A timer of 0 seconds would be none.
    signal.setitimer(signal.ITIMER_REAL, max(seconds, 1e-3))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
