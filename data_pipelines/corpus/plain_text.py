"""Reads documents from plain text: whole files, or parts between separators."""

import re
from collections import Counter
from collections.abc import Iterator

from absl import logging

from data_pipelines.corpus.layout import Separator
from data_pipelines.corpus.markers import NEW_ARTICLE, NEW_DOCUMENT, without_markers
from data_pipelines.corpus.utf8 import decode, lines_of_text, split_lines

# Larger documents are yielded in parts. They occur only in damaged or wrongly separated
# files: the longest novel has a tenth of this size.
_MAX_DOCUMENT_CHARACTERS = 1 << 25

# ` = Title = ` starts an article in WikiText.
_TITLE = re.compile(r"= (?![= ])(.*[^= ]) =")
# WikiExtractor puts each article between two such lines.
DOCUMENT_TAG = re.compile(r'<doc id="[^"]*" .*>')
_END_TAG = "</doc>"
# Escapes that WikiExtractor writes, to be replaced in this order; and tags it leaves.
_ESCAPES = {"&lt;": "<", "&gt;": ">", "&quot;": '"', "&amp;": "&"}
_LEFT_TAG = re.compile(r"</?(?:templatestyles|br|noinclude|onlyinclude)\b[^<>]*>")


def plain_documents(
    source: str, separator: Separator, counts: Counter
) -> Iterator[list[str]]:
    """Yields the lines of each document, including empty lines within it."""
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
        # A document is divided only if more of it follows.
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
                "separator='blank_line' may fit this file better.",
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
        # Empty lines separate paragraphs; leading and repeated ones are dropped.
        if stripped or (lines and not after_blank):
            lines.append(line)
            size += len(line)
        after_blank = not stripped
    if lines:
        yield lines


def extracted_documents(source: str, counts: Counter) -> Iterator[list[str]]:
    """Yields the lines of each article from WikiExtractor, beginning with its title."""
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
    """Removes the escapes and tags that WikiExtractor leaves in its output."""
    for escape, character in _ESCAPES.items():
        text = text.replace(escape, character)
    return _LEFT_TAG.sub("", text) if "<" in text else text


def _lines(source: str, counts: Counter) -> Iterator[str]:
    for line in lines_of_text(source, _MAX_DOCUMENT_CHARACTERS):
        text = decode(line, counts).removesuffix("\r")
        yield from split_lines(without_markers(text))
