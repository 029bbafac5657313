import bz2
import gzip
import io
import lzma
import tarfile
import zipfile

import pytest

from data_pipelines.files.signatures import find_signature


def archive(opened, add):
    stream = io.BytesIO()
    with opened(stream) as file:
        add(file)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("head", "name", "content"),
    [
        (gzip.compress(b"a", mtime=0), "compressed by gzip", "compressed"),
        (bz2.compress(b"a"), "compressed by bzip2", "compressed"),
        (lzma.compress(b"a"), "compressed by xz", "compressed"),
        (
            archive(
                lambda s: zipfile.ZipFile(s, "w"),
                lambda f: f.writestr(zipfile.ZipInfo("a"), "b"),
            ),
            "a spreadsheet, a document or a ZIP archive",
            "document",
        ),
        (
            archive(
                lambda s: tarfile.TarFile(fileobj=s, mode="w"),
                lambda f: f.addfile(tarfile.TarInfo("a")),
            ),
            "a tar archive",
            "archive",
        ),
        (b"PAR1\x15\x04\0", "a Parquet file", "table"),
        (b"%PDF-1.7\n", "a PDF", "document"),
    ],
)
def test_formats(head, name, content):
    found = find_signature(head)
    assert (found.name, found.content) == (name, content)


@pytest.mark.parametrize(
    "text", ["", "a", "ORCHARD", "PAR1 is a name.", "BZh", "\ufeffa", '{"a": 1}', "中"]
)
def test_text_has_no_signature(text):
    assert find_signature(text.encode()) is None
