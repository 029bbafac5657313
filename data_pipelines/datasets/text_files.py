"""Reads UTF-8 text from local or remote files, compressed or not, line by line."""

import itertools
import posixpath
import sys
from collections.abc import Iterable, Iterator

import tensorflow as tf

from data_pipelines.datasets.other_formats import require_text
from data_pipelines.files.byte_lines import byte_chunks, byte_lines
from data_pipelines.files.paths import exists


def ending_of(path: str | None) -> str:
    """Returns the lower-case ending of a name before `.gz`: "csv" for `a.CSV.gz`.

    It is "" for a name without a dot, and for None.
    """
    name = (path or "").lower().removesuffix(".gz")
    return posixpath.splitext(name)[1].removeprefix(".")


def existing(path: str) -> str | None:
    """Returns the path, or the path with `.gz` appended; None if neither exists."""
    for name in (path, f"{path}.gz"):
        if exists(name) and not tf.io.gfile.isdir(name):
            return name
    return None


def read_lines(path: str | None) -> Iterator[str]:
    """Reads the lines of a file or of standard input, see `decoded_lines`.

    Args:
        path: path of the file, compressed if it ends in `.gz`; None: standard input.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is empty, not UTF-8 text, or its compression is broken.
    """
    if path is None:
        lines = standard_input_lines()
    else:
        require_text(path)
        lines = decoded_lines(byte_chunks(path), path)
    first = next(lines, None)
    if first is None:
        raise ValueError(
            f"{path or 'Standard input'} is empty. Expected text: check the name, or "
            "copy the file again."
        )
    yield first
    yield from lines


def standard_input_lines() -> Iterator[str]:
    """Reads the lines of standard input as they arrive; there may be none."""
    return decoded_lines(sys.stdin.buffer, "Standard input")


def decoded_lines(chunks: Iterable[bytes], source: str) -> Iterator[str]:
    r"""Decodes chunks of bytes to lines, without line ends and a byte order mark.

    Lines end with `\n` or `\r\n`, or with `\r` if the first chunk has no `\n`.

    Args:
        chunks: chunks of UTF-8 text, in order.
        source: name of the text, for messages.

    Raises:
        ValueError: the chunks are not UTF-8 text.
    """
    for line in physical_lines(chunks, source):
        yield line.removesuffix("\r")


def physical_lines(chunks: Iterable[bytes], source: str) -> Iterator[str]:
    r"""Decodes lines like `decoded_lines`, but keeps a `\r` before `\n`."""
    chunks = iter(chunks)
    first = next(chunks, b"")
    chunks = itertools.chain([first], chunks)
    # A chunk that ends in `\r` may be a line whose `\n` is in the next chunk.
    if b"\r" in first.rstrip(b"\r") and b"\n" not in first:
        chunks = (chunk.replace(b"\r", b"\n") for chunk in chunks)
    for number, line in enumerate(byte_lines(chunks), start=1):
        yield _decode(line, f"{source}, line {number}")


def _decode(data: bytes, where: str) -> str:
    if b"\0" in data:
        raise ValueError(
            f"{where}: a byte is zero, so this is not UTF-8 text. Expected UTF-8 text: "
            "decompress it, or convert it from UTF-16 (iconv -f UTF-16 -t UTF-8)."
        )
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        received = data[error.start : error.end]
        raise ValueError(
            f"{where}: byte {error.start + 1}, {received!r}, is not UTF-8. Expected "
            "UTF-8 text: convert the file (iconv -f ENCODING -t UTF-8, such as LATIN1)."
        ) from None
