"""Faults on purpose: the disk that fails, and trials of programs on it."""

import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys

import pytest

from benchmarks.faults.processes import compiled_library
from benchmarks.faults.trials import sample

ROOT = pathlib.Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(
    not (sys.platform.startswith("linux") and shutil.which("cc")),
    reason="the disk that fails is a library of C for Linux, compiled by cc",
)

# Operations of Python on the disk: mkdir, create, write, fsync, rename, unlink.
PROGRAM = """
import os, sys
os.chdir(sys.argv[1])
try:
    os.mkdir("folder")
    with open("folder/one", "wb", buffering=0) as file:
        file.write(b"12345678")
        os.fsync(file.fileno())
    os.rename("folder/one", "two")
    os.unlink("two")
except OSError as error:
    print(error.strerror)
"""
OPERATIONS = [
    "mkdir folder",
    "create folder/one",
    "write folder/one",
    "fsync folder/one",
    "rename two",
    "unlink two",
]


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    return compiled_library(tmp_path_factory.mktemp("library"))


def run(library, tmp_path, action, at, program=PROGRAM):
    """The end of a program on a failing disk, and the operations on it."""
    disk = tmp_path / "disk"
    disk.mkdir()
    environment = {
        "LD_PRELOAD": str(library),
        "FAILING_DISK_FOLDER": str(disk),
        "FAILING_DISK_STATE": str(tmp_path / "state"),
        "FAILING_DISK_AT": str(at),
        "FAILING_DISK_ACTION": action,
    }
    done = subprocess.run(
        [sys.executable, "-S", "-c", program, disk],
        env=os.environ | environment,
        capture_output=True,
        text=True,
    )
    assert not done.stderr
    return done, (tmp_path / "state.log").read_text().splitlines()


def test_operations_are_counted(library, tmp_path):
    done, operations = run(library, tmp_path, "none", 0)
    assert operations == OPERATIONS
    assert done.stdout == ""


@pytest.mark.parametrize("at", range(1, 7))
@pytest.mark.parametrize(
    ("action", "message"),
    [("enospc", "No space left on device"), ("eio", "Input/output error")],
)
def test_one_operation_fails(library, tmp_path, action, message, at):
    done, operations = run(library, tmp_path, action, at)
    assert done.stdout == f"{message}\n"
    assert operations == [*OPERATIONS[: at - 1], f"! {OPERATIONS[at - 1]}"]


def test_a_full_disk_takes_half_and_then_nothing(library, tmp_path):
    program = PROGRAM.replace(
        'file.write(b"12345678")',
        'print(file.write(b"12345678"))\n        file.write(b"5678")',
    )
    done, _ = run(library, tmp_path, "full", 3, program)
    assert done.stdout == "4\nNo space left on device\n"
    assert (tmp_path / "disk" / "folder" / "one").read_bytes() == b"1234"


def test_a_full_disk_renames_and_removes(library, tmp_path):
    done, operations = run(library, tmp_path, "full", 4)
    assert done.stdout == ""
    assert operations == OPERATIONS


def test_a_kill_cuts_a_write_in_half(library, tmp_path):
    done, operations = run(library, tmp_path, "kill", 3)
    assert done.returncode == -signal.SIGKILL
    assert (tmp_path / "disk" / "folder" / "one").read_bytes() == b"1234"
    assert operations[-1] == "! write folder/one"


def test_other_folders_do_not_fail(library, tmp_path):
    program = f'open("{tmp_path}/elsewhere", "w").write("whole")'
    run_program = f"{program}\nimport sys, os\nos.mkdir(sys.argv[1] + '/folder')"
    _, operations = run(library, tmp_path, "none", 0, run_program)
    assert operations == ["mkdir folder"]
    assert (tmp_path / "elsewhere").read_text() == "whole"


def test_a_sample_has_each_kind_of_operation():
    operations = ["mkdir x", *(f"write step-{n}" for n in range(90)), "rename x"]
    numbers = sample(operations, 5, random.Random(0))
    assert len(numbers) == 5 and {1, 92} < {*numbers}
    assert sample(operations, 200, random.Random(0)) == [*range(1, 93)]


@pytest.mark.slow
@pytest.mark.long
def test_programs_survive(tmp_path):
    results = tmp_path / "trials.jsonl"
    command = [
        *(sys.executable, "-m", "benchmarks.faults"),
        *("--verbs=learn_vocabulary,corrupt_text", f"--json_file={results}"),
        *("--num_kills=1", "--num_disk_faults=5"),
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    trials = [json.loads(line) for line in results.read_text().splitlines()]
    assert sum(trial["equal"] for trial in trials) == len(trials) >= 21
    assert sum(trial["num_faults"] for trial in trials) >= 15
