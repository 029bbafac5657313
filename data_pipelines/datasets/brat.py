"""Reads tagged sentences from brat's standoff files: a text, and `.ann` with spans."""

import os
import re
from collections.abc import Iterator

import tensorflow as tf

from data_pipelines.datasets.read_log import ReadLog
from data_pipelines.datasets.tagged_reader import Sentence
from data_pipelines.datasets.tagged_spans import (
    UNSPACED,
    Span,
    in_characters,
    places_of_words,
    tag_words,
)
from data_pipelines.datasets.text_files import existing, read_lines
from data_pipelines.files.paths import is_folder

# T1<TAB>Person 0 4<TAB>Kofi; discontinuous spans have several offset pairs, with ";".
_ENTITY = re.compile(
    r"T\d+\t(?P<type>\S+) (?P<places>\d+ \d+(;\d+ \d+)*)\t(?P<text>.*)"
)


def annotations_of(path: str) -> str | None:
    """Returns the `.ann` file of a text or `.ann` path; None if it is not from brat."""
    root, ending = os.path.splitext(path)
    if ending == ".ann":
        return path
    return existing(f"{root}.ann") if ending == ".txt" else None


def documents_in(path: str) -> tuple[str, ...]:
    """Returns the `.ann` files of a folder, or the path itself."""
    if not is_folder(path):
        return (path,)
    names = sorted(n for n in tf.io.gfile.listdir(path) if n.endswith(".ann"))
    return tuple(os.path.join(path, name) for name in names) or (path,)


def sentences(annotations: str, log: ReadLog) -> Iterator[Sentence]:
    """Yields the lines of one document's text, each with its tags.

    Raises:
        FileNotFoundError: there is no text beside the `.ann` file.
        ValueError: an entity line is malformed, or a span is not in the text.
    """
    path = f"{annotations.removesuffix('.ann')}.txt"
    lines = list(read_lines(path))
    spans = (
        list(_spans(annotations, log)) if tf.io.gfile.stat(annotations).length else []
    )
    text, wrong = "", None
    # If the text has carriage returns, they count as characters.
    for end in ("\n", "\r\n"):
        text = end.join(lines)
        spans, wrong = in_characters(text, spans, is_utf16=False)
        if wrong is None:
            break
    if wrong is not None:
        raise ValueError(
            f"{annotations}: {wrong} in {path}. Expected the annotated text, "
            "unchanged: export both files again."
        )
    start = 0
    is_first = True
    for number, (line, words) in enumerate(
        zip(lines, places_of_words(lines, UNSPACED), strict=True), start=1
    ):
        inside = [
            Span(max(s.start - start, 0), min(s.end - start, len(line)), s.type)
            for s in spans
            if s.start < start + len(line) and s.end > start
        ]
        if any(s.start < start < s.end for s in spans):
            log.warn("span split at the end of a line", f"line {number}")
        if words:
            found, tags, _ = tag_words(line, words, inside, log, f"line {number}")
            yield Sentence(
                place=f"line {number}", words=found, tags=tags, opens_document=is_first
            )
            is_first = False
        start += len(line) + len(end)


def _spans(path: str, log: ReadLog) -> Iterator[Span]:
    for number, line in enumerate(read_lines(path), start=1):
        if not line.startswith("T"):
            continue
        match = _ENTITY.fullmatch(line.rstrip())
        if match is None:
            raise ValueError(
                f"{path}, line {number}: received {line[:100]!r}. Expected 'T1', a "
                "tab, the type, the start and end offsets, a tab and the text: "
                "correct the line."
            )
        parts = match["places"].split(";")
        if len(parts) > 1:
            log.warn("discontinuous span read as several spans", f"line {number}")
        for part in parts:
            start, end = map(int, part.split())
            text = match["text"] if len(parts) == 1 else None
            yield Span(start, end, match["type"], text)
