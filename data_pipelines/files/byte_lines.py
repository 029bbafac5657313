"""Reads local or remote files, compressed or not, as lines of bytes."""

import bz2
import contextlib
import gzip
import lzma
import zlib
from collections.abc import Iterable, Iterator
from typing import Any

import tensorflow as tf

CHUNK_BYTES = 1 << 20
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_NAMES = {"gz": "gzip", "bz2": "bzip2", "xz": "xz"}
COMPRESSED = tuple(f".{ending}" for ending in _NAMES)


@contextlib.contextmanager
def open_decompressed(path: str) -> Iterator[Any]:
    """Opens a file for reading, decompressed if its name ends in a `COMPRESSED`."""
    name = path.lower()
    with tf.io.gfile.GFile(path, "rb") as file:
        if name.endswith(".gz"):
            yield gzip.GzipFile(fileobj=file, mode="rb")
        elif name.endswith(".bz2"):
            yield bz2.BZ2File(file)
        elif name.endswith(".xz"):
            yield lzma.LZMAFile(file)  # noqa: SIM115
        else:
            yield file


def byte_chunks(path: str) -> Iterator[bytes]:
    """Reads a file, up to `CHUNK_BYTES` at a time.

    Raises:
        ValueError: the compression is broken.
    """
    with open_decompressed(path) as stream:
        while True:
            try:
                chunk = stream.read(CHUNK_BYTES)
            except (EOFError, zlib.error, lzma.LZMAError, OSError) as error:
                ending = path.lower().rpartition(".")[2]
                if ending not in _NAMES:
                    raise
                raise ValueError(
                    f"{path}: broken {_NAMES[ending]} data ({error}). Expected a whole "
                    f".{ending} file: copy it again, or rename it if it is not "
                    "compressed."
                ) from None
            if not chunk:
                return
            yield chunk


def byte_lines(chunks: Iterable[bytes], longest: int | None = None) -> Iterator[bytes]:
    r"""Yields the lines of a file, without their `\n` and without a byte order mark.

    Args:
        chunks: chunks of the file, in order.
        longest: maximum length in bytes; longer lines are cut, after a space if any.
    """
    parts: list[bytes] = []
    size = 0
    for number, chunk in enumerate(chunks):
        if number == 0:
            chunk = chunk.removeprefix(BYTE_ORDER_MARK)
        *lines, rest = chunk.split(b"\n")
        if lines:
            lines[0] = b"".join([*parts, lines[0]])
            yield from lines
            parts, size = [], 0
        parts.append(rest)
        size += len(rest)
        if longest is not None and size > longest:
            line = b"".join(parts)
            end = _cut(line)
            yield line[:end]
            parts, size = [line[end:]], len(line) - end
    if size:
        yield b"".join(parts)


def _cut(line: bytes) -> int:
    """Returns where to cut a line: after its last space, else between characters."""
    after_space = line.rfind(b" ", max(len(line) - CHUNK_BYTES, 0)) + 1
    if after_space:
        return after_space
    for end in range(len(line) - 1, len(line) - 5, -1):
        if line[end] & 0xC0 != 0x80:  # The first byte of a character.
            return end
    return len(line)
