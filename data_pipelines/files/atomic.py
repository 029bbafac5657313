"""Files and folders that appear complete or not at all."""

import contextlib
import os
import posixpath
from collections.abc import Callable, Iterator, Sequence

import tensorflow as tf


def require_new(path: str) -> None:
    """Raises FileExistsError where there is a file or folder of this name."""
    if tf.io.gfile.exists(path):
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
    path: str, temporary: str | None = None, *, overwrite: bool = True
) -> Iterator[str]:
    """Yields a temporary path, which becomes `path` when the block ends well.

    Args:
        path: of the file when it is complete.
        temporary: where to write until then. Default: a name beside `path`.
        overwrite: if False, the end raises where there is a file of that name.
    """
    temporary = temporary or f"{path}.tmp"
    try:
        yield temporary
        tf.io.gfile.rename(temporary, path, overwrite)
    except BaseException:
        with contextlib.suppress(OSError, tf.errors.OpError):
            tf.io.gfile.remove(temporary)
        raise


@contextlib.contextmanager
def new_file(path: str) -> Iterator[tf.io.gfile.GFile]:
    """Yields an open binary file, which appears under its name when the block ends.

    The folder is made if it is missing. What forbids the file raises before the block,
    which may compute for hours.

    Raises:
        FileExistsError: there is a file of this name.
        OSError: it cannot be written.
    """
    require_new(path)
    temporary = f"{path}.{os.getpid()}.unfinished"
    with (
        complete_file(path, temporary, overwrite=False),
        tf.io.gfile.GFile(temporary, "wb") as file,
    ):
        try:
            tf.io.gfile.makedirs(posixpath.dirname(path) or ".")
            file.write(b"")  # Opens it.
        except tf.errors.OpError as error:
            raise OSError(
                f"Cannot write {path} ({error.message}). Expected a file in a folder "
                "that you may write to."
            ) from None
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
    """Yields the path of a folder to fill, which becomes `path` when the block ends.

    Args:
        path: must not exist.
        publish: moves or copies the one to the other.

    Raises:
        FileExistsError: there is a folder of this name.
    """
    require_new(path)
    unfinished = f"{path.rstrip('/')}.unfinished"
    remove(unfinished)  # Of a run that was killed.
    try:
        yield unfinished
        publish(unfinished, path)
    finally:
        remove(unfinished)


def remove(path: str) -> None:
    """Removes a file, or a folder with all that it holds, if there is one."""
    if tf.io.gfile.isdir(path):
        # TensorFlow's ram:// lists files that are not there.
        with contextlib.suppress(tf.errors.NotFoundError):
            tf.io.gfile.rmtree(path)
    elif tf.io.gfile.exists(path):
        tf.io.gfile.remove(path)
