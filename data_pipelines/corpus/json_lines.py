"""Reads documents from JSON lines: the field `text` of one object per line."""

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

from absl import logging

from data_pipelines.corpus.markers import divided, without_markers
from data_pipelines.corpus.plain_text import without_escapes
from data_pipelines.corpus.utf8 import decode, lines_of_text, split_lines

_EXPECTED = 'Expected one object per line, such as {"text": "…"}'
# If this many objects at the beginning lack a text, the file is of another kind.
_MAX_MISSING_AT_FIRST = 1000


def json_documents(source: str, counts: Counter) -> Iterator[list[str]]:
    """Yields the lines of each document, including empty documents.

    Objects whose text is null or missing are skipped, and counted as `missing_texts`.

    Raises:
        ValueError: a line is not a JSON object, a text is not a string, or all objects
            (or the first thousand) lack one.
    """
    num_missing = 0
    has_text = False
    lacking: tuple[int, dict] = (0, {})
    for number, line in enumerate(lines_of_text(source), start=1):
        content = decode(line, counts).strip().removeprefix("\ufeff")
        if not content:
            continue
        where = f"{source}, line {number}"
        entry = _object(content, where)
        text = entry.get("text")
        if isinstance(text, str):
            has_text = True
            if "curid=" in str(entry.get("url")):
                text = without_escapes(text)
            # JSON can contain lone surrogates, which are not characters.
            text = decode(text.encode("utf-8", "surrogatepass"), counts)
            yield from divided(split_lines(without_markers(text)))
        elif text is None or text != text:  # NaN.
            lacking = lacking if num_missing else (number, entry)
            num_missing += 1
            if num_missing >= _MAX_MISSING_AT_FIRST and not has_text:
                break
        else:
            raise ValueError(
                f"{where}: 'text' is not a string but {type(text).__name__}: "
                f"{json.dumps(text, ensure_ascii=False)[:100]}. {_EXPECTED}."
            )
    if num_missing and not has_text:
        number, entry = lacking
        raise ValueError(
            f"{source}, line {number}: no string 'text' in the fields "
            f"{str(sorted(entry))[:200]}, as in all objects{_up_to(num_missing)}. "
            f"{_EXPECTED}{_renamed(entry)}."
        )
    if num_missing:
        counts["missing_texts"] += num_missing
        logging.warning(
            "%s: skipped %d objects whose 'text' is null or missing, the first in "
            "line %d.",
            *(source, num_missing, lacking[0]),
        )


def _object(content: str, where: str) -> dict[str, Any]:
    try:
        entry = json.loads(content)
    except (ValueError, RecursionError) as error:
        command = "jq -c '.[]'" if content.startswith("[") else "jq -c ."
        raise ValueError(
            f"{where}: not JSON ({error}). {_EXPECTED}: convert it with {command} FILE."
        ) from None
    if isinstance(entry, list):
        raise ValueError(
            f"{where}: received an array. {_EXPECTED}: convert it with jq -c '.[]' "
            "FILE."
        )
    if not isinstance(entry, dict):
        raise ValueError(f"{where}: received {content[:50]}. {_EXPECTED}.")
    return entry


def _up_to(number: int) -> str:
    return f" of the first {number}" if number >= _MAX_MISSING_AT_FIRST else ""


def _renamed(entry: dict[str, Any]) -> str:
    """Returns advice to rename the field with the longest string."""
    lengths = {name: len(v) for name, v in entry.items() if isinstance(v, str)}
    if not lengths:
        return ""
    longest = max(lengths, key=lengths.__getitem__)
    return f": jq -c '{{text: .{longest}}}' FILE renames a field"
