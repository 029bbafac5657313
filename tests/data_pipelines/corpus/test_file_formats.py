"""Files as the usual tools write them: read for what they are, or refused by name."""

import bz2
import gzip
import io
import json
import lzma
import tarfile
import zipfile

import pytest

from data_pipelines.corpus.documents import read_documents
from data_pipelines.corpus.layout import Layout

JSON_LINES = '{"text": "One."}\n{"text": "Two.\\nThree."}\n'
JSON_DOCUMENTS = ["One.", "Two.\nThree."]
ARTICLES = """<doc id="12" url="https://en.wikipedia.org/wiki?curid=12" title="Rain">
Rain

Rain is water &amp; it falls.&lt;br&gt;
&lt;templatestyles src="a.css" /&gt;It is wet: 1 &lt; 2.

</doc>
<doc id="13" revid="7" url="https://en.wikipedia.org/wiki?curid=13" title="Snow">
Snow

Snow is white.

</doc>
"""
RAIN = "Rain\nRain is water & it falls.\nIt is wet: 1 < 2."
ARTICLE_DOCUMENTS = [RAIN, "Snow\nSnow is white."]
WIKI40B = (
    "\n_START_ARTICLE_\nRain\n_START_SECTION_\nHistory\n_START_PARAGRAPH_\n"
    "It rained._NEWLINE_We left."
)
RAINED = "Rain\nHistory\nIt rained.\nWe left."


def read(folder, name, content, **layout):
    compress = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress}
    data = content.encode() if isinstance(content, str) else content
    path = folder / name
    path.write_bytes(compress.get(name.rpartition(".")[2].lower(), bytes)(data))
    return list(read_documents(str(path), Layout(**layout)))


@pytest.mark.parametrize("compression", ["", ".gz", ".bz2", ".xz"])
@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.jsonl", JSON_LINES, JSON_DOCUMENTS),
        ("a.json", JSON_LINES, JSON_DOCUMENTS),
        ("a.ndjson", JSON_LINES, JSON_DOCUMENTS),
        ("a.NDJSON", JSON_LINES, JSON_DOCUMENTS),
        # By its content: of WikiExtractor --json, and under a wrong name.
        ("wiki_00", JSON_LINES, JSON_DOCUMENTS),
        ("a.txt", JSON_LINES, JSON_DOCUMENTS),
        ("a.txt", '\ufeff{"text": "One."}', ["One."]),
        ("wiki_00", ARTICLES, ARTICLE_DOCUMENTS),
        ("a.txt", ARTICLES, ARTICLE_DOCUMENTS),
        ("a.txt", f"\n\n{ARTICLES}".replace("\n", "\r\n"), ARTICLE_DOCUMENTS),
        ("a.txt", WIKI40B + WIKI40B, [RAINED, RAINED]),
        ("a.txt", WIKI40B.replace("\n", " ") + "\n" + WIKI40B, [RAINED, RAINED]),
        ("a.txt", "One.\n\nTwo.<|endoftext|>Three.\n<|endoftext|>\n", 2),
    ],
)
def test_read_for_what_they_are(tmp_path, compression, name, content, expected):
    found = read(tmp_path, name + compression, content)
    assert found == (["One.\nTwo.", "Three."] if expected == 2 else expected)


@pytest.mark.parametrize("separator", ["file", "blank_line"])
def test_their_own_borders_separate_documents(tmp_path, separator):
    for content, expected in (
        (ARTICLES, ARTICLE_DOCUMENTS),
        (WIKI40B + WIKI40B, [RAINED, RAINED]),
    ):
        assert read(tmp_path, "a.txt", content, separator=separator) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (WIKI40B, [RAINED]),
        (WIKI40B.replace("\n", " "), [RAINED]),
        (
            "_START_PARAGRAPH_\nIt rained._NEWLINE__NEWLINE_We left.",
            ["It rained.\nWe left."],
        ),
        ("One.<|endoftext|>", ["One."]),
        ("One.<|endoftext|>Two.", ["One.", "Two."]),
        # What only looks like a mark.
        ("NEWLINE _START_ START_ARTICLE", ["NEWLINE _START_ START_ARTICLE"]),
    ],
)
def test_marks_in_json_lines(tmp_path, text, expected):
    assert read(tmp_path, "a.jsonl", json.dumps({"text": text})) == expected


def test_escapes_of_wikiextractor_in_json_lines(tmp_path):
    url = "https://en.wikipedia.org/wiki?curid=12"
    rows = [{"url": url, "text": "1 &lt; 2 &amp;c."}, {"text": "1 &lt; 2"}]
    content = "\n".join(map(json.dumps, rows))
    assert read(tmp_path, "wiki_00", content) == ["1 < 2 &c.", "1 &lt; 2"]


