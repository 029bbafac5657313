"""Converts texts with annotated spans to words with tags."""

import dataclasses
import itertools
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from data_pipelines.datasets.read_log import ReadLog
from data_pipelines.tokenizers.words import split_words

# Scripts without spaces: in texts with spans, each character is a word.
UNSPACED = ("Han", "Hiragana", "Katakana")
# Start and end of a word or span in its text.
Place = tuple[int, int]


@dataclasses.dataclass(frozen=True, order=True)
class Span:
    """An entity in a text.

    Attributes:
        start, end: offsets in characters (code points), the end exclusive.
        type: type of the entity.
        text: text of the span according to the file; None if it does not give it.
    """

    start: int
    end: int
    type: str
    text: str | None = None


def places_of_words(
    texts: Sequence[str], single: Sequence[str] = ()
) -> list[list[Place]]:
    """Splits running texts into words like a tagger; returns offsets in characters.

    For `single` see `split_words`.
    """
    encoded = tf.constant([text.encode() for text in texts])
    _, starts, ends = split_words(encoded, single)
    found = []
    rows = zip(texts, starts.to_list(), ends.to_list(), strict=True)
    for text, firsts, lasts in rows:
        data = np.frombuffer(text.encode(), np.uint8)
        # Number of characters before each byte.
        before = np.concatenate([[0], np.cumsum((data & 0xC0) != 0x80)])
        places = zip(before[firsts].tolist(), before[lasts].tolist(), strict=True)
        found.append(list(places))
    return found


def in_characters(
    text: str, spans: Sequence[Span], is_utf16: bool
) -> tuple[list[Span], str | None]:
    """Converts offsets of spans to characters; also returns what is wrong, or None.

    Label Studio counts UTF-16 code units, two for an emoji. The texts of the spans, if
    given, decide the unit.

    Args:
        text: the text.
        spans: spans with offsets in characters or UTF-16 code units.
        is_utf16: whether the file is from a tool that may count code units.
    """
    as_given = list(spans)
    if all(_agrees(text, span) for span in as_given):
        # Without the texts of the spans, offsets after an emoji are ambiguous.
        is_certain = text.isascii() or max(text) <= "\uffff"
        if not is_utf16 or is_certain or all(span.text is not None for span in spans):
            return as_given, None
        return as_given, "ambiguous offsets after an emoji: the spans have no texts"
    units = text.encode("utf-16-le")

    def characters(offset: int) -> int:
        return len(units[: 2 * offset].decode("utf-16-le", "ignore"))

    counted = [
        Span(characters(span.start), characters(span.end), span.type, span.text)
        for span in spans
    ]
    if all(_agrees(text, span) for span in counted):
        return counted, None
    return as_given, "a span whose text is not at its offsets"


def tag_words(
    text: str, words: Sequence[Place], spans: Sequence[Span], log: ReadLog, place: str
) -> tuple[list[str], list[str] | None, str]:
    """Returns the words of a text and their tags in IOB2.

    Words are split where a span begins or ends. Of overlapping spans, the first or
    longest is kept.

    Returns:
        The words, the tags (None if a span is outside of the text), and the reason for
        missing tags.
    """
    kept: list[Span] = []
    for span in sorted(set(spans), key=lambda s: (s.start, -s.end, s.type)):
        if not 0 <= span.start <= span.end <= len(text):
            return [text[a:b] for a, b in words], None, "a span beyond the text"
        inside = text[span.start : span.end]
        start = span.end - len(inside.lstrip())
        end = span.start + len(inside.rstrip())
        if start >= end:
            log.warn("empty span skipped", place)
            continue
        if end - start < len(inside):
            log.warn("white space at the ends of a span removed", place)
        if kept and start < kept[-1].end:
            if (start, end, span.type) != dataclasses.astuple(kept[-1])[:3]:
                log.warn("overlapping span skipped", place)
            continue
        kept.append(Span(start, end, span.type))
    if "\n" in text.strip():
        log.warn("line break in a text read as a space", place)
    cuts = {offset for span in kept for offset in (span.start, span.end)}
    found: list[Place] = []
    for start, end in words:
        inner = sorted(cut for cut in cuts if start < cut < end)
        if inner:
            log.warn("word split where a span begins or ends", place)
        edges = [start, *inner, end]
        found += itertools.pairwise(edges)
    tags = ["O"] * len(found)
    number = 0
    for span in kept:
        while number < len(found) and found[number][0] < span.start:
            number += 1
        prefix = "B"
        while number < len(found) and found[number][1] <= span.end:
            tags[number] = f"{prefix}-{span.type}"
            prefix = "I"
            number += 1
    return [text[a:b] for a, b in found], tags, ""


def _agrees(text: str, span: Span) -> bool:
    if span.text is None:
        return True
    return _plain(text[max(span.start, 0) : max(span.end, 0)]) == _plain(span.text)


def _plain(text: str) -> str:
    """Normalizes white space, which tools change."""
    return " ".join(text.replace("\\n", "\n").replace("\\r", "\r").split())
