"""Marks that the makers of corpora put into texts in the place of their structure.

`_START_ARTICLE_`, `_START_SECTION_`, `_START_PARAGRAPH_` and `_NEWLINE_` are those of
Wiki-40B (Guo et al. 2020), `<|endoftext|>` is that of GPT-2 between documents.
"""

import re
from collections.abc import Iterator

# Lines of their own where an article begins, in which empty lines separate nothing, or
# any document.
NEW_ARTICLE, NEW_DOCUMENT = "\x00article", "\x00document"
_LINE = re.compile(r"_START_(?:SECTION|PARAGRAPH)_|_NEWLINE_")
# What every mark contains: a search for these is fast.
_SIGNS = ("_START_", "_NEWLINE_", "<|endoftext|>")


def without_markers(text: str) -> str:
    r"""A text with ends of lines for marks, and `NEW_...` where a document begins.

    `"_START_SECTION_\nRain\n_START_PARAGRAPH_\nIt rained._NEWLINE_We left."` becomes
    `"\n\nRain\n\n\nIt rained.\nWe left."`: titles and headings stay, as lines.
    """
    if not any(sign in text for sign in _SIGNS):
        return text
    text = text.replace("_START_ARTICLE_", f"\n{NEW_ARTICLE}\n")
    text = text.replace("<|endoftext|>", f"\n{NEW_DOCUMENT}\n")
    return _LINE.sub("\n", text)


def divided(lines: list[str]) -> Iterator[list[str]]:
    """The documents in lines of a text of `without_markers`, none of them empty."""
    document: list[str] = []
    for line in lines:
        if line not in (NEW_ARTICLE, NEW_DOCUMENT):
            document.append(line)
        elif any(map(str.strip, document)):
            yield document
            document = []
    yield document
