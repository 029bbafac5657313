"""Trials: disturb a program, run it again until it succeeds, and compare its output."""

import collections
import dataclasses
import itertools
import pathlib
import random
import re
import shutil
import signal
from collections.abc import Sequence

from benchmarks.faults.processes import Action, Disk, Ended, Programs, Signal
from benchmarks.faults.verbs import Tree, Verb, read_tree, stays, write_inputs

# A file of another program, beside the output.
_OTHERS = "another.txt"


@dataclasses.dataclass(frozen=True)
class Reference:
    """An undisturbed run: its output, seconds and disk operations."""

    tree: Tree
    seconds: float
    operations: Sequence[str]


@dataclasses.dataclass
class Trial:
    """The result of a trial.

    Attributes:
        verb, fault: program, and fault injected into it.
        num_faults: number of kills or disk failures.
        where: the disk operation that failed, or the moments of the kills.
        equal: whether the final output equals that of the undisturbed run.
        told: whether the program reported in one line that it failed, or that its
            output already exists; None if it could not.
        problems: violations of the requirements.
        litter: files that an undisturbed run does not leave.
    """

    verb: str
    fault: str
    num_faults: int = 0
    where: str = ""
    equal: bool = False
    told: bool | None = None
    problems: list[str] = dataclasses.field(default_factory=list)
    litter: list[str] = dataclasses.field(default_factory=list)


