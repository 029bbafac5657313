"""Files that are no text, told by their names and by how they begin."""

import itertools
import json
from collections.abc import Sequence

import tensorflow as tf

from data_pipelines.files.byte_lines import byte_chunks

_EXCEL = "a spreadsheet", "save it as CSV (UTF-8)"
_COLUMNS = "a table of another format", "write it as CSV or JSON lines, as pandas does"
_PACKED = "compressed", "decompress it, or compress it with gzip (.gz)"
_MARKUP = "HTML or XML", "save the table in it as CSV"
_BY_ENDING = {
    **dict.fromkeys(("xlsx", "xls", "xlsm", "xlsb", "ods", "numbers"), _EXCEL),
    **dict.fromkeys(("parquet", "feather", "arrow", "orc", "avro", "pkl"), _COLUMNS),
    **dict.fromkeys(("sqlite", "db", "sav", "dta", "rds", "h5", "hdf5"), _COLUMNS),
    **dict.fromkeys(("zip", "xz", "zst", "7z", "tar", "tgz", "rar"), _PACKED),
    **dict.fromkeys(("html", "htm", "xml"), _MARKUP),
}
_BY_BEGINNING = {
    b"PK\x03\x04": (
        "a spreadsheet or an archive",
        "save it as CSV (UTF-8), or unpack it",
    ),
    b"\xd0\xcf\x11\xe0": _EXCEL,
    b"PAR1": _COLUMNS,
    b"ARROW1": _COLUMNS,
    b"FEA1": _COLUMNS,
    b"ORC": _COLUMNS,
    b"Obj\x01": _COLUMNS,
    b"SQLite format 3": _COLUMNS,
    b"\x1f\x8b": ("compressed", "let its name end in .gz"),
    b"BZh": _PACKED,
    b"\xfd7zXZ": _PACKED,
    b"\x28\xb5\x2f\xfd": _PACKED,
    b"7z\xbc\xaf": _PACKED,
}


def require_text(path: str) -> None:
    """Refuses a file that is known to be no text, by its name or by how it begins.

    Raises:
        FileNotFoundError: no such file.
        ValueError: it is a spreadsheet, a table of another format, or compressed.
    """
    if not tf.io.gfile.exists(path) or tf.io.gfile.isdir(path):
        raise FileNotFoundError(f"No file {path!r}. Expected a file: check the name.")
    found = _BY_ENDING.get(path.lower().rpartition(".")[2])
    if found is None:
        start = next(byte_chunks(path), b"")
        known = (
            start.startswith(begin) and _is_binary(start) for begin in _BY_BEGINNING
        )
        found = next(itertools.compress(_BY_BEGINNING.values(), known), None)
    if found is not None:
        raise _refusal(path, *found)


def require_no_markup(path: str, lines: Sequence[str]) -> None:
    """Refuses JSON and HTML where delimited text is expected.

    Args:
        lines: the first ones.
    """
    text = next((line.strip() for line in lines if line.strip()), "")
    if text.casefold().startswith(("<!doctype", "<html", "<table", "<?xml")):
        raise _refusal(path, *_MARKUP)
    if text in ("{", "[", "[{") or (text.startswith(("{", "[{")) and _is_json(text)):
        raise _refusal(path, "JSON", "let its name end in .jsonl")


def _refusal(path: str, received: str, advice: str) -> ValueError:
    return ValueError(
        f"{path} is {received}. Expected text, such as CSV, TSV or JSON lines: "
        f"{advice}."
    )


def _is_binary(start: bytes) -> bool:
    try:
        start[:1024].decode("utf-8")
    except UnicodeDecodeError as error:
        return error.reason != "unexpected end of data"
    return b"\0" in start[:1024]


def _is_json(text: str) -> bool:
    """True if an object stands at the beginning, in an array perhaps."""
    try:
        value, _ = json.JSONDecoder().raw_decode(text.removeprefix("["))
    except ValueError:
        return False
    return isinstance(value, dict)
