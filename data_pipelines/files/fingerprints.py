"""Fingerprints of files, by which a resumed run recognises its input.

A fingerprint is `{"bytes": 210, "read": 210, "digest": "9f86d081884c7d65"}`: the size,
the number of bytes read, and the beginning of their SHA-256. Up to 1 GiB in total is
read whole. Beyond that, the larger files are sampled in evenly spaced blocks of
256 KiB, so that about 1 GiB is read in total, but at least 64 KiB of each file. A
change between the blocks that keeps the size of the file is not detected. Modification
times are ignored.
"""

import concurrent.futures
import hashlib
import os
from collections.abc import Iterable, Mapping
from typing import Any

import tensorflow as tf

Fingerprint = dict[str, Any]

_BLOCK = 1 << 18
# Bytes to read: maximum for all files together, and minimum for each.
_MOST, _LEAST = 1 << 30, 1 << 16
# Remote files have latency, so several are read at a time.
_NUM_THREADS = 8


def fingerprints(paths: Iterable[str]) -> dict[str, Fingerprint]:
    """Returns fingerprints of local or remote files by path.

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
    """Returns the paths that are files; pipes are left out: they are read only once."""
    return [path for path in paths if path and _is_file(path)]


def _is_file(path: str) -> bool:
    if "://" not in path:
        return os.path.isfile(path)
    return tf.io.gfile.exists(path) and not tf.io.gfile.isdir(path)


def changes(found: Mapping[str, Fingerprint], files: Mapping[str, str]) -> list[str]:
    """Describes the files that differ from their fingerprints.

    Args:
        found: the earlier fingerprints, by name.
        files: the current paths, by name.

    Returns:
        For example `["a.txt has changed", "b.txt is new", "c.txt is gone"]`.
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
    """Formats differences for a message; after three, only their number."""
    first, more = differences[:3], len(differences) - 3
    return ", ".join([*first, f"and {more} more"] if more > 0 else first)


def is_same(path: str, found: Fingerprint) -> bool:
    """Returns True if a file has the fingerprint."""
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
