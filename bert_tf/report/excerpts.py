"""Selects the examples that a report shows, and excerpts of their texts."""

import dataclasses
import itertools
import re
from collections.abc import Iterable, Sequence

import numpy as np

# A cut is moved by up to this number of characters to fall between words.
_SLACK = 20
# Excerpts with a smaller gap between them are joined.
_GAP = 30
_SPACELESS = re.compile(r"[\u3000-\u30ff\u3400-\u9fff\uf900-\ufaff\uff00-\uffef]")


@dataclasses.dataclass(frozen=True)
class Mark:
    """A range of characters, `end` not included, and the CSS class of its mark."""

    start: int
    end: int
    kind: str


@dataclasses.dataclass(frozen=True)
class Part:
    """A part of a text that is shown.

    Attributes:
        text: the characters.
        kind: CSS classes of its mark; "" if it is not marked.
        label: a small label at the end of the mark.
        crossed: the text that it replaces, shown crossed out.
    """

    text: str
    kind: str = ""
    label: str = ""
    crossed: str = ""


def hardest(
    right: np.ndarray, confidences: np.ndarray, num_wrong: int = 20, num_right: int = 8
) -> list[int]:
    """The most confident wrong answers, then the least confident right ones.

    Args:
        right: bool (examples,), whether the answer is right.
        confidences: float (examples,), the probability of the answer.
        num_wrong, num_right: the maximum number of each.
    """
    wrong_places, right_places = np.flatnonzero(~right), np.flatnonzero(right)
    wrong = wrong_places[np.argsort(-confidences[wrong_places], kind="stable")]
    rights = right_places[np.argsort(confidences[right_places], kind="stable")]
    return [*wrong[:num_wrong].tolist(), *rights[:num_right].tolist()]


def spread(places: Sequence[int], count: int) -> list[int]:
    """At most `count` of the places, evenly spaced from the first to the last."""
    chosen = np.linspace(0, len(places) - 1, min(count, len(places)))
    return [places[int(place)] for place in np.round(chosen)]


def shortened(text: str, limit: int = 320) -> str:
    """The text, or its beginning and end if it has more than `limit` characters."""
    if len(text) <= limit:
        return text
    start = _between_words(text, limit * 2 // 3, -1)
    end = _between_words(text, len(text) - limit // 3, 1)
    return f"{text[:start].rstrip()} … {text[end:].lstrip()}"


def marked(text: str, marks: Iterable[Mark], margin: int = 160) -> list[Part]:
    """Excerpts of a text around its marks; without marks, the shortened text.

    Marks may overlap: the overlap has both kinds.

    Args:
        text: the whole text.
        marks: the marks, in any order.
        margin: the number of characters shown before and after each mark.
    """
    marks = [mark for mark in marks if 0 <= mark.start < mark.end]
    if not marks:
        return [Part(shortened(text))]
    ranges = _shown_ranges(text, marks, margin)
    parts = _with_marks(text, *ranges[0], marks)
    for start, end in ranges[1:]:
        parts += [Part(" … "), *_with_marks(text, start, end, marks)]
    before = "… " if ranges[0][0] > 0 else ""
    after = " …" if ranges[-1][1] < len(text) else ""
    return [Part(before), *parts, Part(after)]


def spaced(parts: Iterable[Part]) -> list[Part]:
    """Words with spaces between them, except between two Chinese or Japanese words."""
    found: list[Part] = []
    for part in parts:
        if found:
            ends = found[-1].text[-1:], part.text[:1]
            if not all(_SPACELESS.fullmatch(end) for end in ends):
                found.append(Part(" "))
        found.append(part)
    return found


def joined_words(words: Iterable[str]) -> str:
    """Joins words to a text; see `spaced`."""
    return "".join(part.text for part in spaced(map(Part, words)))


def _shown_ranges(
    text: str, marks: Sequence[Mark], margin: int
) -> list[tuple[int, int]]:
    ranges: list[tuple[int, int]] = []
    for mark in sorted(marks, key=lambda mark: mark.start):
        start = _between_words(text, max(0, mark.start - margin), 1)
        end = _between_words(text, min(len(text), mark.end + margin), -1)
        start, end = min(start, mark.start), max(end, mark.end)
        start += len(text[start : mark.start]) - len(text[start : mark.start].lstrip())
        if ranges and start - ranges[-1][1] < _GAP:
            ranges[-1] = ranges[-1][0], max(end, ranges[-1][1])
        else:
            ranges.append((start, end))
    return ranges


def _between_words(text: str, place: int, step: int) -> int:
    """Moves a place in a direction to the next gap between words, if it is near."""
    for moved in range(_SLACK):
        near = place + step * moved
        if near <= 0 or near >= len(text) or text[near].isspace():
            return min(max(near, 0), len(text))
    return place


def _with_marks(text: str, start: int, end: int, marks: Sequence[Mark]) -> list[Part]:
    edges = {edge for mark in marks for edge in (mark.start, mark.end)}
    cuts = sorted({start, end} | {edge for edge in edges if start < edge < end})
    parts = []
    for first, last in itertools.pairwise(cuts):
        kinds = {m.kind for m in marks if m.start <= first and last <= m.end}
        parts.append(Part(text[first:last], " ".join(sorted(kinds))))
    return parts
