"""Joins hard-wrapped lines of plain text into paragraphs; keeps other lines."""

import itertools
import re
from collections.abc import Iterable, Iterator

from data_pipelines.corpus.layout import Lines

# ` = = Section = = ` is a heading in WikiText.
_HEADING = re.compile(r"(?:= ?){1,6}(?![= ])(.*[^= ])(?: ?=){1,6}")
# Ideographs, kana, their punctuation and wide forms: written without spaces.
_UNSPACED = re.compile(
    "[\u2e80-\u2fdf\u3001-\u30ff\u31c0-\u4dbf\u4e00-\u9fff\uf900-\ufaff\ufe30-\ufe4f"
    "\uff00-\uffef\U00020000-\U0003134f]"
)
_HYPHENATED = re.compile(r".*[^\W\d_]-")
_INDENTED = re.compile(r"  |\t|\u3000")

# Criteria for hard-wrapped lines. They classify a hundred novels correctly, 55 of them
# wrapped, as well as sentences, titles and verses, one per line.
_MIN_WRAPPED_LINES = 6
_MAX_WIDTH = 130
_MIN_WIDTH = 40
_MIN_UNSPACED_WIDTH = 15
_MIN_FULL_SHARE = 0.6
_MAX_ENDING_SHARE = 0.5
_MAX_CAPITAL_SHARE = 0.7
_MIN_INNER_STOPS = 0.05
_PARAGRAPH_END = tuple(".!?:;\"'”’»)]*-—。！？：；」』）…")
# The end of a sentence at the end of a line, and within a line.
_ENDING = re.compile(r"[.!?…:;。！？：；｡।॥؟۔።։။།][\"'”’»)\]_*」』）]*$")
_INNER_STOP = re.compile(
    r"[.!?…][\"'”’»)\]_*]*\s|[。！？｡।॥؟۔።։။།][\"'”’」』]*(?=[^\"'”’」』])"
)

# Number of characters to examine at the beginning of a file, and number of lines from
# which a document is judged by itself.
_SAMPLE_CHARACTERS = 1 << 17
_MIN_LINES_OF_ITS_OWN = 40
_MAX_SAMPLE_LINES = 20_000


def paragraphs_of(
    documents: Iterable[list[str]], lines: Lines = "auto"
) -> Iterator[list[str]]:
    r"""Yields the paragraphs of each document, without empty ones.

    `["IT WAS", "", "The sky was grey, and the rain came", "down on us. We left."]`
    (and more of this width) becomes `["IT WAS", "The sky was grey, and the rain came
    down on us. We left."]`. If lines are not wrapped, each is a paragraph.

    Args:
        documents: the lines of each document of a file.
        lines: see `Layout`. A few lines can have the same width by chance: documents of
            fewer than 40 lines are treated like the beginning of the file.
    """
    documents = iter(documents)
    first: list[list[str]] = []
    size = 0
    while lines == "auto" and size < _SAMPLE_CHARACTERS:
        document = next(documents, None)
        if document is None:
            break
        first.append(document)
        size += sum(map(len, document))
    sample = [_tidy(line) for document in first for line in (*document, "")]
    width_of_file = wrap_width(sample)
    for document in itertools.chain(first, documents):
        texts = [_tidy(line) for line in document]
        is_long = sum(map(bool, texts)) >= _MIN_LINES_OF_ITS_OWN
        width: int | None = None
        if lines == "auto":
            width = wrap_width(texts) if is_long else width_of_file
        elif lines == "wrapped":
            # Without empty lines, only short lines can end a paragraph.
            width = _usual_width(texts) if is_long and "" not in texts else 0
        yield _joined(document, texts, width)


def _tidy(line: str) -> str:
    text = " ".join(line.split())
    return _HEADING.sub(r"\1", text) if text[:1] == "=" == text[-1:] else text


def _joined(lines: list[str], texts: list[str], width: int | None) -> list[str]:
    """Returns the paragraphs of a document wrapped at a width; None: not wrapped."""
    if width is None:
        return [text for text in texts if text]
    indented = [bool(_INDENTED.match(line)) for line in lines]
    # If many lines are indented, indentation does not mark paragraphs.
    if sum(indented) > len(lines) / 3:
        indented = [False] * len(lines)
    joined: list[list[str]] = []
    previous = ""
    for text, is_indented in zip(texts, indented, strict=True):
        if not text:
            pass
        elif not previous or is_indented or _ends_paragraph(previous, text, width):
            joined.append([text])
        else:
            joined[-1].append(_space(previous, text) + text)
        previous = text
    return ["".join(parts) for parts in joined]


def wrap_width(texts: list[str]) -> int | None:
    """Returns the width at which lines are wrapped; None if they are not.

    In wrapped text, few lines have room for the first word of the next line, sentences
    end within lines rather than at line ends, and most lines begin in the middle of a
    sentence, without a capital. Sentences, titles, verses and list entries, one per
    line, lack one of these three properties.

    Args:
        texts: stripped lines; an empty one ends a paragraph.
    """
    texts = texts[:_MAX_SAMPLE_LINES]
    widths = sorted(len(text) for text in texts if text)
    if len(widths) < _MIN_WRAPPED_LINES:
        return None
    width = _usual_width(texts)
    is_unspaced = sum(map(len, map(_UNSPACED.findall, texts))) * 2 > sum(widths)
    smallest = _MIN_UNSPACED_WIDTH if is_unspaced else _MIN_WIDTH
    # Some lines may be longer: tables, or where pages were joined.
    longer = widths[int(len(widths) * 0.98)]
    if not smallest <= width <= _MAX_WIDTH or longer > 1.5 * width:
        return None
    pairs = [(a, b) for a, b in itertools.pairwise(texts) if a and b]
    num_full = sum(_width_with_next_word(a, b) > 0.88 * width for a, b in pairs)
    unfinished = [b for a, b in pairs if not _ENDING.search(a)]
    num_ending = len(pairs) - len(unfinished)
    num_capitals = sum(following[0].isupper() for following in unfinished)
    num_inner = sum(len(_INNER_STOP.findall(a)) for a, _ in pairs)
    shows_wrapping = (
        num_full >= max(_MIN_FULL_SHARE * len(pairs), 3)
        and num_ending <= _MAX_ENDING_SHARE * len(pairs)
        and num_capitals <= _MAX_CAPITAL_SHARE * len(unfinished)
        and num_inner >= _MIN_INNER_STOPS * len(pairs)
    )
    return width if shows_wrapping else None


def _usual_width(texts: list[str]) -> int:
    """Returns the 95th percentile of the line widths."""
    widths = sorted(len(text) for text in texts if text)
    return widths[int(len(widths) * 0.95)]


def _width_with_next_word(text: str, following: str) -> int:
    if _UNSPACED.match(following):
        return len(text) + 1
    return len(text) + 1 + len(following.split(" ", 1)[0])


def _ends_paragraph(text: str, following: str, width: int) -> bool:
    # Some wrapped books have no empty lines: a short line ends a paragraph.
    return _width_with_next_word(text, following) < 0.8 * width and (
        text.endswith(_PARAGRAPH_END) or not following[0].islower()
    )


def _space(text: str, following: str) -> str:
    if _UNSPACED.match(text[-1]) and _UNSPACED.match(following):
        return ""
    # `self-` and `importance` are joined; a dash between words has spaces around it.
    if _HYPHENATED.fullmatch(text) and following[0].isalpha():
        return ""
    return " "
