"""Recognises the format of a text file by its content and name."""

import json
import re
from typing import Literal

from absl import logging

from data_pipelines.corpus.plain_text import DOCUMENT_TAG
from data_pipelines.files.byte_lines import COMPRESSED, byte_chunks
from data_pipelines.files.signatures import Content, find_signature

Format = Literal["plain_text", "json_lines", "wikipedia_dump", "wikiextractor"]

_JSON = (".json", ".jsonl", ".ndjson")
_TABLES = (".csv", ".tsv")

_TO_TEXT = "save it as plain text"
_ADVICE: dict[Content, str] = {
    "table": "write its texts as JSON lines: datasets.Dataset.to_json, pandas' "
    "to_json(orient='records', lines=True)",
    "document": f"{_TO_TEXT} (pdftotext, pandoc)",
    "archive": "extract its text",
    "compressed": "decompress it, or rename it to end in .gz, .bz2 or .xz accordingly",
}
_MARKUP = re.compile(r"<(\?xml|!doctype html|html)\b", re.IGNORECASE)
_JSON_BEGINNING = re.compile(r'\[?\s*\{\s*"[^"]*"\s*:')
_DUMP = re.compile(r"(?:<\?xml[^>]*>)?\s*<mediawiki\b")

# Pairs of characters that result from decoding one UTF-8 letter as Windows-1252.
_MOJIBAKE = re.compile(
    "Ã[\x80-\xbfƒ„…†‡ˆ‰Š‹Œ‘’“”•–—˜™š›œžŸ]|â€[\x9d™œ“”˜¦]|Â[\xa0-\xbf]"
)
_MIN_MOJIBAKE = 5
_MIN_MOJIBAKE_SHARE = 1 / 2000

_MIN_TABLE_LINES = 5
_MIN_TABLE_SHARE = 0.9


def format_of(source: str) -> Format:
    """Returns the text format of a file.

    Raises:
        ValueError: the file has an unsupported format.
    """
    name = source.lower()
    for ending in COMPRESSED:
        name = name.removesuffix(ending)
    head = next(byte_chunks(source), b"")
    signature = find_signature(head)
    if signature is not None:
        raise _refused(source, f"is {signature.name}", _ADVICE[signature.content])
    text = head[: 1 << 16].decode("utf-8", "ignore").removeprefix("\ufeff").lstrip()
    if _DUMP.match(text) or name.endswith(".xml"):
        return "wikipedia_dump"
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    first = lines[0] if lines else ""
    if DOCUMENT_TAG.fullmatch(first):
        return "wikiextractor"
    if _MARKUP.match(text):
        kind = "XML" if first.lower().startswith("<?xml") else "HTML"
        raise _refused(source, f"is {kind}", f"extract its text, or {_TO_TEXT}")
    if name.endswith(_JSON) or _is_json(lines):
        return "json_lines"
    if name.endswith(_TABLES):
        raise _refused(
            source,
            "is a table according to its name",
            "write its texts as JSON lines, or one per line to a .txt file",
        )
    _warn_of_table(source, lines[:-1])
    _warn_of_mojibake(source, text)
    return "plain_text"


def _refused(source: str, found: str, advice: str) -> ValueError:
    return ValueError(
        f"{source} {found}. Expected plain text, JSON lines, or a Wikipedia dump: "
        f"{advice}."
    )


def _is_json(lines: list[str]) -> bool:
    """Returns True if a file that begins with these lines is JSON or JSON lines."""
    if not _JSON_BEGINNING.match(" ".join(lines[:2])):
        return False
    try:
        json.loads(lines[0])
    except ValueError:
        return True
    # An object followed by prose is an example in a text.
    return lines[1:2] == [] or lines[1].startswith("{")


def _warn_of_table(source: str, lines: list[str]) -> None:
    tabs = [line.count("\t") for line in lines]
    if len(tabs) < _MIN_TABLE_LINES or not max(tabs):
        return
    usual = max(set(tabs), key=tabs.count)
    if usual and tabs.count(usual) >= _MIN_TABLE_SHARE * len(tabs):
        logging.warning(
            "%s: the lines have %d tab-separated columns, all of which are read as "
            "text. Remove the columns that are not text (such as with cut -f1).",
            *(source, usual + 1),
        )


def _warn_of_mojibake(source: str, text: str) -> None:
    found = _MOJIBAKE.findall(text)
    if len(found) >= max(_MIN_MOJIBAKE, _MIN_MOJIBAKE_SHARE * len(text)):
        logging.warning(
            "%s: the beginning contains %d sequences such as %r, as if UTF-8 had been "
            "decoded as Windows-1252 and saved again. Repair the file (such as with "
            "ftfy).",
            *(source, len(found), found[0]),
        )
