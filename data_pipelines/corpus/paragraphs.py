"""Joins hard-wrapped lines of plain text to paragraphs; other lines stay."""

import itertools
import re

# ` = = Section = = ` is a heading in WikiText.
_HEADING = re.compile(r"(?:= ?){1,6}(?![= ])(.*[^= ])(?: ?=){1,6}")
# Ideographs, kana, their punctuation and wide forms: written without spaces.
_UNSPACED = re.compile(
    "[\u2e80-\u2fdf\u3001-\u30ff\u31c0-\u4dbf\u4e00-\u9fff\uf900-\ufaff\ufe30-\ufe4f"
    "\uff00-\uffef\U00020000-\U0003134f]"
)
_HYPHENATED = re.compile(r".*[^\W\d_]-")
_INDENTED = re.compile(r"  |\t|\u3000")

# What counts as hard-wrapped lines. All of a hundred novels, three quarters of them
# wrapped, are on the right side.
_MIN_WRAPPED_LINES = 6
_MAX_WIDTH = 130
_MIN_WIDTH = 40
_MIN_UNSPACED_WIDTH = 15
_MIN_FULL_SHARE = 0.6
_PARAGRAPH_END = tuple(".!?:;\"'”’»)]*-—。！？：；」』）…")


def paragraphs(lines: list[str]) -> list[str]:
    r"""The paragraphs of a document, without line ends and empty ones.

    `["IT WAS", "", "The sky was grey, and the rain came", "down on us. We left."]`
    (and more of this width) becomes `["IT WAS", "The sky was grey, and the rain came
    down on us. We left."]`. Where lines are not wrapped, each is a paragraph.
    """
    texts = [" ".join(line.split()) for line in lines]
    texts = [_HEADING.sub(r"\1", t) if t[:1] == "=" == t[-1:] else t for t in texts]
    width = _wrap_width(texts)
    if width is None:
        return [text for text in texts if text]
    indented = [bool(_INDENTED.match(line)) for line in lines]
    # Where most lines are indented it means nothing.
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


def _wrap_width(texts: list[str]) -> int | None:
    """The width at which lines are wrapped; None if they are not.

    In wrapped text few lines have room for the first word of the next one. Lines that
    are sentences or entries of a list have it often, and their widths differ.
    """
    widths = sorted(len(text) for text in texts if text)
    if len(widths) < _MIN_WRAPPED_LINES:
        return None
    width = widths[int(len(widths) * 0.95)]
    is_unspaced = sum(map(len, map(_UNSPACED.findall, texts))) * 2 > sum(widths)
    smallest = _MIN_UNSPACED_WIDTH if is_unspaced else _MIN_WIDTH
    # Some lines may be longer: a table, or where pages were put together.
    longer = widths[int(len(widths) * 0.98)]
    if not smallest <= width <= _MAX_WIDTH or longer > 1.5 * width:
        return None
    is_full = [
        _width_with_next_word(text, following) > 0.88 * width
        for text, following in itertools.pairwise(texts)
        if text and following
    ]
    return width if sum(is_full) >= max(_MIN_FULL_SHARE * len(is_full), 3) else None


def _width_with_next_word(text: str, following: str) -> int:
    if _UNSPACED.match(following):
        return len(text) + 1
    return len(text) + 1 + len(following.split(" ", 1)[0])


def _ends_paragraph(text: str, following: str, width: int) -> bool:
    # Some wrapped books have no empty lines: a paragraph ends where a line is short.
    return _width_with_next_word(text, following) < 0.8 * width and (
        text.endswith(_PARAGRAPH_END) or not following[0].islower()
    )


def _space(text: str, following: str) -> str:
    if _UNSPACED.match(text[-1]) and _UNSPACED.match(following):
        return ""
    # `self-` and `importance` belong together; a dash between words has spaces.
    if _HYPHENATED.fullmatch(text) and following[0].isalpha():
        return ""
    return " "
