"""Reads UTF-8 files; skips and counts invalid bytes, up to a limit."""

import re
from collections import Counter
from collections.abc import Iterator

from data_pipelines.files.byte_lines import byte_chunks, byte_lines

_MAX_INVALID_SHARE = 0.1
# A lone carriage return ends lines on old systems, a form feed ends a page.
_LINE_END = re.compile(r"\r?\n|[\r\f]")
# A letter of a single-byte encoding: one high byte between ASCII bytes. 0xFF is more
# often a sign of damage than the Latin-1 letter.
_SINGLE_BYTE_LETTER = re.compile(rb"(?<![\x80-\xff])[\x80-\xfe](?![\x80-\xff])")
_MIN_SINGLE_BYTE_LETTERS = 3


def lines_of_text(source: str, longest: int | None = None) -> Iterator[bytes]:
    """Reads the undecoded lines of a file; see `byte_lines`.

    Raises:
        ValueError: the file is not UTF-8 text, or its compression is broken.
    """
    return byte_lines(_text_chunks(source), longest)


def decode(data: bytes, counts: Counter) -> str:
    """Decodes UTF-8; invalid bytes are dropped and counted as `invalid_bytes`."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        counts["invalid_bytes"] += _num_invalid(data)
        return data.decode("utf-8", "ignore")


def split_lines(text: str) -> list[str]:
    """Splits a text into lines, and removes byte order marks at their beginning.

    Concatenated files may contain byte order marks in the middle.
    """
    # The regular expression is slow, but few texts need it.
    is_plain = "\r" not in text and "\f" not in text
    lines = text.split("\n") if is_plain else _LINE_END.split(text)
    if "\ufeff" in text:
        return [line.removeprefix("\ufeff") for line in lines]
    return lines


def _text_chunks(source: str) -> Iterator[bytes]:
    position = 0
    for chunk in byte_chunks(source):
        zero = chunk.find(b"\0")
        if zero >= 0:
            raise ValueError(
                f"{source}: byte {position + zero} is zero, so this is not UTF-8 text. "
                "Expected UTF-8 text: leave the file out, decompress it, or convert it "
                "from UTF-16 (iconv -f UTF-16 -t UTF-8)."
            )
        if position == 0:
            _check_encoding(source, chunk)
        yield chunk
        position += len(chunk)


def _check_encoding(source: str, chunk: bytes) -> None:
    """Raises ValueError if the beginning of a file has another encoding."""
    num_invalid = _num_invalid(chunk)
    if not num_invalid:
        return
    single = len(_SINGLE_BYTE_LETTER.findall(chunk))
    num_high = sum(byte >= 0x80 for byte in chunk)
    # In UTF-8 such characters have at least two adjacent high bytes.
    if single >= _MIN_SINGLE_BYTE_LETTERS and single > 0.5 * num_high:
        raise ValueError(
            f"{source}: {single} letters at its beginning are not UTF-8 but single "
            "bytes, as in Latin-1 or Windows-1252. Expected UTF-8 text: convert the "
            "file (iconv -f ENCODING -t UTF-8, such as WINDOWS-1252)."
        )
    # A character may be cut at the end of the chunk.
    if num_invalid > _MAX_INVALID_SHARE * len(chunk) + 3:
        raise ValueError(
            f"{source}: {num_invalid} of the first {len(chunk)} bytes are not "
            "UTF-8. Expected UTF-8 text: leave the file out, or convert it "
            "(iconv -f ENCODING -t UTF-8, such as GB18030)."
        )


def _num_invalid(data: bytes) -> int:
    if data.isascii():
        return 0
    return len(data) - len(data.decode("utf-8", "ignore").encode("utf-8"))
