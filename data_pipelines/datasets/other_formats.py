"""Rejects files that are not text, by their names and first bytes."""

import json
from collections.abc import Sequence

import tensorflow as tf

from data_pipelines.files.byte_lines import byte_chunks
from data_pipelines.files.paths import exists
from data_pipelines.files.signatures import Content, find_signature

_ADVICE: dict[Content, str] = {
    "table": "write it as CSV or JSON lines, as pandas does",
    "document": "save it as CSV (UTF-8), or unpack it",
    "archive": "unpack it",
    "compressed": "decompress it, or compress it with gzip (.gz)",
}
_MARKUP = "HTML or XML", "save the table in it as CSV"
_TABLE = "a table in another format", _ADVICE["table"]
_PACKED = "compressed", _ADVICE["compressed"]
_BY_ENDING = {
    **dict.fromkeys(
        ("xlsx", "xls", "xlsm", "xlsb", "ods", "numbers"),
        ("a spreadsheet", "save it as CSV (UTF-8)"),
    ),
    **dict.fromkeys(("parquet", "feather", "arrow", "orc", "avro", "pkl"), _TABLE),
    **dict.fromkeys(("sqlite", "db", "sav", "dta", "rds", "h5", "hdf5"), _TABLE),
    **dict.fromkeys(("zip", "xz", "zst", "7z", "tar", "tgz", "rar"), _PACKED),
    **dict.fromkeys(("html", "htm", "xml"), _MARKUP),
}


def require_text(path: str) -> None:
    """Rejects a file that its name or first bytes show not to be text.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is a spreadsheet, a table in another format, or compressed.
    """
    if not exists(path) or tf.io.gfile.isdir(path):
        raise FileNotFoundError(f"No file {path!r}. Expected a file: check the name.")
    found = _BY_ENDING.get(path.lower().rpartition(".")[2])
    signature = find_signature(next(byte_chunks(path), b""))
    if found is None and signature is not None:
        found = signature.name, _ADVICE[signature.content]
    if found is not None:
        raise _refusal(path, *found)


def require_no_markup(path: str, lines: Sequence[str]) -> None:
    """Rejects JSON and HTML where delimited text is expected.

    Args:
        path: path of the file, for messages.
        lines: the first lines of the file.
    """
    text = next((line.strip() for line in lines if line.strip()), "")
    if text.casefold().startswith(("<!doctype", "<html", "<table", "<?xml")):
        raise _refusal(path, *_MARKUP)
    if text in ("{", "[", "[{") or (text.startswith(("{", "[{")) and _is_json(text)):
        raise _refusal(path, "JSON", "rename it to end in .jsonl")


def _refusal(path: str, received: str, advice: str) -> ValueError:
    return ValueError(
        f"{path} is {received}. Expected text, such as CSV, TSV or JSON lines: "
        f"{advice}."
    )


def _is_json(text: str) -> bool:
    """Returns True if a text begins with an object, perhaps in an array."""
    try:
        value, _ = json.JSONDecoder().raw_decode(text.removeprefix("["))
    except ValueError:
        return False
    return isinstance(value, dict)
