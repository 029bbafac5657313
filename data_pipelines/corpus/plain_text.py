"""Documents of plain text: a file is one, or several that something separates."""

import re
from collections import Counter
from collections.abc import Iterator

from absl import logging

from data_pipelines.corpus.layout import Separator
from data_pipelines.corpus.markers import NEW_ARTICLE, NEW_DOCUMENT, without_markers
from data_pipelines.corpus.utf8 import decode, lines_of_text, split_lines

# A larger document is yielded in parts. Only damaged or wrongly separated files have
# such ones: the longest novel has a tenth of it.
_MAX_DOCUMENT_CHARACTERS = 1 << 25

# ` = Title = ` opens an article of WikiText.
_TITLE = re.compile(r"= (?![= ])(.*[^= ]) =")
# WikiExtractor puts each article between two such lines.
DOCUMENT_TAG = re.compile(r'<doc id="[^"]*" .*>')
_END_TAG = "</doc>"
# What it writes instead of characters, in this order; and tags that it leaves.
_ESCAPES = {"&lt;": "<", "&gt;": ">", "&quot;": '"', "&amp;": "&"}
_LEFT_TAG = re.compile(r"</?(?:templatestyles|br|noinclude|onlyinclude)\b[^<>]*>")


def plain_documents(
    source: str, separator: Separator, counts: Counter
) -> Iterator[list[str]]:
    """Yields the lines of one document after another, empty ones within them too."""
    lines: list[str] = []
    size = 0
    is_divided = in_article = False
    after_blank = True
    for line in _lines(source, counts):
        stripped = line.strip()
        is_mark = stripped in (NEW_ARTICLE, NEW_DOCUMENT)
        is_title = after_blank and bool(_TITLE.fullmatch(stripped))
        in_article |= is_title or stripped == NEW_ARTICLE
        is_border = separator == "blank_line" and not stripped and not in_article
        ends = is_mark or is_title or is_border
        # Only where more of the document follows is it divided.
        is_long = (
            not ends
            and bool(stripped)
            and size > _MAX_DOCUMENT_CHARACTERS
            and (after_blank or size > 2 * _MAX_DOCUMENT_CHARACTERS)
        )
        if is_long and not is_divided:
            counts["divided_documents"] += 1
            logging.warning(
                "%s: a document of more than %d characters is divided; "
                "separator='blank_line' may suit this file better.",
                source,
                _MAX_DOCUMENT_CHARACTERS,
            )
        if ends or is_long:
            if lines:
                yield lines
            lines, size = [], 0
            is_divided = is_long
        if is_mark:
            stripped = ""
        # Empty lines tell paragraphs apart; before the first and in a row, nothing.
        if stripped or (lines and not after_blank):
            lines.append(line)
            size += len(line)
        after_blank = not stripped
    if lines:
        yield lines


def extracted_documents(source: str, counts: Counter) -> Iterator[list[str]]:
    """Yields the lines of the articles of WikiExtractor, titles at their beginning."""
    lines: list[str] = []
    for line in _lines(source, counts):
        stripped = line.strip()
        if stripped == _END_TAG or DOCUMENT_TAG.fullmatch(stripped):
            if lines:
                yield lines
            lines = []
        elif stripped or lines:
            lines.append(without_escapes(line))
    if lines:
        yield lines


def without_escapes(text: str) -> str:
    """A text of WikiExtractor without the escapes and tags that it leaves there."""
    for escape, character in _ESCAPES.items():
        text = text.replace(escape, character)
    return _LEFT_TAG.sub("", text) if "<" in text else text


def _lines(source: str, counts: Counter) -> Iterator[str]:
    for line in lines_of_text(source, _MAX_DOCUMENT_CHARACTERS):
        text = decode(line, counts).removesuffix("\r")
        yield from split_lines(without_markers(text))
