"""A small dump, written here in the form of Wikimedia's."""

import bz2
import gzip
from collections import Counter

import pytest

from data_pipelines.corpus import documents

pytest.importorskip("mwparserfromhell", reason="the extra wikipedia is not installed")

HEAD = """<mediawiki xmlns="http://www.mediawiki.org/xml/export-0.11/" xml:lang="de">
  <siteinfo><sitename>Wikipedia</sitename><namespaces>
    <namespace key="0" case="first-letter" /><namespace key="6">Datei</namespace>
    <namespace key="14">Kategorie</namespace>
  </namespaces></siteinfo>
"""
MARKUP = """{{Infobox Stadt|Name=Ulm
* in der Infobox
|Fluss={{nowrap|Donau}}}}
'''Ulm''' ({{IPA|ʊlm}}) ist eine [[Stadt]] an der [[Donau|großen Donau]].&lt;ref&gt;Ein
[[Beleg]].&lt;/ref&gt; Sie ist alt.&lt;!-- nicht zu sehen --&gt;

== Geschichte ==
[[Datei:Ulm.jpg|mini|Ein Bild mit [[Link]].]]
[[File:Ulm2.jpg|thumb|A caption.]]
Zuerst [https://a.org im Jahr 854]&amp;nbsp;– ''so heißt es''.&lt;br /&gt;Dann nicht.
* Liste eins
# Liste zwei
: eingerückt
{| class="wikitable"
! Kopf
|-
| Zelle
|}
=== Später ===
Formel &lt;math&gt;x^2&lt;/math&gt; hier &amp;amp; dort.
[[Kategorie:Stadt]]
[[en:Ulm]]
"""
EXPECTED = (
    "Ulm ist eine Stadt an der großen Donau. Sie ist alt.\n"
    "Zuerst im Jahr 854 – so heißt es. Dann nicht.\n"
    "Formel hier & dort."
)


def page(title, text, ns=0, extra=""):
    return (
        f"<page><title>{title}</title><ns>{ns}</ns><id>1</id>{extra}<revision><id>2</id>"
        f'<text xml:space="preserve">{text}</text></revision></page>\n'
    )


def dump(*pages):
    return (HEAD + "".join(pages) + "</mediawiki>\n").encode()


WHOLE = dump(
    page("Ulm", MARKUP),
    page("Ulma", "#WEITERLEITUNG [[Ulm]]", extra='<redirect title="Ulm" />'),
    page("Diskussion:Ulm", "Ich meine nicht.", ns=1),
    page("Leer", "{{Vorlage}}"),
    page("Neu", "Neu ist neu."),
)


@pytest.mark.parametrize("ending", [".xml", ".xml.bz2", ".xml.gz"])
def test_running_text_of_articles_alone(tmp_path, ending):
    path = tmp_path / f"dewiki{ending}"
    packed = {".xml": bytes, ".xml.bz2": bz2.compress, ".xml.gz": gzip.compress}
    path.write_bytes(packed[ending](WHOLE))
    counts = Counter()
    found = list(documents.read_documents(str(path), counts=counts))
    assert found == [EXPECTED, "Neu ist neu."]
    assert counts == {"sources": 1, "documents": 2, "empty_documents": 1}


def text_of(folder, markup, head=HEAD):
    path = folder / "wiki.xml"
    escaped = markup.replace("&", "&amp;").replace("<", "&lt;")
    path.write_text(f"{head}{page('T', escaped)}</mediawiki>")
    return list(documents.read_documents(str(path)))


