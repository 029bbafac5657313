"""Structure markers that corpora contain in their texts.

Wiki-40B (Guo et al. 2020) has `_START_ARTICLE_`, `_START_SECTION_`,
`_START_PARAGRAPH_` and `_NEWLINE_`; GPT-2 puts `<|endoftext|>` between documents.
"""

import re
from collections.abc import Iterator

# Separate lines at the beginning of an article, in which empty lines do not separate
# documents, and of any other document.
NEW_ARTICLE, NEW_DOCUMENT = "\x00article", "\x00document"
_LINE = re.compile(r"_START_(?:SECTION|PARAGRAPH)_|_NEWLINE_")
# Substrings of all markers, for a fast check.
_SIGNS = ("_START_", "_NEWLINE_", "<|endoftext|>")


def without_markers(text: str) -> str:
    r"""Replaces markers by line ends, and by `NEW_...` lines where a document begins.

    `"_START_SECTION_\nRain\n_START_PARAGRAPH_\nIt rained._NEWLINE_We left."` becomes
    `"\n\nRain\n\n\nIt rained.\nWe left."`: titles and headings are kept, as lines.
    """
    if not any(sign in text for sign in _SIGNS):
        return text
    text = text.replace("_START_ARTICLE_", f"\n{NEW_ARTICLE}\n")
    text = text.replace("<|endoftext|>", f"\n{NEW_DOCUMENT}\n")
    return _LINE.sub("\n", text)


def divided(lines: list[str]) -> Iterator[list[str]]:
    """Splits the lines of a text from `without_markers` into its documents."""
    document: list[str] = []
    for line in lines:
        if line not in (NEW_ARTICLE, NEW_DOCUMENT):
            document.append(line)
        elif any(map(str.strip, document)):
            yield document
            document = []
    yield document
