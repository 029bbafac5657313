"""Locks on outputs that take long to write: a second process fails immediately.

They are `flock` locks of the operating system, which end with their process, however
it ends. Child processes do not inherit them. The lock of a folder is on the folder
itself; a file is locked while it is unfinished, see `atomic`.

There is no lock on remote paths (`gs://`), nor on file systems without locks: folders
on NFS, some network and FUSE file systems. There the user must take care to run only
one program.
"""

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator

# Descriptors of the locks that this process holds.
_held: set[int] = set()


def _leave_to_parent() -> None:
    for descriptor in _held:
        os.close(descriptor)
    _held.clear()


# An executed program inherits no descriptors; a fork alone inherits them all.
os.register_at_fork(after_in_child=_leave_to_parent)


@contextlib.contextmanager
def locked(path: str, name: str | None = None, *, wait: bool = False) -> Iterator[bool]:
    """Holds the lock of a local file or folder; yields False if locks do not work.

    Args:
        path: existing file or folder.
        name: name of the output, for the error. Default: the path.
        wait: whether to wait until another process releases the lock.

    Raises:
        BlockingIOError: another process holds the lock, and `wait` is False.
        OSError: the path cannot be opened.
    """
    descriptor = _acquire(path, name or path, wait)
    try:
        yield descriptor is not None
    finally:
        _release(descriptor)


@contextlib.contextmanager
def locked_folder(path: str) -> Iterator[None]:
    """Holds the lock of a folder during the block.

    The folder is created if it is missing, and removed at the end if still empty.

    Raises:
        BlockingIOError: another process holds the lock.
        OSError: the folder cannot be created.
    """
    if "://" in path:
        yield
        return
    missing, owner = _missing_folders(path), os.getpid()
    if os.path.lexists(path) and not os.path.isdir(path):
        raise NotADirectoryError(
            f"{path} is a file. Expected a folder: choose another name."
        )
    descriptor = _acquire_folder(path)
    try:
        yield
    finally:
        if os.getpid() == owner:
            with contextlib.suppress(OSError):
                for folder in missing:
                    os.rmdir(folder)
        _release(descriptor)


def _missing_folders(path: str) -> list[str]:
    """Returns the folder and its parents that do not exist, innermost first."""
    missing, folder = [], os.path.abspath(path)
    while not os.path.lexists(folder):
        missing.append(folder)
        folder = os.path.dirname(folder)
    return missing


def _acquire_folder(path: str) -> int | None:
    while True:
        os.makedirs(path, exist_ok=True)
        # Its last holder may have removed the folder in between.
        with contextlib.suppress(FileNotFoundError):
            descriptor = _acquire(path, path, wait=False)
            if descriptor is None:
                return None
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(descriptor), os.stat(path)):
                    return descriptor
            _release(descriptor)


def _acquire(path: str, name: str, wait: bool) -> int | None:
    """Returns a descriptor with the lock; None if the file system has no locks."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        holder = _holder(descriptor)
        os.close(descriptor)
        raise BlockingIOError(
            f"{name} is being written by another process{holder}. Nothing is "
            "overwritten: wait until it ends, or choose another name."
        ) from None
    except OSError:
        os.close(descriptor)
        return None
    _held.add(descriptor)
    return descriptor


def _release(descriptor: int | None) -> None:
    if descriptor in _held:
        _held.remove(descriptor)
        os.close(descriptor)


def _holder(descriptor: int) -> str:
    """Returns the id and start time of the process with the lock (Linux only)."""
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
