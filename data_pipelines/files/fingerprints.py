"""Fingerprints of files, by which a later run knows the contents that it began with.

A fingerprint is `{"bytes": 210, "read": 210, "digest": "9f86d081884c7d65"}`: the size,
how many of these bytes were read, and the beginning of their SHA-256. Files of 1 GiB in
all are read whole. Of more, the larger ones are read in part, in blocks of 256 KiB that
are spread evenly from the beginning to the end, so that all together is 1 GiB; but at
least 64 KiB of each file. A change that keeps the size of a file and lies between the
blocks is not seen. The times of files have no part in it.
"""

import concurrent.futures
import hashlib
import os
from collections.abc import Iterable, Mapping
from typing import Any

import tensorflow as tf

Fingerprint = dict[str, Any]

_BLOCK = 1 << 18
# Bytes that are read: of all files together, and at least of each.
_MOST, _LEAST = 1 << 30, 1 << 16
# Remote files are waited for.
_NUM_THREADS = 8


def fingerprints(paths: Iterable[str]) -> dict[str, Fingerprint]:
    """Fingerprints of files, local or remote, by their paths.

    Raises:
        OSError, tf.errors.OpError: a file cannot be read.
    """
    paths = list(dict.fromkeys(paths))
    with concurrent.futures.ThreadPoolExecutor(_NUM_THREADS) as threads:
        sizes = list(threads.map(_size, paths))
        most = _MOST
        while most > _LEAST and sum(min(size, most) for size in sizes) > _MOST:
            most //= 2
        reads = [min(size, most) for size in sizes]
        digests = list(threads.map(_digest, paths, sizes, reads))
    return {
        path: {"bytes": size, "read": read, "digest": digest}
        for path, size, read, digest in zip(paths, sizes, reads, digests, strict=True)
    }


def present(*paths: str | None) -> list[str]:
    """Those of the paths at which there is a file; a pipe can be read only once."""
    return [path for path in paths if path and _is_file(path)]


def _is_file(path: str) -> bool:
    if "://" not in path:
        return os.path.isfile(path)
    return tf.io.gfile.exists(path) and not tf.io.gfile.isdir(path)


def changes(found: Mapping[str, Fingerprint], files: Mapping[str, str]) -> list[str]:
    """Says of each file that is not as it was how it differs.

    Args:
        found: the fingerprints then, by names.
        files: the paths now, by names.

    Returns:
        Such as `["a.txt has changed", "b.txt is new", "c.txt is gone"]`.
    """
    names = [name for name in found if name in files]
    with concurrent.futures.ThreadPoolExecutor(_NUM_THREADS) as threads:
        same = list(threads.map(lambda name: is_same(files[name], found[name]), names))
    changed = [name for name, is_equal in zip(names, same, strict=True) if not is_equal]
    return [
        *(f"{name} has changed" for name in changed),
        *(f"{name} is new" for name in files if name not in found),
        *(f"{name} is gone" for name in found if name not in files),
    ]


def shown(differences: list[str]) -> str:
    """Differences as a part of a sentence, of many the first."""
    first, more = differences[:3], len(differences) - 3
    return ", ".join([*first, f"and {more} more"] if more > 0 else first)


def is_same(path: str, found: Fingerprint) -> bool:
    """True if a file has the fingerprint."""
    size, read = _size(path), found["read"]
    return size == found["bytes"] and _digest(path, size, read) == found["digest"]


def _size(path: str) -> int:
    return tf.io.gfile.stat(path).length


def _digest(path: str, size: int, read: int) -> str:
    digest, block = hashlib.sha256(), min(_BLOCK, read)
    # TensorFlow reads half a megabyte after each seek.
    with tf.io.gfile.GFile(path, "rb") if "://" in path else open(path, "rb") as file:
        if read == size:
            while chunk := file.read(_BLOCK):
                digest.update(chunk)
        else:
            count = read // block
            for number in range(count):
                file.seek(number * (size - block) // max(count - 1, 1))
                digest.update(file.read(block))
    return digest.hexdigest()[:16]
