"""Local or remote files, compressed or not, to lines of bytes."""

import gzip
import zlib
from collections.abc import Iterable, Iterator

import tensorflow as tf

CHUNK_BYTES = 1 << 20
BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def byte_chunks(path: str) -> Iterator[bytes]:
    """What a file holds.

    Args:
        path: compressed if it ends in `.gz`.

    Yields:
        Up to `CHUNK_BYTES` each.

    Raises:
        ValueError: the compression is broken.
    """
    with tf.io.gfile.GFile(path, "rb") as file:
        is_compressed = path.lower().endswith(".gz")
        stream = gzip.GzipFile(fileobj=file, mode="rb") if is_compressed else file
        while True:
            try:
                chunk = stream.read(CHUNK_BYTES)
            except (EOFError, zlib.error, gzip.BadGzipFile) as error:
                raise ValueError(
                    f"{path}: broken gzip data ({error}). Expected a whole .gz file: "
                    "copy it again, or rename it if it is not compressed."
                ) from None
            if not chunk:
                return
            yield chunk


def byte_lines(chunks: Iterable[bytes], longest: int | None = None) -> Iterator[bytes]:
    r"""The lines of a file, without `\n` at their ends and a byte order mark.

    Args:
        chunks: of the file, in order.
        longest: a longer line is cut, in bytes, as some files are one line; None: any
            line is one.
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
    """Where to cut a line: after its last space, else between two characters."""
    after_space = line.rfind(b" ", max(len(line) - CHUNK_BYTES, 0)) + 1
    if after_space:
        return after_space
    for end in range(len(line) - 1, len(line) - 5, -1):
        if line[end] & 0xC0 != 0x80:  # The first byte of a character.
            return end
    return len(line)
