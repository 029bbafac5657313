"""The results of the benchmark: one JSON line for each finished step of a point."""

import dataclasses
import json
import os
import sys
from typing import Any

_VERSION = 1


@dataclasses.dataclass(frozen=True)
class Point:
    """A model of the benchmark.

    Attributes:
        side: the name of what trains it.
        minutes: the time of the training command.
        seed: the random seed.
    """

    side: str
    minutes: float
    seed: int

    @property
    def name(self) -> str:
        """The name of its folder."""
        return f"{self.side}_{self.minutes:g}_minutes_seed_{self.seed}"


@dataclasses.dataclass(frozen=True)
class Result:
    """A finished step of a point.

    Attributes:
        point: the model.
        step: the name of the step: "pretrain", or an evaluation.
        seconds: the time that the step took.
        values: its figures by name.
        machine: what it ran on, see `benchmarks.machine.description`.
        finished: the time at its end, in ISO 8601.
    """

    point: Point
    step: str
    seconds: float
    values: dict[str, Any]
    machine: dict[str, Any]
    finished: str


def read_results(path: str) -> list[Result]:
    """Reads the results of a file; none if it is missing.

    Half a line at its end, which a killed program leaves, is reported and left out.

    Raises:
        ValueError: a line is not one of this version.
    """
    if not os.path.exists(path):
        return []
    with open(path, encoding="utf-8") as file:
        *lines, rest = file.read().split("\n")
    if rest:
        print(
            f"{path} ends with half a line, which is left out: {rest[:60]!r}. The step "
            "runs again.",
            file=sys.stderr,
        )
    return [_result(line, f"{path}, line {n}") for n, line in enumerate(lines, 1)]


def _result(line: str, place: str) -> Result:
    try:
        values = json.loads(line)
        version = values.pop("version")
        if version != _VERSION:
            raise ValueError(
                f"{place}: received version {version}. Expected {_VERSION}: write to "
                "another results file."
            )
        return Result(**{**values, "point": Point(**values["point"])})
    except (json.JSONDecodeError, TypeError, KeyError, AttributeError) as error:
        raise ValueError(
            f"{place}: received {line[:60]!r} ({error!r}). Expected a result of this "
            "benchmark: delete the line, and its step runs again."
        ) from None


def append_result(path: str, result: Result) -> None:
    """Appends a line, which is on the disk when this returns.

    Half a line at the end of the file is removed before.
    """
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    line = json.dumps({"version": _VERSION, **dataclasses.asdict(result)}) + "\n"
    with open(path, "ab+") as file:
        file.seek(0)
        content = file.read()
        file.truncate(content.rfind(b"\n") + 1)
        file.write(line.encode())
        file.flush()
        os.fsync(file.fileno())
