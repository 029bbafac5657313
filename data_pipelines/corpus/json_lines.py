"""Documents of JSON lines: the field `text` of an object a line."""

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

from absl import logging

from data_pipelines.corpus.markers import divided, without_markers
from data_pipelines.corpus.plain_text import without_escapes
from data_pipelines.corpus.utf8 import decode, lines_of_text, split_lines

_EXPECTED = 'Expected an object a line, such as {"text": "…"}'
# A file whose first objects all lack a text is one of another kind.
_MAX_MISSING_AT_FIRST = 1000


def json_documents(source: str, counts: Counter) -> Iterator[list[str]]:
    """Yields the lines of one document after another, also of empty ones.

    Objects whose text is null or missing are left out, and counted as
    `missing_texts`.

    Raises:
        ValueError: a line is no JSON object, its text is no string, or all objects (or
            the first thousand) lack one.
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
            # JSON can spell halves of surrogate pairs, which are no characters.
            text = decode(text.encode("utf-8", "surrogatepass"), counts)
            yield from divided(split_lines(without_markers(text)))
        elif text is None or text != text:  # A number that is none: NaN.
            lacking = lacking if num_missing else (number, entry)
            num_missing += 1
            if num_missing >= _MAX_MISSING_AT_FIRST and not has_text:
                break
        else:
            raise ValueError(
                f"{where}: no string 'text' but {type(text).__name__}: "
                f"{json.dumps(text, ensure_ascii=False)[:100]}. {_EXPECTED}."
            )
    if num_missing and not has_text:
        number, entry = lacking
        raise ValueError(
            f"{source}, line {number}: no string 'text' but "
            f"{str(sorted(entry))[:200]}, as in all objects{_up_to(num_missing)}. "
            f"{_EXPECTED}{_renamed(entry)}."
        )
    if num_missing:
        counts["missing_texts"] += num_missing
        logging.warning(
            "%s: left out %d objects whose 'text' is null or missing, the first in "
            "line %d.",
            *(source, num_missing, lacking[0]),
        )


def _object(content: str, where: str) -> dict[str, Any]:
    try:
        entry = json.loads(content)
    except (ValueError, RecursionError) as error:
        command = "jq -c '.[]'" if content.startswith("[") else "jq -c ."
        raise ValueError(
            f"{where}: not JSON ({error}). {_EXPECTED} ({command} FILE writes them so)."
        ) from None
    if isinstance(entry, list):
        raise ValueError(
            f"{where}: no string 'text' but an array. {_EXPECTED} (jq -c '.[]' FILE "
            "writes them so)."
        )
    if not isinstance(entry, dict):
        raise ValueError(f"{where}: no string 'text' but {content[:50]}. {_EXPECTED}.")
    return entry


def _up_to(number: int) -> str:
    return f" of the first {number}" if number >= _MAX_MISSING_AT_FIRST else ""


def _renamed(entry: dict[str, Any]) -> str:
    """Advice to rename the field of an object that has the longest string."""
    lengths = {name: len(v) for name, v in entry.items() if isinstance(v, str)}
    if not lengths:
        return ""
    longest = max(lengths, key=lengths.__getitem__)
    return f": jq -c '{{text: .{longest}}}' FILE renames a field"
