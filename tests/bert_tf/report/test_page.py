import base64
import re

import pytest

from bert_tf.report.excerpts import Part
from bert_tf.report.page import TEMPLATES, page
from bert_tf.report.plots import new_figure
from tests.bert_tf.report.sections import sections_of


def shown(call, **values):
    """What a macro makes of values."""
    name = call.split("(")[0]
    source = f'{{% from "macros.html" import {name} %}}{{{{ {call} }}}}'
    return TEMPLATES.from_string(source).render(**values)


def test_text_is_escaped():
    text = "<script>alert('1 & 2')</script>"
    escaped = "&lt;script&gt;alert(&#39;1 &amp; 2&#39;)&lt;/script&gt;"
    assert shown("marked(parts)", parts=[Part(text), Part("x")]) == f"{escaped}x"
    parts = [Part(text, "a b", label="<i>", crossed="<u>")]
    assert shown("marked(parts)", parts=parts) == (
        f'<mark class="a b"><del>&lt;u&gt;</del>{escaped}'
        "<small> &lt;i&gt;</small></mark>"
    )


def test_half_a_surrogate_pair_can_be_written():
    html = page("a\ud83db", "pretraining.html", values())
    assert b"<title>a?b</title>" in html.encode()


def test_table():
    html = shown(
        "table(rows, head, numbers=[1])", rows=[["<x>", "1"]], head=["<a>", "n"]
    )
    assert re.sub("\n", "", html) == (
        '<table><tr><th>&lt;a&gt;</th><th class="number">n</th></tr>'
        '<tr><td>&lt;x&gt;</td><td class="number">1</td></tr></table>'
    )
    html = shown("table(rows)", rows=[["x"]])
    assert re.sub("\n", "", html) == "<table><tr><td>x</td></tr></table>"


@pytest.mark.parametrize(
    ("share", "width"), [(0.5, "50%"), (0, "0%"), (1.7, "100%"), (-1, "0%")]
)
def test_bar(share, width):
    assert f"width:{width}" in shown("bar(share)", share=share)


def test_picture():
    html = shown("picture(figure, text)", figure=new_figure(1, 1), text='a "picture"')
    assert html.startswith('<img alt="a &#34;picture&#34;" src="data:image/png;')
    encoded = re.search('base64,([^"]+)', html).group(1)
    assert base64.b64decode(encoded).startswith(b"\x89PNG")


def values(**changes):
    found = {"facts": {}, "heldout": {}, "curves": new_figure(1, 1), "cloze": ()}
    return {**found, "baseline": {}, "options": "the <options>", **changes}


def test_page_links_to_its_sections_if_there_are_many():
    html = page("A <title>", "pretraining.html", values())
    assert "<title>A &lt;title&gt;</title>" in html
    assert "<h1>A &lt;title&gt;</h1>" in html
    assert "<nav>" not in html
    assert list(sections_of(html)) == ["Curves", "Options"]
    guess = {"before": "a", "after": "c", "answer": "b", "guesses": ()}
    html = page("A", "pretraining.html", values(heldout={"f1": 0.5}, cloze=[guess]))
    assert html.count("<h2") == html.count('<a href="#part') == 4
    assert '<a href="#part3">Options</a>' in html
    assert '<h2 id="part3">Options</h2>' in html
    assert "<pre>the &lt;options&gt;</pre>" in html
