"""Recognises formats of non-text files by their first bytes."""

from typing import Literal, NamedTuple

# The kind of content determines the advice on how to convert the file to text.
Content = Literal["table", "document", "archive", "compressed"]


class Signature(NamedTuple):
    """First bytes of a format's files, its name in a sentence, and its content."""

    beginning: bytes
    name: str
    content: Content


_SIGNATURES = tuple(
    Signature(*row)
    for row in (
        (b"PAR1", "a Parquet file", "table"),
        (b"ARROW1", "an Arrow file", "table"),
        (b"\xff\xff\xff\xff", "an Arrow file", "table"),
        (b"FEA1", "a Feather file", "table"),
        (b"ORC", "an ORC file", "table"),
        (b"Obj\x01", "an Avro file", "table"),
        (b"\x89HDF", "an HDF5 file", "table"),
        (b"SQLite format 3", "an SQLite database", "table"),
        (b"%PDF-", "a PDF", "document"),
        (b"{\\rtf", "an RTF document", "document"),
        (b"\xd0\xcf\x11\xe0", "a file of old Microsoft Office", "document"),
        (b"PK\x03\x04", "a spreadsheet, a document or a ZIP archive", "document"),
        (b"7z\xbc\xaf", "a 7z archive", "archive"),
        (b"Rar!\x1a", "a RAR archive", "archive"),
        (b"WARC/1", "a web archive (WARC)", "archive"),
        (b"\x1f\x8b", "compressed by gzip", "compressed"),
        (b"BZh", "compressed by bzip2", "compressed"),
        (b"\xfd7zXZ", "compressed by xz", "compressed"),
        (b"\x28\xb5\x2f\xfd", "compressed by Zstandard", "compressed"),
        (b"\x04\x22\x4d\x18", "compressed by LZ4", "compressed"),
    )
)
_TAR = Signature(b"ustar", "a tar archive", "archive")
_TAR_PLACE = 257
# Prose may begin with these letters, too.
_LETTERS = (b"PAR1", b"FEA1", b"ORC", b"BZh", b"PK\x03\x04")


def find_signature(head: bytes) -> Signature | None:
    """Returns the format of a file with these first bytes; None if it may be text."""
    if head[_TAR_PLACE:].startswith(_TAR.beginning):
        return _TAR
    found = next((s for s in _SIGNATURES if head.startswith(s.beginning)), None)
    if found is not None and found.beginning in _LETTERS and not _is_binary(head):
        return None
    return found


def _is_binary(head: bytes) -> bool:
    try:
        head[:1024].decode("utf-8")
    except UnicodeDecodeError as error:
        return error.reason != "unexpected end of data"
    return any(byte < ord("\t") or ord("\r") < byte < ord(" ") for byte in head[:1024])
