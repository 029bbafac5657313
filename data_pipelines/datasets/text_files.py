"""UTF-8 text of local or remote files, compressed or not, line by line."""

import itertools
import posixpath
import sys
from collections.abc import Iterable, Iterator

import tensorflow as tf

from data_pipelines.datasets.other_formats import require_text
from data_pipelines.files.byte_lines import byte_chunks, byte_lines
from data_pipelines.files.paths import exists


def ending_of(path: str | None) -> str:
    """The ending of a name, before `.gz`, in lower case: "csv" of `a.CSV.gz`.

    Of a name without a dot, and of None, it is "".
    """
    name = (path or "").lower().removesuffix(".gz")
    return posixpath.splitext(name)[1].removeprefix(".")


def existing(path: str) -> str | None:
    """The file, or the one with `.gz` behind its name; None if there is neither."""
    for name in (path, f"{path}.gz"):
        if exists(name) and not tf.io.gfile.isdir(name):
            return name
    return None


def read_lines(path: str | None) -> Iterator[str]:
    """The lines of a file, or of standard input, as `decoded_lines` gives them.

    Args:
        path: compressed if it ends in `.gz`; None: standard input.

    Raises:
        FileNotFoundError: no such file.
        ValueError: it is empty, not UTF-8 text, or its compression is broken.
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
            "copy it."
        )
    yield first
    yield from lines


def standard_input_lines() -> Iterator[str]:
    """The lines of standard input as they arrive; there may be none."""
    return decoded_lines(sys.stdin.buffer, "Standard input")


def decoded_lines(chunks: Iterable[bytes], source: str) -> Iterator[str]:
    r"""The lines in chunks of bytes, without their ends and a byte order mark.

    Lines end with `\n` or `\r\n`, or with `\r` where the first chunk has no `\n`.

    Args:
        chunks: of UTF-8 text, in order.
        source: the name of the text in messages.

    Raises:
        ValueError: it is not UTF-8 text.
    """
    for line in physical_lines(chunks, source):
        yield line.removesuffix("\r")


def physical_lines(chunks: Iterable[bytes], source: str) -> Iterator[str]:
    r"""The same lines, but a `\r` before `\n` is kept."""
    chunks = iter(chunks)
    first = next(chunks, b"")
    chunks = itertools.chain([first], chunks)
    # A line that is a whole chunk may lack its end.
    if b"\r" in first.rstrip(b"\r") and b"\n" not in first:
        chunks = (chunk.replace(b"\r", b"\n") for chunk in chunks)
    for number, line in enumerate(byte_lines(chunks), start=1):
        yield _decode(line, f"{source}, line {number}")


def _decode(data: bytes, where: str) -> str:
    if b"\0" in data:
        raise ValueError(
            f"{where}: a byte is zero, so this is no UTF-8 text. Expected text: "
            "decompress it, or convert it from UTF-16 (iconv -f UTF-16 -t UTF-8)."
        )
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        received = data[error.start : error.end]
        raise ValueError(
            f"{where}: byte {error.start + 1}, {received!r}, is not UTF-8. Expected "
            "UTF-8 text: convert the file (iconv -f LATIN1 -t UTF-8, or whatever it is "
            "written in)."
        ) from None
