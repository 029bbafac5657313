"""Extracts the text of the articles from a dump of a Wikipedia.

    python -m data_pipelines.create_pretraining_data \\
        --input_files=enwiki-latest-pages-articles.xml.bz2 ...

What is kept is running text, as for BERT (paper, section 3.1): no tables, lists,
headings, templates, references or pictures, no redirects or pages other than articles.
"""

import re
import xml.etree.ElementTree
from collections.abc import Iterator
from typing import Any

from data_pipelines.files.byte_lines import open_decompressed
from data_pipelines.programs.extras import extra

DUMPS = (".xml", ".xml.bz2", ".xml.gz")

# Of every Wikipedia, beside the names in its own language.
_NAMESPACES = ("file", "image", "media", "category", "template", "help", "portal")
# What such tags enclose is no running text.
_LEFT_OUT = frozenset(
    [
        *("ref", "references", "table", "gallery", "math", "chem", "code", "pre"),
        *("syntaxhighlight", "source", "timeline", "score", "hiero", "imagemap"),
    ]
)
_LIST_ITEM = re.compile(r"^[*#;:].*$", re.MULTILINE)
# [[de:Titel]]: the same article elsewhere.
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[a-z-]+)?:")
# What is left where a template stood: "( , )", and space before punctuation.
_EMPTY_BRACKETS = re.compile(r"[(（][\s,;:，；：、]*[)）]")
_SPACE_BEFORE = re.compile(r" +(?=[,.;:!?)])")


def articles(source: str) -> Iterator[list[str]]:
    """The lines of text of one article after another, also of empty ones.

    Args:
        source: a file that ends as one of `DUMPS`, local or remote.

    Raises:
        ImportError: mwparserfromhell is not installed.
        ValueError: the file is not such a dump, or is cut off.
    """
    namespaces = set(_NAMESPACES)
    try:
        for element in _elements(source):
            if element.tag == "namespace" and element.text:
                namespaces.add(element.text.lower())
            is_article = element.tag == "page" and element.findtext("ns") == "0"
            if is_article and element.find("redirect") is None:
                markup = element.findtext("revision/text") or ""
                yield _text_of(markup, namespaces).split("\n")
    except (xml.etree.ElementTree.ParseError, EOFError, OSError) as error:
        raise ValueError(
            f"{source} is broken: {error}. Expected a whole dump of a Wikipedia, "
            "pages-articles.xml.bz2: copy it again."
        ) from None


def _elements(source: str) -> Iterator[xml.etree.ElementTree.Element]:
    """Elements of the dump at their ends, their names without the version's prefix."""
    with open_decompressed(source) as stream:
        root = None
        for event, element in xml.etree.ElementTree.iterparse(stream, ("start", "end")):
            element.tag = element.tag.rpartition("}")[2]
            if root is None:
                root = element
                if root.tag != "mediawiki":
                    raise ValueError(
                        f"{source} begins with <{root.tag}>. Expected a dump of a "
                        "Wikipedia, which begins with <mediawiki>."
                    )
            if event == "end":
                yield element
                if element.tag == "page":
                    # The root would keep a stub of each.
                    root.clear()


def _text_of(markup: str, namespaces: set[str]) -> str:
    """The text in the markup of a page, a paragraph a line."""
    with extra("wikipedia"):
        from mwparserfromhell import nodes, parse

    def text_in(code: Any) -> str:
        return "".join(map(text_of_node, code.nodes)) if code else ""

    def text_of_node(node: Any) -> str:
        if isinstance(node, nodes.Text):
            return node.value
        if isinstance(node, nodes.HTMLEntity):
            return node.normalize()
        if isinstance(node, nodes.ExternalLink):
            return text_in(node.title)
        if isinstance(node, nodes.Wikilink):
            title = str(node.title).strip().lower()
            name, colon, _ = title.partition(":")
            other_language = not node.text and _LANGUAGE.match(title)
            if (colon and name in namespaces) or other_language:
                return ""
            return text_in(node.text or node.title)
        if isinstance(node, nodes.Tag):
            name = str(node.tag).strip().lower()
            if name == "br":
                return " "
            return "" if name in _LEFT_OUT else text_in(node.contents)
        return ""  # Templates, headings, comments.

    text = text_in(parse(_LIST_ITEM.sub("", markup)))
    text = _SPACE_BEFORE.sub("", _EMPTY_BRACKETS.sub("", text))
    return "\n".join(" ".join(line.split()) for line in text.split("\n"))
