"""Files and folders that appear complete or not at all, and outlive a power failure.

While NAME is being made it is `NAME.XXXXXXXX.unfinished` beside it, a new name each
time, so that two programs that make the same NAME never share one. A local one is
locked (flock) as long as its process lives: what killed processes have left of NAME is
removed when NAME is made again, and what a living one makes is left alone. Local files
are written to the disk (fsync) before they get their names, and the names before the
next step; remote storage does so by itself.
"""

import contextlib
import glob
import os
import posixpath
import secrets
from collections.abc import Callable, Iterator, Sequence

import tensorflow as tf

from data_pipelines.files.locks import locked
from data_pipelines.files.paths import exists

_UNFINISHED = ".unfinished"

# What this process is making.
_in_progress: set[str] = set()


def require_new(path: str) -> None:
    """Refuses a name that is taken.

    Raises:
        FileExistsError: there is a file or folder of this name.
        BlockingIOError: another process is making one; it is local.
    """
    _require_absent(path)
    for name in _leftovers(path.rstrip("/")):
        # It may have been completed, or removed, in between.
        with contextlib.suppress(FileNotFoundError), locked(name, path):
            pass
    _require_absent(path)


def _require_absent(path: str) -> None:
    if exists(path):
        raise FileExistsError(
            f"{path} exists already. Nothing is overwritten: remove it, or choose "
            "another name."
        )


def write_file(path: str, content: bytes) -> None:
    """Writes a file; an existing one is replaced, whole or not at all."""
    with complete_file(path) as temporary, tf.io.gfile.GFile(temporary, "wb") as file:
        file.write(content)


@contextlib.contextmanager
def complete_file(
    path: str, folder: str | None = None, *, overwrite: bool = True
) -> Iterator[str]:
    """Yields the path of an empty file, which becomes `path` when the block ends well.

    The block writes into this file; another one in its place would not be locked.

    Args:
        path: of the file when it is complete.
        folder: where the temporary file is. Default: beside `path`.
        overwrite: if False, a file of that name is kept, and what the block has made
            gets a name of its own, which the error tells.

    Raises:
        FileExistsError: there is a file of that name, and it must not be overwritten.
        OSError: it cannot be written.
    """
    with _unfinished(path, folder, _make_file) as temporary:
        yield temporary
        sync(temporary)
        with _kept_if_taken(path, temporary):
            tf.io.gfile.rename(temporary, path, overwrite)
        _sync_entry(path)


@contextlib.contextmanager
def new_file(path: str) -> Iterator[tf.io.gfile.GFile]:
    """Yields an open binary file, which appears under its name when the block ends.

    The folder is made if it is missing. What forbids the file raises before the block,
    which may compute for hours.

    Raises:
        FileExistsError: there is a file of this name, from the beginning or at the end;
            then what was written is kept under a name that the error tells.
        BlockingIOError: another process is writing it.
        OSError: it cannot be written.
    """
    require_new(path)
    with contextlib.suppress(tf.errors.OpError):  # Told when the file is opened.
        tf.io.gfile.makedirs(posixpath.dirname(path) or ".")
    with (
        complete_file(path, overwrite=False) as temporary,
        tf.io.gfile.GFile(temporary, "wb") as file,
    ):
        try:
            file.write(b"")  # Opens it.
        except tf.errors.OpError as error:
            raise _cannot_write(path, error.message) from None
        yield file


@contextlib.contextmanager
def new_files(paths: Sequence[str]) -> Iterator[dict[str, tf.io.gfile.GFile]]:
    """Yields open files as `new_file` does, of which the first appears last.

    Where it is, all are; where it cannot appear, the others go again.

    Raises:
        FileExistsError, OSError: as `new_file`.
    """
    with contextlib.ExitStack() as undo:
        with contextlib.ExitStack() as files:
            opened = {}
            for path in paths:
                files.enter_context(_removed_by(undo, path))
                opened[path] = files.enter_context(new_file(path))
            yield opened
        undo.pop_all()


@contextlib.contextmanager
def _removed_by(undo: contextlib.ExitStack, path: str) -> Iterator[None]:
    yield
    undo.callback(remove, path)


