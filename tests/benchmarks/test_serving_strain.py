"""The server under strain, for some seconds each."""

import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[2]
FLAGS = ("--minutes=0.05", "--seconds=2", "--num_clients=4", "--num_slow=8")
FLAGS += ("--burst=100", "--num_exchanges=3")


@pytest.mark.slow
@pytest.mark.long
def test_nothing_is_lost():
    run = subprocess.run(
        [sys.executable, "-m", "benchmarks.serving_strain", *FLAGS],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert run.returncode == 0, run.stdout + run.stderr[-2000:]
    rows = [line for line in run.stdout.splitlines() if line.startswith("| ")]
    assert len(rows) == 9 and "Nothing was lost." in run.stdout