class Trials:
    """Runs trials in a folder, with `inputs` and the failing `disk`."""

    def __init__(self, programs: Programs, folder: pathlib.Path) -> None:
        self._programs = programs
        self._inputs = folder / "inputs"
        self._disk = folder / "disk"
        write_inputs(self._inputs)

    def reference(self, verb: Verb) -> Reference:
        """Runs a program undisturbed, and keeps its output as an input of others.

        Raises:
            ValueError: the program failed.
        """
        if verb.before is not None:
            # Prepares the output of an earlier run of the same program.
            self._clean(dataclasses.replace(verb, before=None))
            self._require_success(verb, self._run(verb))
            self._keep(verb.before)
        self._clean(verb)
        ended = self._run(verb)
        self._require_success(verb, ended)
        self._keep(verb.name)
        return Reference(read_tree(self._disk), ended.seconds, ended.operations)

    def killed(
        self,
        verb: Verb,
        reference: Reference,
        name: str,
        signals: Sequence[Signal],
    ) -> Trial:
        """Sends a signal to each of several runs, then lets the program finish."""
        trial = Trial(verb.name, name)
        self._clean(verb)
        before: Tree = {}
        for stop in signals:
            ended = self._run(verb, stop=stop)
            if ended.code == 0:  # It finished before the signal.
                self._compare(trial, reference)
                return trial
            if _refused(ended):
                break
            trial.num_faults += 1
            trial.where += f"{stop.seconds:.2f} s: {ended.code}; "
            self._check_stopped(trial, ended, stop.number)
            before = self._check_files(trial, verb, reference, before)
        self._finish(trial, verb, reference, before)
        return trial

    def failing_disk(
        self, verb: Verb, reference: Reference, action: Action, at: int
    ) -> Trial:
        """Makes the disk fail at one operation, then runs the program undisturbed."""
        trial = Trial(verb.name, action)
        self._clean(verb)
        ended = self._run(verb, Disk(self._disk, action, at))
        trial.where = f"{at}: {ended.failed_operation}"
        trial.num_faults = int(bool(ended.failed_operation))
        if ended.orphans:
            trial.problems.append("processes outlived the program")
        if action == "kill":
            if trial.num_faults and ended.code != -signal.SIGKILL:
                trial.problems.append(f"killed, but ended with {ended.code}")
        elif ended.code:
            problem = _untold(ended)
            trial.told = problem is None
            if problem is not None:
                trial.problems.append(problem)
        before = self._check_files(trial, verb, reference, {})
        if ended.code == 0:
            # A harmless fault, such as one when removing a file.
            self._compare(trial, reference)
            return trial
        self._finish(trial, verb, reference, before)
        return trial

    def _run(
        self, verb: Verb, disk: Disk | None = None, stop: Signal | None = None
    ) -> Ended:
        flags = verb.arguments(self._inputs, self._disk / "out")
        return self._programs.run(verb.module, flags, disk or Disk(self._disk), stop)

    def _clean(self, verb: Verb) -> None:
        shutil.rmtree(self._disk, ignore_errors=True)
        self._disk.mkdir()
        (self._disk / _OTHERS).write_text("Leave me alone.\n")
        if verb.before is not None:
            shutil.copytree(self._inputs / verb.before, self._disk / "out")
        elif not verb.makes_out:
            (self._disk / "out").mkdir()

    def _keep(self, name: str) -> None:
        shutil.copytree(self._disk / "out", self._inputs / name)

    @staticmethod
    def _require_success(verb: Verb, ended: Ended) -> None:
        if ended.code or ended.orphans:
            raise ValueError(
                f"{verb.name}, undisturbed, ended with {ended.code}: {ended.stderr}"
            )

    def _check_stopped(self, trial: Trial, ended: Ended, number: int) -> None:
        """Checks how a program ended after a signal."""
        if ended.orphans:
            trial.problems.append("processes outlived the program")
        if number == signal.SIGKILL:
            return
        if ended.code not in (-number, 128 + number):
            trial.problems.append(f"ended with {ended.code} for the signal {number}")
        lines = _errors(ended.stderr)
        trial.told = ended.code > 0
        if "Traceback" in ended.stderr or len(lines) > 1:
            trial.problems.append(f"the signal {number} printed {ended.stderr[-600:]}")

    def _check_files(
        self, trial: Trial, verb: Verb, reference: Reference, before: Tree
    ) -> Tree:
        """Checks that files with final names are complete, and none has vanished."""
        found = read_tree(self._disk)
        expected = {_OTHERS, *(name for name in before if name in reference.tree)}
        for name in sorted(expected - set(found)):
            if name == _OTHERS or stays(name):
                trial.problems.append(f"{name} has vanished")
        for name, content in found.items():
            is_last = name in reference.tree and stays(name)
            if is_last and content != reference.tree[name]:
                trial.problems.append(f"{name} is not whole")
        return found

    def _finish(
        self, trial: Trial, verb: Verb, reference: Reference, before: Tree
    ) -> None:
        """Runs the program undisturbed, and compares its output.

        Files that it refuses to overwrite are removed, as its message says, except the
        output named by a flag: that one exists only if the output is complete.
        """
        ended = self._run(verb)
        while found := _refused(ended):
            trial.told = trial.told is not False
            path = pathlib.Path(found)
            if path == self._disk / verb.named or not path.is_file():
                break
            path.unlink()
            ended = self._run(verb)
        if ended.code and not found:
            trial.problems.append(
                f"run again it ended with {ended.code}: {ended.stderr[-600:]}"
            )
        self._check_resumed(trial, verb, before, ended)
        self._compare(trial, reference)

    def _compare(self, trial: Trial, reference: Reference) -> None:
        found = read_tree(self._disk)
        different = [
            name
            for name, content in reference.tree.items()
            if found.get(name) != content
        ]
        trial.equal = not different
        if different:
            trial.problems.append(f"not equal in the end: {', '.join(different)[:300]}")
        trial.litter = sorted(set(found) - set(reference.tree))

    @staticmethod
    def _check_resumed(trial: Trial, verb: Verb, before: Tree, ended: Ended) -> None:
        """Checks that training resumed from one of its last two checkpoints."""
        log = before.get("out/metrics.jsonl", b"")
        steps = [int(step) for step in re.findall(rb'"step": (\d+)', log)]
        if verb.checkpoint_every is None or not steps or ended.code:
            return
        if "out/model.safetensors" in before:
            return
        found = re.search(r"Resuming from the checkpoint of step (\d+)", ended.stderr)
        step = int(found[1]) if found else 0
        least = (steps[-1] // verb.checkpoint_every - 1) * verb.checkpoint_every
        if step < least:
            trial.problems.append(f"step {steps[-1]} was done, resumed from {step}")


def _errors(stderr: str) -> list[str]:
    return [line for line in stderr.splitlines() if line.startswith("error: ")]


def _refused(ended: Ended) -> str | None:
    """Returns the path that a program refused to overwrite, if any."""
    found = re.search(r"^error: (.*) exists already", ended.stderr, re.MULTILINE)
    return found[1] if found and ended.code == 1 else None


def _untold(ended: Ended) -> str | None:
    """Returns what is wrong with the message of a failed program, if anything."""
    lines = _errors(ended.stderr)
    if ended.code < 0:
        return f"ended by the signal {-ended.code}: {ended.stderr[-600:]}"
    if "Traceback" in ended.stderr:
        return f"a traceback: {ended.stderr[-900:]}"
    if len(lines) != 1:
        return f"not one line, but: {ended.stderr[-600:]}"
    if not re.search("No space left|Input/output error|annot write", lines[0]):
        return f"no word of the disk: {lines[0]}"
    return None


def sample(operations: Sequence[str], most: int, draw: random.Random) -> list[int]:
    """Samples numbers of operations: all if there are few, else some of each kind.

    Operations of one kind differ only in digits, such as `write step-10` and `step-20`.
    """
    kinds: dict[str, list[int]] = collections.defaultdict(list)
    for number in draw.sample(range(len(operations)), len(operations)):
        kinds[re.sub(r"\.[0-9a-f]{8}\b|\d+", "N", operations[number])].append(
            number + 1
        )
    chosen: list[int] = []
    for rank in itertools.count():
        of_rank = [numbers[rank] for numbers in kinds.values() if rank < len(numbers)]
        chosen += of_rank
        if not of_rank or len(chosen) >= most:
            return sorted(chosen[:most])
