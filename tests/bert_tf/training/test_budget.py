import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from bert_tf.training.budget import (
    Budget,
    TooShort,
    process_clock,
    seconds_of,
    stopwatch,
)


class Clock:
    """A clock that stands still until it is set."""

    def __init__(self, now=0.0):
        self.now = now

    def __call__(self):
        return self.now


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("4m", 240), ("1.5h", 5400), ("0.5s", 0.5)]
)
def test_durations(text, seconds):
    assert seconds_of(text) == seconds


@pytest.mark.parametrize(
    "text",
    ["", "4", "m", "soon", "0m", "0.0s", "-4m", "4 m", "4M", "4m30s", "1e3s", "٤m"],
)
def test_what_is_no_duration(text):
    with pytest.raises(ValueError, match=r"Expected .* such as 90s, 4m or 1\.5h"):
        seconds_of(text)


def test_a_stopwatch_begins_now():
    clock = stopwatch()
    assert 0 <= clock() <= clock()


def test_the_clock_of_a_process_began_before_its_code():
    code = (
        "import time; time.sleep(0.2); from bert_tf.training.budget import *;"
        "print(process_clock()())"
    )
    began = time.monotonic()
    shown = subprocess.check_output([sys.executable, "-c", code], text=True)
    whole = time.monotonic() - began
    # The system counts the start in hundredths.
    assert 0.2 <= float(shown) <= whole + 0.02


def test_without_proc_it_begins_now(monkeypatch):
    def no_file(*_):
        raise FileNotFoundError

    monkeypatch.setattr("builtins.open", no_file)
    clock = process_clock()
    monkeypatch.undo()
    assert 0 <= clock() < process_clock()()


def test_stages_are_in_the_error():
    clock = Clock(6.0)
    budget = Budget(20.0, clock)
    with budget.stage("vocabulary"):
        clock.now = 15.2
    assert budget.left == pytest.approx(4.8)
    with pytest.raises(TooShort) as raised, budget.stage("records"):
        clock.now = 23.0
    assert str(raised.value) == (
        "Received a budget of 20 s, which leaves no time to train: start 6 s, "
        "vocabulary 9 s, records 8 s. Expected more, such as --budget=60s. The same "
        "command with a longer budget continues with what is complete."
    )


@pytest.mark.parametrize(
    ("needed", "suggested"),
    [(1, "60s"), (40, "90s"), (46, "2m"), (61, "3m"), (3500, "117m"), (9000, "5h")],
)
def test_suggested_budgets(needed, suggested):
    error = Budget(25.0, Clock()).too_short(needed)
    assert f"--budget={suggested}. " in str(error)


def test_a_stage_is_ended_in_time():
    before = signal.getsignal(signal.SIGALRM)
    budget = Budget(0.2, stopwatch())
    cleaned = []
    with pytest.raises(TooShort, match="leaves no time"), budget.stage("vocabulary"):
        try:
            while True:
                time.sleep(0.01)
        finally:
            cleaned.append(True)
    assert cleaned
    assert signal.getsignal(signal.SIGALRM) == before
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_a_stage_that_ends_leaves_no_timer():
    with Budget(1000.0, stopwatch()).stage("records"):
        assert signal.getitimer(signal.ITIMER_REAL)[0] > 0
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


@pytest.mark.parametrize("is_main", [True, False])
def test_without_a_timer(is_main):
    """Without a budget, or in a thread that hears no signal."""
    found = []

    def run():
        budget = Budget(float("inf") if is_main else 1000.0, stopwatch())
        with budget.stage("records"):
            found.append(signal.getitimer(signal.ITIMER_REAL))

    if is_main:
        run()
    else:
        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
    assert found == [(0.0, 0.0)]


@pytest.mark.long
@pytest.mark.slow
def test_a_pool_is_ended_in_time(tmp_path):
    """The processes of a stage, which would work on for minutes, are gone."""
    code = f"""
import os, signal, threading, time
from bert_tf.training.budget import Budget, TooShort, stopwatch
from data_pipelines.programs import processes
from tests.bert_tf.training.test_budget import sleep_long

def end():
    while not all(map(os.path.exists, [r"{tmp_path}/a", r"{tmp_path}/b"])):
        time.sleep(0.01)
    os.kill(os.getpid(), signal.SIGALRM)  # As the timer does.

if __name__ == "__main__":
    try:
        with Budget(1000.0, stopwatch()).stage("vocabulary"):
            with processes.pool(2, 2) as run:
                threading.Thread(target=end, daemon=True).start()
                list(run("sleep", sleep_long, [r"{tmp_path}/a", r"{tmp_path}/b"]))
    except TooShort:
        print("ended")
"""
    program = tmp_path / "program.py"
    program.write_text(code)
    done = subprocess.run(
        [sys.executable, str(program)],
        capture_output=True,
        text=True,
        timeout=400,
        env={**os.environ, "PYTHONPATH": os.getcwd()},
    )
    assert done.stdout == "ended\n", done.stderr
    for name in ("a", "b"):
        with pytest.raises(ProcessLookupError):
            os.kill(int((tmp_path / name).read_text()), 0)


def sleep_long(path):
    with open(f"{path}.new", "w") as file:
        file.write(str(os.getpid()))
    os.rename(f"{path}.new", path)
    time.sleep(600)
