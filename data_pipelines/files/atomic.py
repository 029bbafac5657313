"""Files and folders that appear complete or not at all, and survive a power failure.

While NAME is being written, it is `NAME.XXXXXXXX.unfinished` in the same folder, with
a new random part each time, so that two programs writing NAME never share a temporary
name. Local temporaries are locked (flock) while their process lives: those of killed
processes are removed when NAME is written again, those of live ones are left alone.
Local files are flushed to disk (fsync) before they are renamed, and their folder
afterwards; remote storage does both by itself.
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

# Temporary paths that this process is writing.
_in_progress: set[str] = set()


def require_new(path: str) -> None:
    """Raises an error if a path exists or is being written.

    Raises:
        FileExistsError: there is a file or folder of this name.
        BlockingIOError: another process is writing one (local paths only).
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
    """Writes a file, or replaces an existing one atomically."""
    with complete_file(path) as temporary, tf.io.gfile.GFile(temporary, "wb") as file:
        file.write(content)


@contextlib.contextmanager
def complete_file(
    path: str, folder: str | None = None, *, overwrite: bool = True
) -> Iterator[str]:
    """Yields the path of an empty file, renamed to `path` if the block succeeds.

    The block must write into this file: one put in its place would not be locked.

    Args:
        path: path of the complete file.
        folder: folder of the temporary file. Default: that of `path`.
        overwrite: if False, an existing file is kept, and the new content is kept
            under another name, which the error gives.

    Raises:
        FileExistsError: the file exists, and `overwrite` is False.
        OSError: the file cannot be written.
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

    The folder is created if it is missing. Errors that can be foreseen are raised
    before the block, which may run for hours.

    Raises:
        FileExistsError: the file exists at the beginning, or at the end; then the
            content is kept under another name, which the error gives.
        BlockingIOError: another process is writing it.
        OSError: the file cannot be written.
    """
    require_new(path)
    # A failure is reported when the file is opened.
    with contextlib.suppress(tf.errors.OpError):
        tf.io.gfile.makedirs(posixpath.dirname(path) or ".")
    with (
        complete_file(path, overwrite=False) as temporary,
        tf.io.gfile.GFile(temporary, "wb") as file,
    ):
        try:
            file.write(b"")  # Opens the file.
        except tf.errors.OpError as error:
            raise _cannot_write(path, error.message) from None
        yield file


@contextlib.contextmanager
def new_files(paths: Sequence[str]) -> Iterator[dict[str, tf.io.gfile.GFile]]:
    """Yields open files as `new_file` does; the first one appears last.

    If the first file exists, all do; if it cannot be written, the others are removed.

    Raises:
        FileExistsError, OSError: see `new_file`.
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
    """Yields the path of an empty folder, renamed to `path` when the block ends.

    Args:
        path: path of the complete folder; must not exist.
        publish: moves or copies the temporary folder to `path`; raises FileExistsError
            or AlreadyExistsError instead of overwriting.

    Raises:
        FileExistsError: the folder exists at the beginning, or at the end; then the
            new folder is kept under another name, which the error gives.
        OSError: the folder cannot be written.
    """
    _require_absent(path)
    with _unfinished(path, None, tf.io.gfile.makedirs) as temporary:
        yield temporary
        sync(temporary)
        with _kept_if_taken(path, temporary):
            publish(temporary, path)
        remove(temporary)  # Still there if `publish` copies.
        _sync_entry(path)


def remove(path: str) -> None:
    """Removes a file, or a folder with its contents, if it exists."""
    if tf.io.gfile.isdir(path):
        # TensorFlow's ram:// lists files that do not exist.
        with contextlib.suppress(tf.errors.NotFoundError):
            tf.io.gfile.rmtree(path)
    elif tf.io.gfile.exists(path):
        tf.io.gfile.remove(path)


def remove_unfinished() -> None:
    """Removes this process's unfinished outputs, just before it exits."""
    for path in list(_in_progress):
        with contextlib.suppress(OSError, tf.errors.OpError):
            remove(path)


def sync(path: str) -> None:
    """Flushes a local file, or a folder with its contents, to disk.

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
    """Yields a temporary path created by `make`, and removes it if the block fails."""
    path = path.rstrip("/")
    beside = path if folder is None else _inside(folder, path)
    with contextlib.ExitStack() as lock:
        temporary = f"{beside}.{secrets.token_hex(4)}{_UNFINISHED}"
        if not _is_remote(beside):
            try:
                _remove_leftovers(beside)
                # Until it is locked, another program may remove it as a leftover.
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
    """Removes unfinished outputs that ended processes left beside a path."""
    for name in _leftovers(path):
        # An error means that its process is alive, or that another one removes it.
        with contextlib.suppress(OSError, tf.errors.OpError), locked(name) as is_mine:
            # Without locks, the owner may still be alive.
            if is_mine:
                remove(name)


@contextlib.contextmanager
def _kept_if_taken(path: str, temporary: str) -> Iterator[None]:
    """Keeps the new output under a permanent name if `path` is taken."""
    try:
        yield
    except (
        FileExistsError,
        tf.errors.AlreadyExistsError,
        # Raised by a rename when the target appeared after the check.
        tf.errors.FailedPreconditionError,
    ):
        kept = temporary.removesuffix(_UNFINISHED)
        tf.io.gfile.rename(temporary, kept)
        raise FileExistsError(
            f"{path} exists already: another program wrote it in the meantime. Nothing "
            f"is overwritten: the new output is kept as {kept}."
        ) from None


def _cannot_write(path: str, reason: object) -> OSError:
    return OSError(
        f"Cannot write {path} ({reason}). Expected a file in a folder that you may "
        "write to."
    )


def _sync_entry(path: str) -> None:
    """Flushes the directory entry of a local file or folder to disk."""
    if not _is_remote(path):
        # Some file systems cannot sync folders; the content is on disk already.
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