def archive(kind):
    buffer = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(buffer, "w") as file:
            file.writestr(zipfile.ZipInfo("word/document.xml"), "<w/>")
    else:
        with tarfile.open(fileobj=buffer, mode="w") as file:
            file.addfile(tarfile.TarInfo("a.txt"), io.BytesIO())
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.parquet", b"PAR1\x15\x04", "is a Parquet file.*as JSON lines"),
        ("a.txt", b"PAR1\x15\x04", "is a Parquet file"),
        ("a.arrow", b"ARROW1\0\0", "is an Arrow file.*as JSON lines"),
        ("a.arrow", b"\xff\xff\xff\xff\x10\0", "is an Arrow file"),
        ("a.docx", archive("zip"), "a ZIP archive.*as plain text"),
        ("a.tar", archive("tar"), "is a tar archive: extract it|is a tar archive"),
        ("a.tar.gz", archive("tar"), "is a tar archive"),
        ("a.pdf", b"%PDF-1.7\n", "is a PDF.*pdftotext"),
        ("a.rtf", b"{\\rtf1 One.}", "is an RTF document"),
        ("a.doc", b"\xd0\xcf\x11\xe0\xa1", "of old Microsoft Office"),
        ("a.db", b"SQLite format 3\0", "is an SQLite database"),
        ("a.jsonl.zst", b"\x28\xb5\x2f\xfd\x04", r"by Zstandard.*decompress it"),
        (
            "a.txt",
            gzip.compress(b"One.", mtime=0),
            r"by gzip.*rename it to end in \.gz",
        ),
        ("a.txt", bz2.compress(b"One."), r"by bzip2.*rename it to end in .*\.bz2"),
        ("a.txt", lzma.compress(b"One."), r"by xz.*rename it to end in .*\.xz"),
        ("a.warc.gz", b"WARC/1.0\r\nWARC-Type: x", "is a web archive"),
        ("a.html", "<!DOCTYPE html>\n<p>One.", "is HTML.*extract its text"),
        ("a.txt", "\ufeff<html lang='en'><body>One.", "is HTML"),
        ("a.txt", "<?xml version='1.0'?>\n<TEI>One.</TEI>", "is XML"),
        ("a.xml", "<?xml version='1.0'?>\n<TEI>One.</TEI>", "begins with <TEI>"),
        ("a.csv", "id,text\n1,One.", "is a table according to its name.*as JSON lines"),
        ("a.tsv", "id\ttext\n1\tOne.", "is a table according to its name"),
        ("a.json", '[{"text": "One."}]', r"line 1: .*an array.*jq -c '\.\[\]'"),
        ("a.txt", '[{"text": "One."},\n{"text": "Two."}]', r"not JSON.*jq -c '\.\[\]'"),
        ("a.json", '[\n  {\n    "text": "One."', r"not JSON.*jq -c '\.\[\]'"),
        ("a.txt", '{\n  "text": "One."\n}', r"line 1: not JSON.*jq -c \. FILE"),
        (
            "a.txt",
            '{"content": "One."}\n',
            r"no string 'text' in the fields \['content'\]",
        ),
        # Of pandas without lines=True.
        ("a.json", '{"text":{"0":"One."}}', "'text' is not a string but dict"),
    ],
)
def test_refused_by_name(tmp_path, name, content, message):
    with pytest.raises(ValueError, match=message) as error:
        read(tmp_path, name, content)
    assert "Expected" in str(error.value)


@pytest.mark.parametrize(
    "content",
    [
        "ORCHIDS ARE FLOWERS.",
        "[Illustration]\nOne.",
        "[One.]",
        "{One.}",
        "{\nOne.",
        '{"a": 1}\nis an object in JSON.',
        "<doc>\nOne.",
        "<One>",
        "PKs",
        "BZ2",
    ],
)
def test_plain_text_that_looks_like_something_else(tmp_path, content):
    assert read(tmp_path, "a.txt", content) == [content]


@pytest.mark.parametrize(
    ("text", "is_told"),
    [
        ("Der Bär läuft “über” die Straße. " * 9, False),
        ("NÃO É A SÃ, CÂMARA Â. " * 9, False),
        ("Der Bär läuft über die Straße. " * 9, True),
        ("It’s a “text”. " * 9, True),
    ],
)
def test_text_that_was_decoded_wrongly_is_told(tmp_path, caplog, text, is_told):
    if is_told:
        text = text.encode().decode("cp1252", "replace")
    read(tmp_path, "a.txt", text)
    assert ("as if UTF-8 had been decoded as Windows-1252" in caplog.text) == is_told


def test_the_columns_of_a_table_are_told(tmp_path, caplog):
    table = "".join(f"title {number}\t{number % 3}\n" for number in range(20))
    read(tmp_path, "dev.txt", table)
    assert "the lines have 2 tab-separated columns" in caplog.text
    caplog.clear()
    read(tmp_path, "a.txt", "\tOne.\nTwo.\tThree.\nFour.\nFive.\nSix.\nSeven.\n" * 5)
    read(tmp_path, "b.txt", "\tIndented.\n" * 20)
    assert not caplog.text
