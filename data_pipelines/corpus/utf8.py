"""Files that should be UTF-8: what is not is skipped and counted, within limits."""

import re
from collections import Counter
from collections.abc import Iterator

from data_pipelines.files.byte_lines import byte_chunks, byte_lines

_MAX_INVALID_SHARE = 0.1
# A return alone ends lines of old systems, a form feed those of a page.
_LINE_END = re.compile(r"\r?\n|[\r\f]")
# A letter of an encoding of one byte a character: it stands alone among ASCII. The
# last byte, 0xFF, is damage more often than the letter that it is in Latin-1.
_SINGLE_BYTE_LETTER = re.compile(rb"(?<![\x80-\xff])[\x80-\xfe](?![\x80-\xff])")
_MIN_SINGLE_BYTE_LETTERS = 3


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


def split_lines(text: str) -> list[str]:
    """The lines of a text, without byte order marks before them.

    A mark is left in the middle where files that had one were put together.
    """
    # The regular expression, being slow, is for few texts.
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
                f"{source}: byte {position + zero} is zero, so this is no UTF-8 text. "
                "Expected text: leave the file out, decompress it, or convert it from "
                "UTF-16 (iconv -f UTF-16 -t UTF-8)."
            )
        if position == 0:
            _check_encoding(source, chunk)
        yield chunk
        position += len(chunk)


def _check_encoding(source: str, chunk: bytes) -> None:
    """Raises ValueError if the beginning of a file is of another encoding."""
    num_invalid = _num_invalid(chunk)
    if not num_invalid:
        return
    single = len(_SINGLE_BYTE_LETTER.findall(chunk))
    num_high = sum(byte >= 0x80 for byte in chunk)
    # Characters of UTF-8 have two such bytes or more, which stand together.
    if single >= _MIN_SINGLE_BYTE_LETTERS and single > 0.5 * num_high:
        raise ValueError(
            f"{source}: {single} letters at its beginning are not UTF-8 but single "
            "bytes, as in Latin-1 or Windows-1252. Expected UTF-8 text: convert it "
            "(iconv -f WINDOWS-1252 -t UTF-8, or whatever it is written in)."
        )
    # A character may be cut at the end of the chunk.
    if num_invalid > _MAX_INVALID_SHARE * len(chunk) + 3:
        raise ValueError(
            f"{source}: {num_invalid} of the first {len(chunk)} bytes are not "
            "UTF-8. Expected UTF-8 text: leave the file out, or convert it "
            "(iconv -f GB18030 -t UTF-8, or whatever it is written in)."
        )


def _num_invalid(data: bytes) -> int:
    if data.isascii():
        return 0
    return len(data) - len(data.decode("utf-8", "ignore").encode("utf-8"))
