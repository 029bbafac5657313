"""Checks of local and remote paths that raise if the storage cannot be reached."""

import contextlib
from collections.abc import Iterator

import tensorflow as tf


def exists(path: str) -> bool:
    """Returns True if there is a file or folder.

    Raises:
        OSError: the storage cannot be reached.
    """
    with _reached(path):
        return tf.io.gfile.exists(path)


def is_folder(path: str) -> bool:
    """Returns True if there is a folder.

    Raises:
        OSError: the storage cannot be reached; `tf.io.gfile.isdir` would return False.
    """
    if tf.io.gfile.isdir(path):
        return True
    if "://" in path:
        exists(path)
    return False


def matches(pattern: str) -> list[str]:
    """Returns the paths that match a pattern such as `corpus/*.txt`.

    Raises:
        OSError: the storage cannot be reached.
    """
    with _reached(pattern):
        try:
            return tf.io.gfile.glob(pattern)
        except tf.errors.NotFoundError:
            return []


@contextlib.contextmanager
def _reached(path: str) -> Iterator[None]:
    try:
        yield
    except tf.errors.OpError as error:
        reason = " ".join(error.message.split())
        raise OSError(
            f"Cannot reach {path}: {reason}. Expected reachable storage: check the "
            "name, the network and the permissions."
        ) from error
