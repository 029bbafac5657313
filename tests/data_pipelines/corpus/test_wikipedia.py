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


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (bz2.compress(WHOLE * 50)[:-200], "broken bzip2 data"),
        (bz2.compress(WHOLE[:-300]), "is broken"),
        (bz2.compress(b"<html><body/></html>"), "begins with <html>"),
        (b"no bz2", "broken bzip2 data"),
    ],
)
def test_files_that_are_no_dump(tmp_path, content, message):
    path = tmp_path / "wiki.xml.bz2"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message):
        list(documents.read_documents(str(path)))
