"""Extracts the text of the articles from a Wikipedia dump.

    python -m data_pipelines.create_pretraining_data \\
        --input_files=enwiki-latest-pages-articles.xml.bz2 ...

Only running text is kept, as for BERT (paper, section 3.1): no tables, lists,
headings, templates, references or pictures, and no redirects, disambiguation pages or
pages other than articles. Templates within a sentence, such as {{lang|fr|mot}} or
{{convert|5|km|mi}}, are replaced by their text.
"""

import re
import xml.etree.ElementTree
from collections.abc import Iterator
from typing import Any

from data_pipelines.corpus.language_variants import first_variants
from data_pipelines.files.byte_lines import open_decompressed
from data_pipelines.programs.extras import extra

# Namespaces whose links are not shown, in any Wikipedia, in addition to those declared
# in the dump: names for categories and files that it does not declare.
_NAMESPACES = (
    *("file", "image", "media", "category", "template", "help", "portal"),
    *("kategorie", "catégorie", "categoría", "categoria", "categorie", "kategoria"),
    *("категория", "категорія", "kategori", "kategória", "luokka", "thể loại"),
    *("分类", "分類", "カテゴリ", "분류", "تصنيف", "رده", "קטגוריה", "श्रेणी", "หมวดหมู่"),
    *("bild", "datei", "fichier", "archivo", "imagen", "immagine", "ficheiro"),
    *("файл", "изображение", "plik", "grafika", "bestand", "文件", "档案", "檔案"),
    *(
        "图像",
        "圖像",
        "ファイル",
        "画像",
        "파일",
        "그림",
        "ملف",
        "صورة",
        "پرونده",
        "קובץ",
    ),
)
_FILE = re.compile(
    r"[^:]+:.*\.(?:jpe?g|png|svg|gif|tiff?|webp|pdf|djvu|og[gva]|webm|mp[34]|wav|mid)"
)
# Tags whose content is not running text.
_LEFT_OUT = frozenset(
    [
        *("ref", "references", "table", "gallery", "math", "chem", "ce", "code", "pre"),
        *("syntaxhighlight", "source", "timeline", "score", "hiero", "imagemap"),
        *("includeonly", "templatestyles", "templatedata", "mapframe", "maplink"),
        *("graph", "indicator", "inputbox", "categorytree", "style"),
    ]
)
# Templates for text within a sentence, and which of their arguments is the text.
_TEXT_TEMPLATES = {
    **dict.fromkeys(("nowrap", "nobr", "small", "big", "abbr", "ill", "illm"), 1),
    **dict.fromkeys(("le", "interlanguage link", "仮リンク", "quote", "cquote"), 1),
    **dict.fromkeys(("blockquote", "iast"), 1),
    **dict.fromkeys(("lang", "transl", "transliteration"), 2),
    "tsl": 3,
}
# The same for names with these prefixes: {{lang-de|...}}, {{link-en|...}}.
_TEXT_TEMPLATE = re.compile("(?:lang|link)-[a-z-]+")
_QUANTITIES = ("convert", "cvt")
_NUMBER_OR_RANGE = re.compile(r"[-+−]?[\d.,/]+|to|and|or|by|x|-|–|to\(-\)|&")
_SIGN_TEMPLATES = {
    **dict.fromkeys(("ndash", "snd", "spaced ndash", "spnd", "–"), " – "),
    **dict.fromkeys(("mdash", "—"), "—"),
    **dict.fromkeys(("nbsp", "space"), " "),
    **{"'": "'", "'s": "'s", "!": "|", "=": "="},
}
# Templates of disambiguation pages.
_DISAMBIGUATIONS = (
    *("disambiguation", "disambig", "dab", "hndis", "geodis", "begriffsklärung"),
    *("homonymie", "desambiguación", "desambiguação", "disambigua", "неоднозначность"),
    *(
        "ujednoznacznienie",
        "doorverwijspagina",
        "消歧义",
        "消歧義",
        "曖昧さ回避",
        "aimai",
    ),
    *("동음이의", "توضيح"),
)
# [[de:Titel]]: the same article in another language.
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[a-z-]+)?:")
# __NOTOC__, also in the language of the Wikipedia: in capitals, or in a script without
# case. English ones in any case; identifiers of C and Perl of this form are kept.
_SWITCH = re.compile(r"__([^\s\[\]{}<>|]+?)__")
_ENGLISH_SWITCHES = frozenset(
    [
        *("TOC", "NOTOC", "FORCETOC", "NOEDITSECTION", "NOGALLERY", "HIDDENCAT"),
        *("NEWSECTIONLINK", "NONEWSECTIONLINK", "INDEX", "NOINDEX", "STATICREDIRECT"),
        *("NOCONTENTCONVERT", "NOCC", "NOTITLECONVERT", "NOTC", "DISAMBIG", "NOGLOBAL"),
        *("EXPECTUNUSEDCATEGORY", "EXPECTUNUSEDTEMPLATE", "ARCHIVEDTALK", "NOTALK"),
    ]
)
_IDENTIFIERS = frozenset(
    [
        *("FILE", "LINE", "DATE", "TIME", "FUNC", "FUNCTION", "CLASS", "METHOD", "DIR"),
        *("NAMESPACE", "COUNTER", "VA_ARGS", "VA_OPT", "STDC", "GNUC", "DATA", "END"),
    ]
)
# Marks the beginning of a list entry; does not occur in markup.
_LIST_MARK = "\x00"
# Remains of unbalanced markup: lines of a table; a template up to the end of its line,
# brackets, tags, quotes.
_TABLE_LINE = re.compile(r"^ *(?:\{?\||\|\}|!.*(?:!!|\|)).*$", re.MULTILINE)
_BROKEN = re.compile(
    r"\{\{.*$|\}\}|\[\[|\]\]|'{2,}"
    r"|</?(?:ref|references|br|nowiki|small|big|span|div|center|noinclude|onlyinclude"
    r"|includeonly|templatestyles|gallery|blockquote|poem|sup|sub|i|b|u|s)\b[^<>]*>",
    re.MULTILINE | re.IGNORECASE,
)
# Remains of removed templates: "( , )", and space before punctuation.
_EMPTY_BRACKETS = re.compile(r"[(（][\s,;:，；：、]*[)）]")
_SPACE_BEFORE = re.compile(r" +(?=[,.;:!?)])")


