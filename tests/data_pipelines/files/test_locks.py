"""Locks: one process at a time, and none that outlives it."""

import contextlib
import errno
import os
import pathlib
import signal
import subprocess
import sys

import pytest

from data_pipelines.files import locks
from data_pipelines.files.locks import locked_file, locked_folder

LOCKS = [locked_folder, locked_file]
of_both = pytest.mark.parametrize("locked", LOCKS, ids=lambda lock: lock.__name__)


@of_both
def test_the_second_ends_at_once_and_names_the_first(tmp_path, locked):
    path = str(tmp_path / "out")
    with locked(path):
        with pytest.raises(BlockingIOError) as raised, locked(path):
            pass
        message = str(raised.value)
        assert message.startswith(f"{path} is being written by another process")
        if os.path.exists("/proc/locks"):
            assert f"(pid {os.getpid()} since 20" in message
        # What failed did not take the lock of the first away.
        with pytest.raises(BlockingIOError), locked(path):
            pass
    with locked(path):
        pass


@of_both
def test_nothing_is_left(tmp_path, locked):
    path = tmp_path / "new" / "newer" / "out"
    with pytest.raises(KeyError), locked(str(path)):
        assert path.parent.is_dir()
        raise KeyError
    assert not list(tmp_path.iterdir())


@of_both
def test_what_was_there_or_was_written_stays(tmp_path, locked):
    empty = tmp_path / "empty"
    empty.mkdir()
    with locked(str(empty if locked is locked_folder else empty / "out")):
        pass
    assert empty.is_dir() and not list(empty.iterdir())
    new = tmp_path / "new" / "newer"
    with locked(str(new if locked is locked_folder else new / "out")):
        (new / "out").touch()
    assert [path.name for path in new.iterdir()] == ["out"]


def test_a_locked_folder_is_empty(tmp_path):
    with locked_folder(str(tmp_path)):
        assert not list(tmp_path.iterdir())


def test_files_of_a_folder_and_folders_in_it_have_their_own(tmp_path):
    with (
        locked_folder(str(tmp_path)),
        locked_folder(str(tmp_path / "a")),
        locked_file(str(tmp_path / "b.bin")),
        locked_file(str(tmp_path / "c.bin")),
    ):
        pass


def test_a_path_with_another_spelling(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "link").symlink_to("out")
    with locked_folder("out"):
        for path in (str(tmp_path / "out"), "out/", "./out", "link"):
            with pytest.raises(BlockingIOError), locked_folder(path):
                pass
    absolute = str(tmp_path / "x.bin")
    with locked_file("x.bin"), pytest.raises(BlockingIOError), locked_file(absolute):
        pass
    assert not list(tmp_path.glob(".*"))


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "out").touch()
    expected = pytest.raises(NotADirectoryError, match=r"out is a file. Expected a f")
    with expected, locked_folder(str(tmp_path / "out")):
        pass


@of_both
def test_remote_paths_have_none(locked):
    with locked("gs://bucket/out"), locked("gs://bucket/out"):
        pass
    assert not os.path.exists("gs:")


@of_both
@pytest.mark.parametrize("code", [errno.ENOLCK, errno.EOPNOTSUPP, errno.EBADF])
def test_file_systems_that_have_none(tmp_path, monkeypatch, locked, code):
    def flock(*_):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(locks.fcntl, "flock", flock)
    path = str(tmp_path / "out")
    with locked(path), locked(path):
        pass
    assert not list(tmp_path.iterdir())


def test_a_folder_in_which_nothing_can_be_written(tmp_path, monkeypatch):
    def refuse(*_):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(locks.os, "open", refuse)
    with locked_file(str(tmp_path / "x.bin")):
        pass  # The writer's error says more.


@of_both
def test_a_lock_that_its_holder_removed_in_between(tmp_path, monkeypatch, locked):
    """Who has opened what is then removed takes the new one."""
    path = tmp_path / "out"
    place = str(path) if locked is locked_folder else locks.lock_file(str(path))
    flock, removed = locks.fcntl.flock, []

    def remove_first(descriptor, operation):
        if not removed:
            removed.append(True)
            (os.rmdir if locked is locked_folder else os.remove)(place)
        return flock(descriptor, operation)

    monkeypatch.setattr(locks.fcntl, "flock", remove_first)
    with locked(str(path)), pytest.raises(BlockingIOError), locked(str(path)):
        pass
    assert removed


def test_a_process_that_ends_at_once_removes_its_own_alone(tmp_path):
    own, other = tmp_path / "own.bin", tmp_path / "other.bin"
    pathlib.Path(locks.lock_file(str(other))).touch()
    with locked_folder(str(tmp_path / "folder")), locked_file(str(own)):
        locks.remove_lock_files()
        found = {path.name for path in tmp_path.iterdir()}
        assert found == {"folder", ".other.bin.lock"}


# --- Processes.


HOLD = """
import multiprocessing, subprocess, sys, time
from data_pipelines.files import locks

if __name__ == "__main__":
    lock, path, child = sys.argv[1:]
    with getattr(locks, lock)(path):
        if child == "program":
            other = subprocess.Popen([sys.executable, "-c", "input()"]).pid
        elif child != "none":
            context = multiprocessing.get_context(child)
            process = context.Process(target=time.sleep, args=(60,))
            process.start()
            other = process.pid
        else:
            other = 0
        print(other, flush=True)
        sys.stdin.read()
"""


@pytest.fixture
def holding(tmp_path):
    """Starts a program that holds a lock, and a child of it; gives both numbers."""
    started = []
    program = tmp_path / "hold.py"
    program.write_text(HOLD)

    @contextlib.contextmanager
    def holding(lock, path, child):
        process = subprocess.Popen(
            [sys.executable, str(program), lock.__name__, path, child],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
        with process:
            try:
                started.append(int(process.stdout.readline()))
                yield process, started[-1]
            finally:
                process.kill()

    yield holding
    for pid in filter(None, started):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


@pytest.mark.slow
@of_both
@pytest.mark.parametrize("child", ["none", "program", "fork", "spawn", "forkserver"])
def test_a_killed_process_leaves_no_lock_though_its_child_lives(
    tmp_path, holding, locked, child
):
    path = str(tmp_path / "out")
    with holding(locked, path, child) as (process, other):
        expected = rf"out is being written by another process \(pid {process.pid} "
        with pytest.raises(BlockingIOError, match=expected), locked(path):
            pass
        process.kill()
        process.wait()
        if other:
            os.kill(other, 0)  # It lives.
        with locked(path):
            pass


@pytest.mark.slow
def test_a_fork_gives_up_nothing(tmp_path):
    """A process of its own: Python warns of forks where there are threads."""
    path = str(tmp_path / "out")
    program = f"""
import os
from data_pipelines.files.locks import locked_folder
with locked_folder({path!r}):
    child = os.fork()
    if child:
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert os.path.isdir({path!r})
        try:
            with locked_folder({path!r}):
                print("free")
        except BlockingIOError:
            print("held")
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        cwd=pathlib.Path(__file__).parents[3],
    )
    assert done.stdout == "held\n", done.stderr
