"""Runs the steps of a benchmark once each, whatever stops it."""

import datetime
import sys
import time
from collections.abc import Callable, Iterable
from typing import Any

import keras

from benchmarks.machine import description
from benchmarks.quality.results import Point, Result, append_result, read_results

# A point, the name of one of its steps, and a function that runs it and returns its
# figures.
Step = tuple[Point, str, Callable[[], dict[str, Any]]]


def run_missing(steps: Iterable[Step], results_file: str) -> list[Result]:
    """Runs the steps that a file of results lacks, and adds their results to it.

    After a step that fails, the other steps of its point are left out.

    Returns:
        All results of the file.

    Raises:
        ValueError: steps failed; those of other points were run.
    """
    done = {(r.point, r.step) for r in read_results(results_file)}
    failed = []
    for point, step, run in steps:
        if (point, step) in done or point.name in failed:
            continue
        print(f"{_now()}  {point.name}: {step}", flush=True)
        machine, began = description(), time.monotonic()
        try:
            values = run()
        except (ValueError, OSError) as error:
            print(f"{point.name}: {step} failed. {error}", file=sys.stderr)
            failed.append(point.name)
            continue
        seconds = round(time.monotonic() - began, 1)
        append_result(
            results_file, Result(point, step, seconds, values, machine, _now())
        )
        print(f"  {seconds:.0f} s  {_shown(values)}", flush=True)
        keras.backend.clear_session()
    if failed:
        raise ValueError(
            f"{', '.join(failed)} failed; see the messages above. The same command "
            "tries again, and keeps what is done."
        )
    return read_results(results_file)


def _shown(values: dict[str, Any]) -> str:
    numbers = {n: v for n, v in values.items() if isinstance(v, float) and "/" not in n}
    return "  ".join(f"{name} {value:.4g}" for name, value in numbers.items())


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
