"""Locks on outputs that are written over time: a second process ends at once.

They are `flock` of the operating system, which is gone with its process, however that
ended. Processes that it starts do not inherit them. The lock of a folder is on the
folder itself, and that of a file on an empty file beside it, `.NAME.lock`, which is
removed in the end; one that a killed process has left locks nothing.

There is no lock on remote paths (`gs://`), nor where the file system has none: folders
on NFS, some network and FUSE file systems. There it is for the user to start one
program alone.
"""

import contextlib
import fcntl
import os
import time
from collections.abc import Callable, Iterator

# The locks that this process holds: descriptors, with the files made for them.
_held: dict[int, str | None] = {}


def _leave_to_parent() -> None:
    for descriptor in _held:
        os.close(descriptor)
    _held.clear()


# Programs that are executed get no descriptor; a fork without that has them all.
os.register_at_fork(after_in_child=_leave_to_parent)


@contextlib.contextmanager
def locked_folder(path: str) -> Iterator[None]:
    """Holds the lock of a folder during the block.

    The folder is made if it is missing, and removed in the end if it is empty still.

    Raises:
        BlockingIOError: another process holds the lock.
        OSError: the folder cannot be made.
    """
    if "://" in path:
        yield
        return
    missing = _missing_folders(path)
    if os.path.lexists(path) and not os.path.isdir(path):
        raise NotADirectoryError(
            f"{path} is a file. Expected a folder: choose another name."
        )
    with _released(_lock(path, path, _open_folder), missing):
        yield


@contextlib.contextmanager
def locked_file(path: str) -> Iterator[None]:
    """Holds the lock of a file during the block, in which it is written.

    Its folder is made if it is missing, and removed in the end if it is empty still.

    Raises:
        BlockingIOError: another process holds the lock.
    """
    if "://" in path:
        yield
        return
    place = lock_file(path)
    missing = _missing_folders(os.path.dirname(place))
    try:
        descriptor = _lock(path, place, _open_file)
    except BlockingIOError:
        raise
    except OSError:
        # Nothing can be written there: the writer's own error says so.
        descriptor = None
    with _released(descriptor, missing, place):
        yield


def lock_file(path: str) -> str:
    """The file beside a file that is locked in its stead."""
    folder, name = os.path.split(path)
    return os.path.join(folder or ".", f".{name}.lock")


def remove_lock_files() -> None:
    """Removes the files that this process has made, for one that is ending at once."""
    for path in filter(None, _held.values()):
        with contextlib.suppress(OSError):
            os.remove(path)


def _missing_folders(path: str) -> list[str]:
    """The folder and those above it, as far as they do not exist."""
    missing, folder = [], os.path.abspath(path)
    while not os.path.lexists(folder):
        missing.append(folder)
        folder = os.path.dirname(folder)
    return missing


@contextlib.contextmanager
def _released(
    descriptor: int | None, made: list[str], lock_file: str | None = None
) -> Iterator[None]:
    """Releases a lock after the block, and before removes what was made for nothing."""
    owner = os.getpid()
    if descriptor is not None:
        _held[descriptor] = lock_file
    try:
        yield
    finally:
        if os.getpid() == owner:
            if lock_file is not None:
                with contextlib.suppress(OSError):
                    os.remove(lock_file)
            with contextlib.suppress(OSError):
                for folder in made:
                    os.rmdir(folder)
        if descriptor in _held:
            del _held[descriptor]
            os.close(descriptor)


def _lock(path: str, place: str, open_: Callable[[str], int]) -> int | None:
    """A descriptor with the lock; None: the file system has none."""
    while True:
        descriptor = open_(place)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Its last holder may have removed it in between.
            if os.path.samestat(os.fstat(descriptor), os.stat(place)):
                return descriptor
        except BlockingIOError:
            holder = _holder(descriptor)
            os.close(descriptor)
            raise BlockingIOError(
                f"{path} is being written by another process{holder}. Nothing is "
                "overwritten: wait until it ends, or choose another name."
            ) from None
        except FileNotFoundError:
            pass
        except OSError:
            os.close(descriptor)
            return None
        os.close(descriptor)


def _open_folder(path: str) -> int:
    os.makedirs(path, exist_ok=True)
    return os.open(path, os.O_RDONLY | os.O_DIRECTORY)


def _open_file(path: str) -> int:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    return os.open(path, os.O_RDWR | os.O_CREAT, 0o666)


def _holder(descriptor: int) -> str:
    """Number and beginning of the process with the lock, where Linux tells them."""
    status = os.fstat(descriptor)
    major, minor = os.major(status.st_dev), os.minor(status.st_dev)
    place = f"{major:02x}:{minor:02x}:{status.st_ino}"
    with contextlib.suppress(OSError, LookupError, ValueError, AttributeError):
        with open("/proc/locks") as file:
            rows = [line.split() for line in file]
        pid = {r[5]: int(r[4]) for r in rows if r[1] == "FLOCK"}[place]
        with open(f"/proc/{pid}/stat") as file:
            ticks = int(file.read().rpartition(")")[2].split()[19])
        booted = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
        since = time.localtime(booted + ticks / os.sysconf("SC_CLK_TCK"))
        return f" (pid {pid} since {time.strftime('%Y-%m-%d %H:%M', since)})"
    return ""
