import gzip
import io
import sys
import types

import pytest

from data_pipelines.datasets.text_files import ending_of, existing, read_lines
from data_pipelines.files import byte_lines


@pytest.mark.parametrize("name", ["a.txt", "a.txt.gz"])
@pytest.mark.parametrize("chunk_bytes", [1, 3, 1 << 20])
@pytest.mark.parametrize(
    ("content", "lines"),
    [
        ("a\nb", ["a", "b"]),
        ("a\r\n\r\nb\r\n", ["a", "", "b"]),
        ("\n", [""]),
        ("é\u2028中\x85\fb\n", ["é\u2028中\x85\fb"]),
    ],
)
def test_lines(write, monkeypatch, name, chunk_bytes, content, lines):
    monkeypatch.setattr(byte_lines, "CHUNK_BYTES", chunk_bytes)
    path = write(name, content)
    assert list(read_lines(path)) == lines


def test_returns_alone_end_the_lines_of_old_systems(write):
    assert list(read_lines(write("a.txt", "a\r\rb\rc"))) == ["a", "", "b", "c"]
    assert list(read_lines(write("b.txt", "a\rb\nc\r\r\n"))) == ["a\rb", "c\r"]


def test_standard_input_is_read_as_a_file(monkeypatch):
    def lines(data):
        stdin = types.SimpleNamespace(buffer=io.BytesIO(data))
        monkeypatch.setattr(sys, "stdin", stdin)
        return list(read_lines(None))

    assert lines(b"\xef\xbb\xbfa\r\n\nb") == ["a", "", "b"]
    with pytest.raises(ValueError, match=r"Standard input, line 2: byte 1, b'\\xe9'"):
        lines(b"a\n\xe9\n")
    with pytest.raises(ValueError, match=r"Standard input, line 1: a byte is zero"):
        lines(b"\xff\xfea\0")
    with pytest.raises(ValueError, match="Standard input is empty"):
        lines(b"")


def test_a_byte_order_mark_is_no_text(write):
    path = write("a.txt", "\ufeffa\n\ufeffb")
    assert list(read_lines(path)) == ["a", "\ufeffb"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", r"a\.txt is empty.*Expected text"),
        (b"\xef\xbb\xbf", r"a\.txt is empty.*Expected text"),
        (b"a\0b", r"a\.txt.*a byte is zero.*Expected UTF-8 text: decompress"),
        (b"a\xe9", r"a\.txt.*byte 2, b'\\xe9', is not UTF-8.*iconv"),
    ],
)
def test_what_is_no_text(write, content, message):
    with pytest.raises(ValueError, match=message):
        list(read_lines(write("a.txt", content)))


def test_the_line_is_named(write):
    path = write("a.txt", b"a\nb\nc\xff\n")
    with pytest.raises(ValueError, match=r"a\.txt, line 3: byte 2, b'\\xff'"):
        list(read_lines(path))


@pytest.mark.parametrize("data", [b"a", gzip.compress(b"a" * 99, mtime=0)[:-9]])
def test_broken_gzip(tmp_path, data):
    path = tmp_path / "a.gz"
    path.write_bytes(data)
    with pytest.raises(ValueError, match=r"broken gzip data.*Expected a whole"):
        list(read_lines(str(path)))


@pytest.mark.parametrize("name", ["", "no.txt"])
def test_no_such_file(tmp_path, name):
    with pytest.raises(FileNotFoundError, match=r"No file .*check the name"):
        list(read_lines(str(tmp_path / name)))


def test_existing(write, tmp_path):
    plain, compressed = write("a.txt", "a"), write("b.txt.gz", "b")
    assert existing(plain) == plain
    assert existing(compressed) == compressed
    assert existing(compressed.removesuffix(".gz")) == compressed
    assert existing(str(tmp_path)) is None
    assert existing(str(tmp_path / "c.txt")) is None


@pytest.mark.parametrize(
    ("path", "ending"),
    [("x.y/a.CSV.gz", "csv"), ("a.jsonl", "jsonl"), ("x.csv/json", ""), (None, "")],
)
def test_the_ending_of_a_name(path, ending):
    assert ending_of(path) == ending