@pytest.mark.parametrize(
    ("markup", "expected"),
    [
        # Switches, in English in any case, in other languages in capitals.
        ("Text.\n__NOTOC__", "Text."),
        ("Text.__FORCETOC__ More.__noeditsection__", "Text. More."),
        ("__KEIN_INHALTSVERZEICHNIS__\nText.", "Text."),
        ("__INHALTSVERZEICHNIS_ERZWINGEN__Text.", "Text."),
        ("__БЕЗ_ОГЛАВЛЕНИЯ__Текст.", "Текст."),
        ("__无目录__文。__目次非表示__", "文。"),
        ("__بی\u200cفهرست__Text.", "Text."),
        ("__नैवानुक्रमणी__Text.", "Text."),
        # No switches.
        ("In __init__ and __FILE__ and __.", "In __init__ and __FILE__ and __."),
        ("As <nowiki>__NOTOC__ &lt; [[a]]</nowiki>.", "As __NOTOC__ < [[a]]."),
        # Variants.
        ("它用-{zh-hans:计算机;zh-hant:電腦;}-写成。", "它用计算机写成。"),
        ("-{[[甲|乙]]}-是-{H|zh-cn:博客;zh-tw:部落格}-丙。", "乙是丙。"),
        # Lists and tables, also those within templates, unclosed ones too.
        ("One.\n* two [[three]]\n; four : five\nSix.", "One.\nSix."),
        ("{{Infobox\n| a =\n* b\n* c}}\nText.", "Text."),
        ("* a <ref>b\nc</ref>\nText.", "Text."),
        ("'''#MeToo''' is a movement.", "#MeToo is a movement."),
        (
            "One.\n{| a='b'\n! c !! d\n|-\n| {{e|\n{|\n|f\n|}\n}}\n|}\nTwo.",
            "One.\nTwo.",
        ),
        ("{| class='a'\n! b !! c\n|-\n| d\nText.", "Text."),
        ("!Kung is a language.", "!Kung is a language."),
        # Files and categories, in names that the dump does not tell.
        ("[[Bild:U.jpg|thumb|A [[b]] c.]]Text.[[Category:A]]", "Text."),
        ("[[文件:U.png|缩略图|说明]]文。[[分类:城市]]", "文。"),
        ("[[Файл:U.svg|мини|Подпись]]Текст.[[Категория:Город]]", "Текст."),
        ("[[Xyz:U.JPG|a|b]]Text.[[Kategorie:A|B]]", "Text."),
        ("In [[:Category:A]] and [[:de:Ulm|Ulm]].", "In Category:A and Ulm."),
        # Templates that are text, nested ones, and all others.
        ("The {{lang|fr|raison d'être}} of it.", "The raison d'être of it."),
        ("({{lang-de|Regen}}), {{nowrap|{{lang|en|a b}}}}.", "(Regen), a b."),
        ("At {{convert|1300|mi|km}}.", "At 1300 mi."),
        ("It is {{cvt|5|to|10|km|mi|abbr=on}} long.", "It is 5 to 10 km long."),
        ("{{le|甲|A}}和{{link-en|乙|B}}。", "甲和乙。"),
        ("One{{snd}}two{{Reflist|a={{b|c}}}}.", "One – two."),
        ("One ({{IPA|a}}; {{b}}) two {{cite web|url=a}}.", "One two."),
        # Tags.
        ("a<ref name=b/>c<ref>d</ref> <math>x</math>", "ac"),
        ("a<gallery>\nA.jpg|b\n</gallery>c", "ac"),
        ("One<br>two&nbsp;three <sup>4</sup>.", "One two three 4."),
        ("<poem>One,\ntwo.</poem>", "One,\ntwo."),
        ("a<includeonly>b</includeonly><noinclude>c</noinclude>", "ac"),
        # What lacks its partner.
        ("One {{two\nThree.", "One\nThree."),
        ("One }} two ]] [[three.", "One two three."),
        ("One <ref>two. <div>Three.", "One two. Three."),
        ("'''One''' ''two", "One two"),
        # Not XML's but the page's own escapes.
        ("1 &lt; 2 &amp;c.", "1 < 2 &c."),
    ],
)
def test_markup(tmp_path, markup, expected):
    for head in (HEAD, "<mediawiki>"):
        assert "\n".join(text_of(tmp_path, markup, head)) == expected


@pytest.mark.parametrize(
    "markup",
    [
        "#REDIRECT [[Ulm]]",
        "#重定向 [[Ulm]]",
        "'''A''' may be:\n* b\n{{disambiguation}}",
        "'''A''' may be:\n* b\n{{Airport disambiguation|c}}",
        "A可以指：\n{{消歧义}}",
        "{{Begriffsklärung}}\nA steht für:",
    ],
)
def test_pages_without_text(tmp_path, markup):
    assert text_of(tmp_path, markup) == []


def test_which_pages_and_versions(tmp_path):
    pages = (
        "<page><title>Ulm</title><revision><text>Old.</text></revision>"
        "<revision><text>New.</text></revision></page>"
        "<page><title>Kategorie:A</title><revision><text>B.</text></revision></page>"
        "<page><title>Star Trek: B</title><revision><text>C.</text></revision></page>"
        "<page><title>D</title><ns>0</ns><revision><model>json</model>"
        "<text>{}</text></revision></page><page><title>E</title><ns>0</ns></page>"
    )
    # Under any name, as the parts of a dump have.
    path = tmp_path / "wiki-articles1.xml-p1p9.bz2"
    path.write_bytes(bz2.compress(f"{HEAD}{pages}</mediawiki>".encode()))
    assert list(documents.read_documents(str(path))) == ["New.", "C."]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (bz2.compress(WHOLE * 50)[:-200], "broken bzip2 data"),
        (bz2.compress(WHOLE[:-300]), "is damaged"),
        (bz2.compress(b"<html><body/></html>"), "begins with <html>"),
        (b"no bz2", "broken bzip2 data"),
    ],
)
def test_files_that_are_no_dump(tmp_path, content, message):
    path = tmp_path / "wiki.xml.bz2"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message):
        list(documents.read_documents(str(path)))
