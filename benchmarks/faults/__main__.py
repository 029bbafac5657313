"""Fault injection: kills programs, and makes their disk fail, at random moments.

    python -m benchmarks.faults
    python -m benchmarks.faults --verbs=export,pretrain --num_disk_faults=200

Each trial runs a program on tiny data, disturbs it, repeats the command until it
succeeds, and compares the output with that of an undisturbed run, bit by bit. The exit
code is 1 if a trial found a problem.
"""

import collections
import dataclasses
import json
import os
import pathlib
import platform
import random
import signal
import tempfile
import time
from collections.abc import Iterator
from typing import get_args

from benchmarks.faults.processes import Action, Programs, Signal
from benchmarks.faults.trials import Reference, Trial, Trials, sample
from benchmarks.faults.verbs import VERBS, Verb
from benchmarks.machine import processor
from data_pipelines.programs import cli

_SIGNALS = ("SIGKILL", "SIGTERM", "SIGINT")
_ACTIONS = tuple(action for action in get_args(Action) if action != "none")
# Number of runs of a trial that are stopped by a signal.
_KILLS = 3


@dataclasses.dataclass(frozen=True)
class FaultsOptions:
    """Options of the benchmark."""

    verbs: tuple[str, ...] = cli.option(
        (), "Names of programs, or their prefixes. Default: all."
    )
    faults: tuple[str, ...] = cli.option(
        (), f"Faults of {', '.join((*_SIGNALS, *_ACTIONS))}. Default: all."
    )
    num_kills: int = cli.option(2, "Trials per signal, each with several kills.")
    num_disk_faults: int = cli.option(
        40, "Maximum number of disk operations of a program to make fail, one a trial."
    )
    seed: int = cli.option(0, "Random seed of the moments and operations.")
    json_file: str | None = cli.option(
        None, "File to which a line of JSON is appended per trial."
    )


def main(options: FaultsOptions) -> int:
    """Prints a row for each program and fault; returns 1 if a trial failed."""
    faults = options.faults or (*_SIGNALS, *_ACTIONS)
    unknown = set(faults) - {*_SIGNALS, *_ACTIONS}
    chosen = [v for v in VERBS if not options.verbs or v.name.startswith(options.verbs)]
    if unknown or not chosen:
        raise ValueError(
            f"Received faults={options.faults}, verbs={options.verbs}. Expected faults "
            f"of {', '.join((*_SIGNALS, *_ACTIONS))}, and prefixes of "
            f"{'; '.join(verb.name for verb in VERBS)}."
        )
    print(
        f"{processor()}, {os.cpu_count()} cores; Python {platform.python_version()}, "
        f"{platform.system()} {platform.release()}; seed {options.seed}",
        flush=True,
    )
    began, done = time.monotonic(), []
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        with Programs.started(folder) as programs:
            trials = Trials(programs, folder)
            for verb in VERBS:
                if not any(verb == other or verb.feeds(other) for other in chosen):
                    continue
                reference = trials.reference(verb)
                if verb not in chosen:
                    continue
                print(
                    f"{verb.name}: {reference.seconds:.1f} s, "
                    f"{len(reference.operations)} disk operations",
                    flush=True,
                )
                for trial in _trials(trials, verb, reference, faults, options):
                    done.append(trial)
                    _report(trial, options.json_file)
    _print_table(done)
    failed = sum(bool(trial.problems) for trial in done)
    print(f"\n{failed} failures; {time.monotonic() - began:,.0f} s")
    return int(bool(failed))


def _trials(
    trials: Trials,
    verb: Verb,
    reference: Reference,
    faults: tuple[str, ...],
    options: FaultsOptions,
) -> Iterator[Trial]:
    draw = random.Random(f"{options.seed} {verb.name}")
    for name in faults:
        for number in range(options.num_kills if name in _SIGNALS else 0):
            to_group = bool(number % 2)
            signals = [
                Signal(
                    signal.Signals[name],
                    draw.uniform(0, reference.seconds),
                    to_group,
                )
                for _ in range(_KILLS)
            ]
            receiver = "group" if to_group else "process"
            yield trials.killed(verb, reference, f"{name} to the {receiver}", signals)
    actions = [action for action in _ACTIONS if action in faults]
    if actions:
        numbers = sample(reference.operations, options.num_disk_faults, draw)
        shift = draw.randrange(len(actions))
        for place, at in enumerate(numbers):
            action = actions[(place + shift) % len(actions)]
            yield trials.failing_disk(verb, reference, action, at)


def _report(trial: Trial, json_file: str | None) -> None:
    for problem in trial.problems:
        print(f"  {trial.verb}, {trial.fault} ({trial.where}): {problem}", flush=True)
    if json_file is not None:
        with open(json_file, "a", encoding="utf-8") as file:
            file.write(json.dumps(dataclasses.asdict(trial)) + "\n")


def _print_table(done: list[Trial]) -> None:
    rows = collections.defaultdict(list)
    for trial in done:
        rows[trial.verb, trial.fault].append(trial)
    print(
        "\n| program | fault | trials | faults | equal output | reported | litter | "
        "failures |\n|---|---|---|---|---|---|---|---|"
    )
    for (verb, fault), group in rows.items():
        counts = (
            len(group),
            sum(trial.num_faults for trial in group),
            sum(trial.equal for trial in group),
            sum(bool(trial.told) for trial in group),
            sum(bool(trial.litter) for trial in group),
            sum(bool(trial.problems) for trial in group),
        )
        print(f"| {verb} | {fault} | {' | '.join(map(str, counts))} |")


if __name__ == "__main__":
    cli.run(FaultsOptions, main, __doc__)
