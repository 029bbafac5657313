"""UTF-8 text of local or remote files, compressed or not, line by line."""

from collections.abc import Iterable, Iterator

import tensorflow as tf

from data_pipelines.files.byte_lines import byte_chunks, byte_lines


def existing(path: str) -> str | None:
    """The file, or the one with `.gz` behind its name; None if there is neither."""
    for name in (path, f"{path}.gz"):
        if tf.io.gfile.exists(name) and not tf.io.gfile.isdir(name):
            return name
    return None


def read_lines(path: str) -> Iterator[str]:
    r"""The lines of a file without their ends, `\n` or `\r\n`; no byte order mark.

    Args:
        path: compressed if it ends in `.gz`.

    Raises:
        FileNotFoundError: no such file.
        ValueError: it is empty, not UTF-8 text, or its compression is broken.
    """
    if not tf.io.gfile.exists(path) or tf.io.gfile.isdir(path):
        raise FileNotFoundError(f"No file {path!r}. Expected a file: check the name.")
    yield from decoded_lines(byte_chunks(path), path)


def decoded_lines(chunks: Iterable[bytes], source: str) -> Iterator[str]:
    """The same lines from chunks of bytes; messages name them by `source`."""
    number = 0
    for number, line in enumerate(byte_lines(chunks), start=1):
        yield decode_line(line.removesuffix(b"\r"), f"{source}, line {number}")
    if not number:
        raise ValueError(
            f"{source} is empty. Expected text: check the name, or copy it."
        )


def decode_line(data: bytes, where: str) -> str:
    """The text of a line.

    Raises:
        ValueError: it is not UTF-8 text.
    """
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