def articles(source: str) -> Iterator[list[str]]:
    """Yields the lines of text of each article, including empty articles.

    Args:
        source: a local or remote dump, which may be compressed.

    Raises:
        ImportError: mwparserfromhell is not installed.
        ValueError: the file is not a Wikipedia dump, or is truncated.
    """
    namespaces = set(_NAMESPACES)
    try:
        for element in _elements(source):
            if element.tag == "namespace" and element.text:
                namespaces.add(element.text.lower())
            if element.tag == "page" and _is_article(element, namespaces):
                # In dumps with page history, the last revision is the current one.
                versions = element.findall("revision")
                markup = (versions and versions[-1].findtext("text")) or ""
                yield _text_of(markup, namespaces).split("\n")
    except (xml.etree.ElementTree.ParseError, EOFError, OSError) as error:
        raise ValueError(
            f"{source} is damaged: {error}. Expected a complete Wikipedia dump, "
            "pages-articles.xml.bz2: download it again."
        ) from None


def _is_article(page: xml.etree.ElementTree.Element, namespaces: set[str]) -> bool:
    if page.find("redirect") is not None:
        return False
    number = page.findtext("ns")
    if number is None:  # Old dumps give the namespace only in the title.
        prefix, colon, _ = (page.findtext("title") or "").partition(":")
        return not (colon and prefix.strip().lower() in namespaces)
    model = page.findtext("revision/model") or "wikitext"
    return number.strip() == "0" and model == "wikitext"


def _elements(source: str) -> Iterator[xml.etree.ElementTree.Element]:
    """Yields the elements of the dump as they end, without XML namespaces in tags."""
    with open_decompressed(source) as stream:
        root = None
        for event, element in xml.etree.ElementTree.iterparse(stream, ("start", "end")):
            element.tag = element.tag.rpartition("}")[2]
            if root is None:
                root = element
                if root.tag != "mediawiki":
                    raise ValueError(
                        f"{source} begins with <{root.tag}>. Expected a Wikipedia "
                        "dump, which begins with <mediawiki>."
                    )
            if event == "end":
                yield element
                if element.tag == "page":
                    # Otherwise the root would keep every page in memory.
                    root.clear()


