import concurrent.futures
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

from data_pipelines.programs import processes


@pytest.fixture(autouse=True)
def interrupts_come():
    """In a test run that was started with `&` they are ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def square(number: int) -> int:
    if number < 0:
        raise ValueError(f"Received {number}.")
    return number * number


def process_of(number: int) -> tuple[int, int]:
    return square(number), os.getpid()


@pytest.mark.parametrize("num_processes", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_results_are_in_the_order_of_the_tasks(num_processes):
    with processes.pool(num_processes, 4) as run:
        assert list(run("square", square, [3, 1, 2, 0])) == [9, 1, 4, 0]
        assert list(run("square", square, [])) == []


def test_others_do_the_work_and_their_errors_reach_the_caller():
    # One task at a time: a second process is not started before it is needed.
    with processes.pool(2, 2) as run:
        ((result, process),) = run("square", process_of, [3])
        assert result == 9 and process != os.getpid()
        with pytest.raises(ValueError, match="Received -1"):
            list(run("square", process_of, [-1]))
    with processes.pool(1, 2) as run:
        assert list(run("square", process_of, [3])) == [(9, os.getpid())]
        with pytest.raises(ValueError, match="Received -1"):
            list(run("square", process_of, [1, -1]))


@pytest.mark.parametrize(
    ("num_processes", "num_cores", "num_tasks", "expected"),
    [(None, 3, 4, 3), (None, 8, 4, 4), (2, 8, 4, 2), (6, 8, 4, 4)],
)
def test_processes_that_are_started(
    monkeypatch, num_processes, num_cores, num_tasks, expected
):
    started = []

    class Threads(concurrent.futures.ThreadPoolExecutor):
        def __init__(self, number, context, initializer):
            started.append((number, context.get_start_method()))
            super().__init__(number)

    monkeypatch.setattr(os, "cpu_count", lambda: num_cores)
    monkeypatch.setattr(concurrent.futures, "ProcessPoolExecutor", Threads)
    with processes.pool(num_processes, num_tasks) as run:
        assert list(run("square", square, [3, 1, 2, 0])) == [9, 1, 4, 0]
    assert started == [(expected, "spawn")]


@pytest.mark.parametrize(("num_cores", "num_tasks"), [(None, 4), (1, 4), (8, 1)])
def test_one_process_is_this_one(monkeypatch, num_cores, num_tasks):
    monkeypatch.setattr(os, "cpu_count", lambda: num_cores)
    with processes.pool(None, num_tasks) as run:
        assert list(run("square", process_of, [3])) == [(9, os.getpid())]


def test_no_bar_without_a_terminal(capfd):
    assert list(processes.show_progress("name", [1, 2], 2)) == [1, 2]
    assert capfd.readouterr().err == ""


def test_no_process():
    with (
        pytest.raises(ValueError, match=r"num_processes=0\. Expected numbers above 0"),
        processes.pool(0, 2),
    ):
        pass


_POOL = """
import dataclasses, pathlib, sys, time
from data_pipelines.files.atomic import new_file
from data_pipelines.programs import cli, processes

@dataclasses.dataclass(frozen=True)
class Options:
    folder: str = cli.option("", "A folder.")

def work(folder):
    with new_file(f"{folder}/unit") as file:
        file.write(b"half")
        (pathlib.Path(folder) / "begun").touch()
        time.sleep(600)

def main(options):
    with (
        new_file(f"{options.folder}/result") as file,
        processes.pool(2, 2) as run,
    ):
        file.write(b"half")
        (pathlib.Path(options.folder) / "started").touch()
        list(run("work", work, [options.folder] * 2))

if __name__ == "__main__":
    cli.run(Options, main, "Works.")
"""


def children_of(process):
    """Numbers of the processes that a process has started."""
    task = pathlib.Path(f"/proc/{process}/task/{process}/children")
    return [int(number) for number in task.read_text().split()]


def is_alive(process):
    status = pathlib.Path(f"/proc/{process}/status")
    return status.exists() and "State:\tZ" not in status.read_text()


def wait_until(condition):
    deadline = time.monotonic() + 90
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["starting", "working"])
@pytest.mark.parametrize(
    ("number", "code", "line"),
    [
        (signal.SIGINT, 130, "error: Interrupted. Nothing was written."),
        (signal.SIGTERM, 143, "error: Stopped by SIGTERM. Nothing was written."),
    ],
)
def test_a_pool_ends_with_its_program(tmp_path, number, code, line, moment):
    program = tmp_path / "program.py"
    program.write_text(_POOL)
    folder = tmp_path / "folder"
    folder.mkdir()
    with subprocess.Popen(
        [sys.executable, str(program), f"--folder={folder}"],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    ) as process:
        # The tracker of resources is the third.
        wait_until(lambda: len(children_of(process.pid)) == 3)
        if moment == "working":
            wait_until(lambda: (folder / "begun").exists())
        workers = children_of(process.pid)
        if number == signal.SIGINT:
            os.killpg(process.pid, number)  # As a terminal does.
        else:
            process.send_signal(number)
        assert process.wait(30) == code
        wait_until(lambda: not any(map(is_alive, workers)))
        errors = process.stderr.read()
    # After SIGTERM Python's tracker of resources may say what it clears away.
    assert line in errors.splitlines()
    assert "Traceback" not in errors
    assert not list(folder.glob("result*"))


def kill_parent(file: str) -> None:
    pathlib.Path(file).write_text(str(os.getpid()))
    os.kill(os.getppid(), signal.SIGKILL)
    time.sleep(600)


@pytest.mark.long
@pytest.mark.slow
def test_processes_end_with_a_program_that_is_killed(tmp_path):
    program = (
        "import sys\n"
        "from data_pipelines.programs import processes\n"
        f"from {__name__} import kill_parent\n"
        "if __name__ == '__main__':\n"
        "    with processes.pool(2, 2) as run:\n"
        "        list(run('kill', kill_parent, sys.argv[1:]))\n"
    )
    (tmp_path / "program.py").write_text(program)
    files = [tmp_path / "0", tmp_path / "1"]
    done = subprocess.run(
        [sys.executable, str(tmp_path / "program.py"), *map(str, files)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.returncode == -signal.SIGKILL
    # One of them may not have come to its task.
    workers = [int(file.read_text()) for file in files if file.exists()]
    wait_until(lambda: not any(map(is_alive, workers)))
