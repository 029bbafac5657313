"""Which examples a report shows, and what of their texts."""

import dataclasses
import itertools
import re
from collections.abc import Sequence

import numpy as np

from bert_tf.report.page import Html, escape, join, tag

# A cut is moved by up to so many characters to fall between words.
_SLACK = 20
# Pieces of a text that are less far apart are shown as one.
_GAP = 30
_SPACELESS = re.compile(r"[\u3000-\u30ff\u3400-\u9fff\uf900-\ufaff\uff00-\uffef]")


@dataclasses.dataclass(frozen=True)
class Mark:
    """Characters of a text that are marked.

    Attributes:
        start: the first.
        end: the one after the last.
        kind: CSS class of the mark.
    """

    start: int
    end: int
    kind: str


def hardest(
    right: np.ndarray, confidences: np.ndarray, num_wrong: int = 20, num_right: int = 8
) -> tuple[list[int], list[int]]:
    """The most confident wrong answers, and the least confident right ones.

    Args:
        right: bool (examples,), whether the answer is.
        confidences: float (examples,), the probability of the answer.
        num_wrong, num_right: how many at most.
    """
    wrong_places = np.flatnonzero(~right)
    wrong = wrong_places[np.argsort(-confidences[wrong_places], kind="stable")]
    right_places = np.flatnonzero(right)
    rights = right_places[np.argsort(confidences[right_places], kind="stable")]
    return wrong[:num_wrong].tolist(), rights[:num_right].tolist()


def spread(places: Sequence[int], count: int) -> list[int]:
    """So many of them, from the first to the last at equal distances."""
    chosen = np.linspace(0, len(places) - 1, min(count, len(places)))
    return [places[int(place)] for place in np.round(chosen)]


def shortened(text: str, limit: int = 320) -> str:
    """The beginning and the end of a text that is longer than the limit."""
    if len(text) <= limit:
        return text
    start = _between_words(text, limit * 2 // 3, -1)
    end = _between_words(text, len(text) - limit // 3, 1)
    return f"{text[:start].rstrip()} … {text[end:].lstrip()}"


def marked(text: str, marks: Sequence[Mark], margin: int = 160) -> Html:
    """What stands round the marks of a text, with the marks.

    Marks may overlap: what they share has both kinds. Without marks it is the text,
    shortened.

    Args:
        text: all of it.
        marks: in any order.
        margin: how many characters are shown before and after each mark.
    """
    marks = [mark for mark in marks if 0 <= mark.start < mark.end]
    if not marks:
        return escape(shortened(text))
    pieces = _pieces(text, marks, margin)
    shown = join((_with_marks(text, *piece, marks) for piece in pieces), " … ")
    before = "… " if pieces[0][0] > 0 else ""
    after = " …" if pieces[-1][1] < len(text) else ""
    return join([before, shown, after])


def joined_words(words: Sequence[str]) -> str:
    """Words with spaces between them, except between two of Chinese or Japanese."""
    text = ""
    for word in words:
        space = "" if not text or needs_no_space(text, word) else " "
        text += space + word
    return text


def needs_no_space(before: str, after: str) -> bool:
    """Whether both are of a script that is written without spaces."""
    ends = before[-1:], after[:1]
    return all(_SPACELESS.fullmatch(end) for end in ends)


def _pieces(text: str, marks: Sequence[Mark], margin: int) -> list[tuple[int, int]]:
    pieces: list[tuple[int, int]] = []
    for mark in sorted(marks, key=lambda mark: mark.start):
        start = _between_words(text, max(0, mark.start - margin), 1)
        end = _between_words(text, min(len(text), mark.end + margin), -1)
        start, end = min(start, mark.start), max(end, mark.end)
        start += len(text[start : mark.start]) - len(text[start : mark.start].lstrip())
        if pieces and start - pieces[-1][1] < _GAP:
            pieces[-1] = pieces[-1][0], max(end, pieces[-1][1])
        else:
            pieces.append((start, end))
    return pieces


def _between_words(text: str, place: int, step: int) -> int:
    """The nearest place between two words in a direction, if there is one near."""
    for moved in range(_SLACK):
        near = place + step * moved
        if near <= 0 or near >= len(text) or text[near].isspace():
            return min(max(near, 0), len(text))
    return place


def _with_marks(text: str, start: int, end: int, marks: Sequence[Mark]) -> Html:
    inside = [mark for mark in marks if mark.start < end and mark.end > start]
    edges = {edge for mark in inside for edge in (mark.start, mark.end)}
    cuts = sorted({start, end} | {edge for edge in edges if start < edge < end})
    parts = []
    for first, last in itertools.pairwise(cuts):
        kinds = {m.kind for m in inside if m.start <= first and last <= m.end}
        part = text[first:last]
        parts.append(tag("mark", part, kind=" ".join(sorted(kinds))) if kinds else part)
    return join(parts)
