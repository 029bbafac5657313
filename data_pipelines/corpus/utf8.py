"""Files that should be UTF-8: what is not is skipped and counted, within limits."""

from collections import Counter
from collections.abc import Iterator

from data_pipelines.files.byte_lines import byte_chunks, byte_lines

_MAX_INVALID_SHARE = 0.1


def lines_of_text(source: str, longest: int | None = None) -> Iterator[bytes]:
    """Reads the lines of a file, not yet decoded; see `byte_lines`.

    Raises:
        ValueError: the file is not text in UTF-8, or its compression is broken.
    """
    return byte_lines(_text_chunks(source), longest)


def decode(data: bytes, counts: Counter) -> str:
    """Text, without bytes that are not UTF-8, counted as `invalid_bytes`."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        counts["invalid_bytes"] += _num_invalid(data)
        return data.decode("utf-8", "ignore")


def _text_chunks(source: str) -> Iterator[bytes]:
    position = 0
    for chunk in byte_chunks(source):
        zero = chunk.find(b"\0")
        if zero >= 0:
            raise ValueError(
                f"{source}: byte {position + zero} is zero, so this is no UTF-8 text. "
                "Expected text: leave the file out, decompress it, or convert it from "
                "UTF-16 (iconv -f UTF-16 -t UTF-8)."
            )
        num_invalid = 0 if position else _num_invalid(chunk)
        # A character may be cut at the end of the chunk.
        if num_invalid > _MAX_INVALID_SHARE * len(chunk) + 3:
            raise ValueError(
                f"{source}: {num_invalid} of the first {len(chunk)} bytes are not "
                "UTF-8. Expected UTF-8 text: leave the file out, or convert it "
                "(iconv -f GB18030 -t UTF-8, or whatever it is written in)."
            )
        yield chunk
        position += len(chunk)


def _num_invalid(data: bytes) -> int:
    if data.isascii():
        return 0
    return len(data) - len(data.decode("utf-8", "ignore").encode("utf-8"))
