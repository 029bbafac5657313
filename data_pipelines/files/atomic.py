"""A file that is there as a whole or not at all."""

import contextlib
import os
import posixpath
from collections.abc import Callable, Iterator
from typing import Any

import tensorflow as tf


@contextlib.contextmanager
def new_file(path: str) -> Iterator[Callable[[bytes], None]]:
    """Gives a function that writes a whole file; what forbids it shows at once.

    Raises:
        FileExistsError: there is a file.
        OSError: it can not be written.
    """
    unfinished = f"{path}.{os.getpid()}.unfinished"
    try:
        if tf.io.gfile.exists(path):
            raise FileExistsError(
                f"There is a {path!r} already. Nothing is overwritten: name another "
                "file, or remove this one."
            )
        tf.io.gfile.makedirs(posixpath.dirname(path) or ".")
        _write(unfinished, b"")
    except tf.errors.OpError as error:
        raise OSError(
            f"Can not write {path!r} ({error.message}). Expected a file in a folder "
            "that you may write to."
        ) from None

    def write(content: bytes) -> None:
        _write(unfinished, content)
        tf.io.gfile.rename(unfinished, path)

    try:
        yield write
    finally:
        with contextlib.suppress(OSError, tf.errors.OpError):
            tf.io.gfile.remove(unfinished)


@contextlib.contextmanager
def new_stream(path: str) -> Iterator[Any]:
    """A file to be written bit by bit, which is there when the `with` ends well.

    Raises:
        FileExistsError, OSError: as `new_file`.
    """
    with new_file(path):
        stream = f"{path}.{os.getpid()}.stream"
        try:
            with tf.io.gfile.GFile(stream, "wb") as file:
                yield file
            tf.io.gfile.rename(stream, path)
        except BaseException:
            with contextlib.suppress(OSError, tf.errors.OpError):
                tf.io.gfile.remove(stream)
            raise


def _write(path: str, content: bytes) -> None:
    with tf.io.gfile.GFile(path, "wb") as file:
        file.write(content)


def write_file(path: str, content: bytes) -> None:
    """Writes a file, which appears complete or not at all."""
    with replaced_file(path) as temporary, tf.io.gfile.GFile(temporary, "wb") as file:
        file.write(content)


@contextlib.contextmanager
def replaced_file(path: str) -> Iterator[str]:
    """Yields a temporary path, which becomes `path` when the block ends well."""
    temporary = f"{path}.tmp"
    try:
        yield temporary
        tf.io.gfile.rename(temporary, path, overwrite=True)
    except BaseException:
        if tf.io.gfile.exists(temporary):
            tf.io.gfile.remove(temporary)
        raise