def _text_of(markup: str, namespaces: set[str]) -> str:
    """Returns the text of a page's markup, one paragraph per line.

    Of several language variants, the first is taken, see `first_variants`.
    """
    with extra("wikipedia"):
        from mwparserfromhell import nodes, parse

    def text_in(code: Any) -> str:
        return "".join(map(text_of_node, code.nodes)) if code else ""

    def text_of_node(node: Any) -> str:
        if isinstance(node, nodes.Text):
            return _BROKEN.sub("", _SWITCH.sub(_without_switch, node.value))
        if isinstance(node, nodes.HTMLEntity):
            return node.normalize()
        if isinstance(node, nodes.ExternalLink):
            return text_in(node.title)
        if isinstance(node, nodes.Wikilink):
            return (
                ""
                if _is_hidden(node, namespaces)
                else text_in(node.text) or shown(node.title)
            )
        if isinstance(node, nodes.Template):
            return text_of_template(node)
        if isinstance(node, nodes.Tag):
            name = str(node.tag).strip().lower()
            if name == "br":
                return " "
            if node.wiki_markup and name in ("li", "dt", "dd"):
                return _LIST_MARK
            if name == "nowiki":
                return as_written(node.contents)
            return "" if name in _LEFT_OUT else text_in(node.contents)
        return ""  # Headings, comments.

    def as_written(code: Any) -> str:
        return "".join(
            node.normalize() if isinstance(node, nodes.HTMLEntity) else str(node)
            for node in (code.nodes if code else ())
        )

    def shown(title: Any) -> str:
        return text_in(title).strip().removeprefix(":")

    def text_of_template(template: Any) -> str:
        name = str(template.name).strip().lower().replace("_", " ")
        arguments = [text_in(p.value).strip() for p in template.params if not p.showkey]
        if name in _QUANTITIES:
            return _quantity(arguments)
        place = _TEXT_TEMPLATES.get(name, 1 if _TEXT_TEMPLATE.fullmatch(name) else 0)
        if place and len(arguments) >= place:
            return arguments[place - 1]
        return _SIGN_TEMPLATES.get(name, "")

    code = parse(first_variants(markup))
    templates = {str(t.name).strip().lower() for t in code.ifilter_templates(False)}
    if any(n in _DISAMBIGUATIONS or n.endswith(" disambiguation") for n in templates):
        return ""
    lines = _TABLE_LINE.sub("", text_in(code)).split("\n")
    text = "\n".join(line for line in lines if not line.lstrip().startswith(_LIST_MARK))
    text = _SPACE_BEFORE.sub("", _EMPTY_BRACKETS.sub("", text.replace(_LIST_MARK, "")))
    return "\n".join(" ".join(line.split()) for line in text.split("\n"))


def _is_hidden(link: Any, namespaces: set[str]) -> bool:
    """Returns True for links that are not shown: files, categories, languages."""
    title = str(link.title).strip().lower()
    name, colon, _ = title.partition(":")
    is_elsewhere = not link.text and _LANGUAGE.match(title)
    in_namespace = colon and name.strip().replace("_", " ") in namespaces
    return bool(in_namespace or is_elsewhere or _FILE.fullmatch(title))


def _without_switch(switch: re.Match[str]) -> str:
    word = switch[1]
    if word.upper() in _ENGLISH_SWITCHES:
        return ""
    is_identifier = word != word.upper() or word in _IDENTIFIERS or word.isdigit()
    return switch[0] if is_identifier else ""


def _quantity(arguments: list[str]) -> str:
    """Formats a quantity: `["5", "to", "10", "km", "mi"]` becomes "5 to 10 km"."""
    for place, argument in enumerate(arguments):
        if not _NUMBER_OR_RANGE.fullmatch(argument):
            return " ".join(arguments[: place + 1]).replace(" - ", "–")
    return " ".join(arguments)
