import base64
import re

import pytest

from bert_tf.report.page import (
    Html,
    Section,
    bar,
    escape,
    join,
    page,
    picture,
    table,
    tag,
)
from bert_tf.report.plots import new_figure


def test_text_is_escaped_once():
    text = "<script>alert('1 & 2')</script>"
    escaped = "&lt;script&gt;alert(&#x27;1 &amp; 2&#x27;)&lt;/script&gt;"
    assert escape(text) == escaped
    assert escape(escape(text)) == escaped
    assert tag("p", tag("b", text), " <i>") == f"<p><b>{escaped}</b> &lt;i&gt;</p>"
    assert join(["<", Html("<br>")], "&") == "&lt;&amp;<br>"


def test_half_a_surrogate_pair_can_be_written():
    assert escape("a\ud83db").encode() == b"a?b"


def test_table():
    html = table(["<a>", "n"], [["x", "1"], [tag("b", "<y>"), "2"]], numbers=[1])
    assert html == (
        '<table><tr><th>&lt;a&gt;</th><th class="number">n</th></tr>'
        '<tr><td>x</td><td class="number">1</td></tr>'
        '<tr><td><b>&lt;y&gt;</b></td><td class="number">2</td></tr></table>'
    )
    assert table(None, [["x"]]) == "<table><tr><td>x</td></tr></table>"


@pytest.mark.parametrize(
    ("share", "width"), [(0.5, "50%"), (0, "0%"), (1.7, "100%"), (-1, "0%")]
)
def test_bar(share, width):
    assert f"width:{width}" in bar(share)


def test_picture():
    html = picture(new_figure(1, 1), 'a "picture"')
    assert html.startswith('<img alt="a &quot;picture&quot;" src="data:image/png;')
    encoded = re.search('base64,([^"]+)', html).group(1)
    assert base64.b64decode(encoded).startswith(b"\x89PNG")


def test_page_links_to_its_sections_if_there_are_many():
    sections = [Section("", tag("p", "first"))]
    sections += [Section(f"Part <{i}>", tag("p", str(i))) for i in range(4)]
    html = page("A <title>", sections)
    assert "<title>A &lt;title&gt;</title>" in html
    assert '<a href="#part3">Part &lt;3&gt;</a>' in html
    assert '<h2 id="part3">Part &lt;3&gt;</h2><p>3</p>' in html
    assert "<nav>" not in page("A", sections[:3])