@contextlib.contextmanager
def new_folder(
    path: str, publish: Callable[[str, str], None] = tf.io.gfile.rename
) -> Iterator[str]:
    """Yields the path of an empty folder, which becomes `path` when the block ends.

    Args:
        path: must not exist.
        publish: moves or copies the one to the other; raises FileExistsError or
            AlreadyExistsError where that cannot be without overwriting.

    Raises:
        FileExistsError: there is a folder of this name, from the beginning or at the
            end; then the one that was filled is kept under a name that the error tells.
        OSError: it cannot be written.
    """
    _require_absent(path)
    with _unfinished(path, None, tf.io.gfile.makedirs) as temporary:
        yield temporary
        sync(temporary)
        with _kept_if_taken(path, temporary):
            publish(temporary, path)
        remove(temporary)  # Of a copy.
        _sync_entry(path)


def remove(path: str) -> None:
    """Removes a file, or a folder with all that it holds, if there is one."""
    if tf.io.gfile.isdir(path):
        # TensorFlow's ram:// lists files that are not there.
        with contextlib.suppress(tf.errors.NotFoundError):
            tf.io.gfile.rmtree(path)
    elif tf.io.gfile.exists(path):
        tf.io.gfile.remove(path)


def remove_unfinished() -> None:
    """Removes what this process has not completed, for one that is ending at once."""
    for path in list(_in_progress):
        with contextlib.suppress(OSError, tf.errors.OpError):
            remove(path)


def sync(path: str) -> None:
    """Returns when a file, or a folder with all that it holds, is on the local disk.

    Raises:
        OSError: the disk is full or fails.
    """
    if _is_remote(path):
        return
    for folder, _, names in os.walk(path, topdown=False):
        for name in names:
            _fsync(os.path.join(folder, name))
        _fsync(folder)
    if not os.path.isdir(path):
        _fsync(path)


@contextlib.contextmanager
def _unfinished(
    path: str, folder: str | None, make: Callable[[str], None]
) -> Iterator[str]:
    """Yields a new name, at which `make` has made something; it goes if that fails."""
    path = path.rstrip("/")
    beside = path if folder is None else _inside(folder, path)
    with contextlib.ExitStack() as lock:
        temporary = f"{beside}.{secrets.token_hex(4)}{_UNFINISHED}"
        if not _is_remote(beside):
            try:
                _remove_leftovers(beside)
                # Before it is locked, another program may take it for a leftover.
                while not os.path.exists(temporary):
                    make(temporary)
                    with contextlib.suppress(FileNotFoundError):
                        lock.enter_context(locked(temporary, wait=True))
            except (OSError, tf.errors.OpError) as error:
                reason = getattr(error, "strerror", None) or error
                raise _cannot_write(path, reason) from None
        _in_progress.add(temporary)
        try:
            yield temporary
        except BaseException:
            with contextlib.suppress(OSError, tf.errors.OpError):
                remove(temporary)
            raise
        finally:
            _in_progress.discard(temporary)


def _make_file(path: str) -> None:
    os.close(os.open(path, os.O_CREAT | os.O_EXCL, 0o666))


def _inside(folder: str, path: str) -> str:
    return posixpath.join(folder, posixpath.basename(path))


def _leftovers(path: str) -> list[str]:
    return glob.glob(f"{glob.escape(path)}.????????{_UNFINISHED}")


def _remove_leftovers(path: str) -> None:
    """Removes what processes that have ended left of a path."""
    for name in _leftovers(path):
        # Its process lives, or another one removes it.
        with contextlib.suppress(OSError, tf.errors.OpError), locked(name) as is_mine:
            # Without locks nobody knows whose it is.
            if is_mine:
                remove(name)


@contextlib.contextmanager
def _kept_if_taken(path: str, temporary: str) -> Iterator[None]:
    """Gives what was made a name that nobody removes, where `path` is taken."""
    try:
        yield
    except (
        FileExistsError,
        tf.errors.AlreadyExistsError,
        # What renaming says where the other one has appeared since it looked.
        tf.errors.FailedPreconditionError,
    ):
        kept = temporary.removesuffix(_UNFINISHED)
        tf.io.gfile.rename(temporary, kept)
        raise FileExistsError(
            f"{path} exists already: another program made it in the meantime. Nothing "
            f"is overwritten: what was made here is {kept}."
        ) from None


def _cannot_write(path: str, reason: object) -> OSError:
    return OSError(
        f"Cannot write {path} ({reason}). Expected a file in a folder that you may "
        "write to."
    )


def _sync_entry(path: str) -> None:
    """Returns when the name of a file or folder is on the local disk."""
    if not _is_remote(path):
        # Some file systems cannot for folders; the content is there.
        with contextlib.suppress(OSError):
            _fsync(os.path.dirname(path.rstrip("/")) or ".")


def _fsync(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _is_remote(path: str) -> bool:
    return "://" in path
