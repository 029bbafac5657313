"""Names that a user has given, in the Markdown of a model card."""

import html.parser
import unicodedata

import pytest

from bert_tf.serving.model_card import escaped, table

NAMES = {
    "pipe": "a|b",
    "escaped pipe": "a\\|b",
    "backslash": "a\\",
    "code": "`a` ``b`` `c",
    "emphasis": "*a* **b** _c_ __d__ ~e~ ~~f~~",
    "inside of words": "B-PER_x I-a*b*c snake_case_name",
    "script": "<script>alert(1)</script>",
    "image": "<img src=x onerror=alert(1)>",
    "comment": "<!-- a",
    "link": "[a](http://example.org)",
    "rest of a link": "](http://example.org)",
    "image link": "![a](http://example.org/x.png)",
    "reference": "[a][b] [c]: http://example.org",
    "bare link": "http://example.org www.example.org https://example.org",
    "angle link": "<http://example.org>",
    "entity": "&lt;b&gt; &amp; &#42;a&#42; &copy;",
    "line": "a\nb",
    "lines": "a\r\n\r\n# b\n\n- c",
    "tab": "a\tb",
    "separators": "a\u2028b\u2029c\x85d",
    "directions": "a\u202eb\u2066c\u200fd\u061ce",
    "control": "a\x00b\x1bc\x7fd",
    "byte order mark": "\ufeffa",
    "half of a pair": "a\ud800b",
    "mathematics": "$a$ $$b$$",
    "heading": "# a #",
    "list": "- a",
    "number": "1. a",
    "quote": "> a",
    "rule": "---",
    "fence": "```\na\n```",
    "other scripts": "قطة 猫 👩‍💻 می‌خواهم",
    "spaces": "  a  b  ",
    "empty": "",
}
CASES = pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)


def visible(name):
    """Text as it is to be seen: what cannot be seen, as Python writes it."""
    return "".join(
        c.encode("unicode_escape").decode()
        if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp")
        and c not in "\u200c\u200d"
        else c
        for c in name
    )


class Page(html.parser.HTMLParser):
    """Tags, and the texts of the cells."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.cells, self.is_in_cell = [], [], False
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag in ("td", "h1"):
            self.cells.append("")
            self.is_in_cell = True

    def handle_endtag(self, tag):
        if tag in ("td", "h1"):
            self.is_in_cell = False

    def handle_data(self, data):
        if self.is_in_cell:
            self.cells[-1] += data

    def handle_comment(self, data):
        self.tags.append("comment")


@CASES
def test_a_name_is_shown_as_it_is(name):
    markdown_it = pytest.importorskip("markdown_it")
    parser = markdown_it.MarkdownIt("commonmark").enable(["table", "strikethrough"])
    page = Page(parser.render(table({"labels": name, name: 1})))
    assert set(page.tags) == {"table", "thead", "tbody", "tr", "th", "td"}
    # A cell has no spaces around it.
    shown = visible(name).strip()
    assert page.cells == ["labels", shown, shown, "1"]
    page = Page(parser.render(f"# {escaped(name)}, version 1\n"))
    assert page.tags == ["h1"]
    assert page.cells == [f"{visible(name)}, version 1".strip()]


@CASES
def test_a_name_is_harmless_in_another_flavour(name):
    markdown = pytest.importorskip("markdown")
    text = table({"labels": name, name: 1})
    page = Page(markdown.markdown(text, extensions=["tables"]))
    assert set(page.tags) == {"table", "thead", "tbody", "tr", "th", "td"}
    assert page.tags.count("td") == 4


@CASES
def test_an_escaped_name_is_one_line_of_text(name):
    found = escaped(name)
    found.encode()
    assert found.isprintable() or "\u200c" in found or "\u200d" in found
    # Nothing that GitHub turns into a link or a formula.
    assert "http://" not in found and "www." not in found and "$" not in found


@pytest.mark.parametrize("name", ["O, B-X, I-YZ", "snake_case_name", "0.5", "größer"])
def test_a_plain_name_is_left_alone(name):
    assert escaped(name) == name
