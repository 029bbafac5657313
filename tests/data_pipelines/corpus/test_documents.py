import gzip
import json
import tracemalloc
from collections import Counter

import pytest
import tensorflow as tf

from data_pipelines.corpus import plain_text
from data_pipelines.corpus.documents import expand_sources, files_of, read_documents
from data_pipelines.corpus.layout import Layout
from data_pipelines.files import byte_lines


@pytest.fixture
def write(tmp_path):
    """Writes content (text, bytes, or rows of JSON) to a file, as its name says."""

    def write(name, content):
        if isinstance(content, list):
            content = "\n".join(json.dumps(row) for row in content) + "\n"
        data = content.encode() if isinstance(content, str) else content
        path = tmp_path / name
        path.write_bytes(gzip.compress(data) if name.lower().endswith(".gz") else data)
        return str(path)

    return write


def read(path, separator="file", lines="auto"):
    counts = Counter()
    layout = Layout(separator=separator, lines=lines)
    documents = list(read_documents(path, layout, counts))
    assert counts["documents"] == len(documents)
    assert counts["sources"] == 1
    return documents, {
        name: count
        for name, count in counts.items()
        if count and name not in ("documents", "sources")
    }


# --- Names.


@pytest.fixture
def folder(tmp_path):
    for name in ("a.txt", "b.txt", "c[1].txt", "c1.txt"):
        (tmp_path / name).write_text("Text.")
    (tmp_path / "folder.txt").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    ("patterns", "expected"),
    [
        (["b.txt", "a.txt"], ["a.txt", "b.txt"]),
        (["a.txt", "*.txt"], ["a.txt", "b.txt", "c1.txt", "c[1].txt"]),
        (["c[1].txt"], ["c[1].txt"]),
        (["[ab].txt"], ["a.txt", "b.txt"]),
    ],
)
def test_expand(folder, patterns, expected):
    sources = expand_sources([str(folder / pattern) for pattern in patterns])
    assert sources == [str(folder / name) for name in expected]


def test_expand_a_single_name_and_datasets(folder):
    assert expand_sources(str(folder / "a.txt")) == [str(folder / "a.txt")]
    assert expand_sources(["tfds:lm1b:test", "tfds:lm1b:test"]) == ["tfds:lm1b:test"]


@pytest.mark.parametrize(
    ("pattern", "found"),
    [("no.txt", "nothing"), ("no/*", "nothing"), ("[", "nothing"), ("fol*", "folders")],
)
def test_patterns_that_match_no_file(folder, pattern, found):
    with pytest.raises(FileNotFoundError, match=rf"matches .*{found}.*check the name"):
        expand_sources([str(folder / "a.txt"), str(folder / pattern)])


def test_no_patterns():
    with pytest.raises(ValueError, match=r"no sources.*such as"):
        expand_sources([])


# --- Formats.

ROWS = [{"text": "One.\nTwo."}, {"text": "Three.", "id": 5}, {"text": " \n"}]


@pytest.mark.parametrize("name", ["a.txt", "a.txt.gz", "a.TXT.GZ", "a"])
def test_plain_text(write, name):
    path = write(name, "A TITLE\r\n\r\n  One.\tTwo  three.\n\u3000\nFour.")
    assert read(path) == (["A TITLE\nOne. Two three.\nFour."], {})


@pytest.mark.parametrize("name", ["a.json", "a.jsonl", "a.jsonl.gz", "a.JSON.gz"])
def test_json_lines(write, name):
    assert read(write(name, ROWS)) == (["One.\nTwo.", "Three."], {"empty_documents": 1})


def test_json_lines_between_empty_ones(write):
    path = write("a.jsonl", '\ufeff\n{"text": "One."}\r\n\n  \n{"text": "Two."}')
    assert read(path) == (["One.", "Two."], {})


def test_json_with_half_a_surrogate_pair(write):
    path = write("a.jsonl", r'{"text": "a\ud83db \ud83d\ude00"}')
    assert read(path) == (["ab 😀"], {"invalid_bytes": 3})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"text": "One."}\n{"text": ', r"line 2: not JSON .*one object per line"),
        ("[" * 100_000, r"line 1: not JSON .*one object per line"),
        ('[\n{"text": "One."}]', r"line 1: not JSON .*one object per line"),
        ('["One."]', r"line 1: received an array.*jq -c '.\[\]'"),
        ('{"title": "", "body": ""}', r"line 1: .* in the fields \['body', 'title"),
        ('{"text": ["One."]}', r"line 1: 'text' is not a string but list: \[\"One"),
    ],
)
def test_json_that_is_not_as_expected(write, content, message):
    with pytest.raises(ValueError, match=message):
        read(write("a.jsonl", content))


@pytest.mark.parametrize(
    ("content", "paragraphs"),
    [
        ("One.\nTwo.", "One.\nTwo."),
        ("One.\r\nTwo.\r\n", "One.\nTwo."),
        ("One.\rTwo.\r\rThree.\r", "One.\nTwo.\nThree."),
        ("One.\fTwo.", "One.\nTwo."),
        ("One.\u2028\u00a0Two.", "One. Two."),
        ("One.\vTwo.\x85Three.\tFour.\x1cFive.", "One. Two. Three. Four. Five."),
        ("One.\n\ufeffTwo.\r\n\ufeff\r\nThree.\ufeff", "One.\nTwo.\nThree.\ufeff"),
    ],
)
def test_line_ends_are_the_same_in_all_formats(write, content, paragraphs):
    assert read(write("a.txt", content)) == ([paragraphs], {})
    assert read(write("a.jsonl", [{"text": content}])) == ([paragraphs], {})


# --- Datasets of TFDS.


@pytest.fixture(scope="module")
def datasets(tmp_path_factory):
    import tensorflow_datasets as tfds

    folder = tmp_path_factory.mktemp("tfds")

    # A builder that generates would need `importlib_resources`, which TFDS 4.9.10
    # imports without asking for it.
    def prepare(name, features, splits):
        data_dir = folder / name / "1.0.0"
        data_dir.mkdir(parents=True)
        identity = tfds.core.dataset_info.DatasetIdentity(
            name=name,
            version=tfds.core.Version("1.0.0"),
            data_dir=str(data_dir),
            module_name=__name__,
        )
        info = tfds.core.DatasetInfo(
            builder=identity, features=tfds.features.FeaturesDict(features)
        )
        writer = tfds.core.SequentialWriter(info, max_examples_per_shard=100)
        writer.initialize_splits(list(splits))
        writer.add_examples(splits)
        writer.close_all()

    number = tfds.features.Scalar(tf.int64)
    prepare(
        "documents",
        {"text": tfds.features.Text(), "label": number},
        {
            "train": [
                {"text": text, "label": 1} for text in (b"One.\nTw\xffo.", "", "Three.")
            ],
            "test": [{"text": "Four.", "label": 1}],
        },
    )
    marked = b"\n_START_ARTICLE_\nRain\n_START_PARAGRAPH_\nIt rained._NEWLINE_We left."
    text = {"text": tfds.features.Text()}
    prepare("marked", text, {"train": [{"text": marked}]})
    prepare("textless", {"label": number}, {"train": [{"label": 1}]})
    prepare("numbers", {"text": number}, {"train": [{"text": 1}]})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TFDS_DATA_DIR", str(folder))
        yield


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (
            "tfds:documents",
            (["One.\nTwo.", "Three."], {"empty_documents": 1, "invalid_bytes": 1}),
        ),
        ("tfds:documents:test", (["Four."], {})),
        ("tfds:marked", (["Rain\nIt rained.\nWe left."], {})),
        ("tfds:documents:train[2:]", (["Three."], {})),
    ],
)
@pytest.mark.usefixtures("datasets")
def test_tfds(source, expected):
    assert read(source) == expected


@pytest.mark.usefixtures("datasets")
def test_files_of_sources(tmp_path):
    for name in "ba":
        (tmp_path / name).touch()
    patterns = ["tfds:marked", str(tmp_path / "*"), str(tmp_path / "none*")]
    *files, records = files_of([*patterns, str(tmp_path / "a"), "tfds:lm1b"])
    assert files == [str(tmp_path / name) for name in "ab"]
    assert "/marked/1.0.0/marked-train.tfrecord-00000" in records
    (test,) = files_of(["tfds:documents:test[:1]"])
    assert "/documents/1.0.0/documents-test.tfrecord-00000" in test


@pytest.mark.parametrize(
    ("source", "error", "message"),
    [
        ("documents:dev", ValueError, r"no split 'dev'.*'test', 'train'"),
        (
            "textless",
            ValueError,
            r"features.*label.*one string feature 'text'.*\.jsonl",
        ),
        ("numbers", ValueError, r"features.*text.*one string feature 'text'"),
        ("no_such_name", FileNotFoundError, r"no dataset 'no_such_name'.*check the"),
        ("", FileNotFoundError, r"no dataset ''.*Expected tfds:NAME"),
        ("glue/cola", FileNotFoundError, r"run tfds build glue/cola"),
    ],
)
@pytest.mark.usefixtures("datasets")
def test_tfds_that_gives_no_text(source, error, message):
    with pytest.raises(error, match=message):
        read(f"tfds:{source}")


# --- What separates documents.


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("One.\nTwo.\n\nThree.\n", ["One.\nTwo.", "Three."]),
        ("\n\nOne.\n\n \n\t\n\nTwo.\n\n", ["One.", "Two."]),
        ("One.\r\n\r\nTwo.", ["One.", "Two."]),
        ("One.\r\rTwo.\rThree.", ["One.", "Two.\nThree."]),
        ("\ufeffOne.\n\ufeff\nTwo.", ["One.", "Two."]),
        ("One.", ["One."]),
    ],
)
def test_blank_lines_separate(write, content, expected):
    # What stands between two empty lines is no document, and not counted as one.
    assert read(write("a.txt", content), "blank_line") == (expected, {})


WIKITEXT = """
 = Robert Boulter =

 He is an actor .

 = = Career = =

 = = = 2000 – 2005 = = =

 He had a role .
 = It is no title =

 = E = mc2 =

 It is a formula . \x20
"""


@pytest.mark.parametrize("separator", ["file", "blank_line"])
def test_titles_separate_in_wikitext(write, separator):
    expected = [
        "Robert Boulter\nHe is an actor .\nCareer\n2000 – 2005\nHe had a role .\n"
        "It is no title",
        "E = mc2\nIt is a formula .",
    ]
    assert read(write("a.txt", WIKITEXT), separator) == (expected, {})


@pytest.mark.parametrize("line", ["=", "====", "= =", "a = b", "=x", "1 + 1 = 2 ="])
def test_lines_that_are_no_headings(write, line):
    assert read(write("a.txt", f"One.\n{line}\n")) == ([f"One.\n{line}"], {})


@pytest.mark.parametrize("heading", ["= T =", "== T ==", "====T====", "= = T = ="])
def test_headings(write, heading):
    assert read(write("a.jsonl", [{"text": f"{heading}\nOne."}])) == (["T\nOne."], {})


@pytest.mark.parametrize(
    ("layout", "message"),
    [
        ({"separator": "line"}, r"separator='line'.*'file', 'blank_line'"),
        ({"lines": "verses"}, r"lines='verses'.*'auto', 'wrapped', 'sentences'"),
    ],
)
def test_unknown_layouts(write, layout, message):
    with pytest.raises(ValueError, match=message):
        read(write("a.txt", "One."), **layout)


# --- Hard-wrapped lines.

SENTENCES = (
    "The sky was grey over the hills, and the rain came down on us without an end. "
    "We left the house in which we had lived for so long, with all that we had. "
    "Nobody spoke on the way, and the horses, which were as tired as we, went slowly. "
)


def wrap(text, width):
    lines = [""]
    for word in text.split():
        if len(lines[-1]) + 1 + len(word) > width:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return lines


def test_wrapped_english(write):
    first, second = (SENTENCES * 3).strip(), f"Then {SENTENCES}".strip()
    lines = ["CHAPTER I", "", *wrap(first, 70), "", *wrap(second, 70), "", "THE END"]
    expected = f"CHAPTER I\n{first}\n{second}\nTHE END"
    assert read(write("a.txt", "\n".join(lines))) == ([expected], {})


@pytest.mark.parametrize("indent", ["  ", "\t", "\u3000"])
def test_wrapped_and_indented(write, indent):
    paragraphs = [SENTENCES.strip(), *[f"{SENTENCES}And so on."] * 2]
    lines = [
        indent * (i == 0) + line
        for paragraph in paragraphs
        for i, line in enumerate(wrap(paragraph, 60))
    ]
    assert read(write("a.txt", "\n".join(lines))) == (["\n".join(paragraphs)], {})


def test_wrapped_at_hyphens(write):
    lines = [*wrap(SENTENCES * 2, 60), "", *wrap(SENTENCES, 60)]
    lines[1] += " self-"
    lines[2] = f"importance {lines[2]}"
    lines[3] += " -"
    (document,), _ = read(write("a.txt", "\n".join(lines)))
    assert len(document.split("\n")) == 2
    assert " self-importance " in document
    assert f" - {lines[4]}" in document


def test_wrapped_chinese(write):
    text = "天色灰暗，雨下个不停。我们离开了住了很久的房子，带着我们所有的东西。" * 6
    lines = [text[i : i + 30] for i in range(0, len(text), 30)]
    paragraphs = ["第一章", text, text]
    content = "\n\n".join(["第一章", "\n".join(lines), "\n".join(lines)])
    assert read(write("a.txt", content)) == (["\n".join(paragraphs)], {})


@pytest.mark.parametrize(
    "lines",
    [
        # Sentences, a list, too few lines, lines too long to be wrapped.
        ["It rained.", "We left the house in which we lived.", "Why?", "No."] * 5,
        [f"{number} apples" for number in range(100)],
        wrap(SENTENCES, 60)[:3],
        wrap(SENTENCES * 10, 200),
    ],
)
def test_lines_that_are_not_wrapped(write, lines):
    assert read(write("a.txt", "\n".join(lines))) == (["\n".join(lines)], {})


# --- Broken and odd files.


@pytest.mark.parametrize("content", ["", "\n", " \n\t\n\u3000\n", "\ufeff"])
@pytest.mark.parametrize("name", ["a.txt", "a.txt.gz", "a.jsonl"])
@pytest.mark.parametrize("separator", ["file", "blank_line"])
def test_without_text(write, name, content, separator):
    assert read(write(name, content), separator) == ([], {"empty_sources": 1})


def test_counts_add_up(write):
    counts = Counter()
    for number, content in enumerate(["One.", "", "Two.", b"a\xffbcdefghijk"]):
        list(read_documents(write(f"{number}.txt", content), counts=counts))
    assert counts == Counter(sources=4, documents=3, empty_sources=1, invalid_bytes=1)


def test_no_such_file(write, tmp_path):
    for path in (tmp_path, tmp_path / "no.txt"):
        with pytest.raises(FileNotFoundError, match=r"No file .*check the name"):
            read(str(path))


@pytest.mark.parametrize("name", ["a.txt", "a.txt.gz", "a.jsonl"])
def test_invalid_utf8_is_skipped_and_counted(write, name):
    text = b"\xffOne \xe4\xb8is enough\xed\xa0\x80, and more."
    content = b'{"text": "%s"}' % text if name == "a.jsonl" else text
    expected = ["One is enough, and more."]
    assert read(write(name, content)) == (expected, {"invalid_bytes": 6})


def test_a_byte_order_mark_is_no_text(write):
    assert read(write("a.txt", "\ufeffOne.")) == (["One."], {})


@pytest.mark.parametrize("name", ["a.txt", "a.txt.gz", "a.jsonl"])
@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("Der Bär läuft über die Straße. " * 50, "latin-1"),
        ("Où étiez-vous\u00a0? “Là”, dit-il.", "cp1252"),
        # Letters of words of one letter, and words of many.
        ("и в я, a text. " * 9, "cp1251"),
        ("Небо серое. " * 9, "cp1251"),
    ],
)
def test_encodings_of_one_byte_a_letter_are_refused(write, name, text, encoding):
    with pytest.raises(ValueError, match=r"(Latin-1|not UTF-8).*iconv -f"):
        read(write(name, text.encode(encoding)))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\x7fELF\x00\x01", r"byte 4 is zero.*not UTF-8 text.*leave the file out"),
        ("\ufeffOne.\0".encode(), r"byte 7 is zero"),
        ("One.".encode("utf-16"), r"byte 3 is zero.*iconv -f UTF-16"),
        (gzip.compress(b"One.", mtime=0), r"by gzip.*decompress it"),
        (
            "天色灰暗，雨下个不停。".encode("gb18030"),
            r"of the first 22 .*iconv -f ENCODING .*GB18030",
        ),
    ],
)
@pytest.mark.parametrize("name", ["a.txt", "a.txt.gz", "a.jsonl"])
def test_what_is_no_utf8_text(write, name, content, message):
    with pytest.raises(ValueError, match=message):
        read(write(name, content))


def test_a_zero_byte_far_inside(write, monkeypatch):
    monkeypatch.setattr(byte_lines, "CHUNK_BYTES", 16)
    path = write("a.txt", "\ufeff" + "One two.\n" * 10 + "\0")
    with pytest.raises(ValueError, match="byte 93 is zero"):
        read(path)


WHOLE = gzip.compress("".join(f"Line {i}.\n" for i in range(5000)).encode(), mtime=0)


@pytest.mark.parametrize(
    "data",
    [
        WHOLE[: len(WHOLE) // 2],
        WHOLE[:-4],
        WHOLE[:5],
        WHOLE[:500] + bytes(100) + WHOLE[600:],
        WHOLE + b"and more",
        b"One.",
    ],
    ids=["half", "end missing", "header", "damaged", "more after it", "not gzip"],
)
def test_broken_gzip(tmp_path, data):
    path = tmp_path / "a.txt.gz"
    path.write_bytes(data)
    with pytest.raises(ValueError, match=r"broken gzip data.*a whole \.gz file"):
        read(str(path))


# --- Memory.


def test_memory_is_bounded(write, monkeypatch):
    monkeypatch.setattr(byte_lines, "CHUNK_BYTES", 1 << 16)
    paragraph = "word " * 100 + "\n"
    path = write("a.txt.gz", (paragraph * 20 + "\n") * 500)  # 5 MB
    tracemalloc.start()
    try:
        number = sum(1 for _ in read_documents(path, Layout(separator="blank_line")))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert number == 500
    assert peak < 1_000_000


def test_empty_lines_need_no_memory(write, monkeypatch):
    monkeypatch.setattr(byte_lines, "CHUNK_BYTES", 1 << 12)
    path = write("a.txt", "One.\n" + "\n" * 300_000 + "Two.\n")
    tracemalloc.start()
    try:
        assert read(path) == (["One.\nTwo."], {})
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1_000_000


def test_documents_come_one_at_a_time(write):
    # Behind the beginning, which is looked at, nothing is read before it is asked for.
    long = json.dumps({"text": "word " * 200 + "end."})
    path = write("a.jsonl", f"{long}\n" * 200 + '{"text": 5}')
    documents = read_documents(path)
    for _ in range(200):
        assert next(documents).endswith("end.")
    with pytest.raises(ValueError, match="line 201"):
        next(documents)


@pytest.fixture
def small_documents(monkeypatch):
    monkeypatch.setattr(byte_lines, "CHUNK_BYTES", 20)
    monkeypatch.setattr(plain_text, "_MAX_DOCUMENT_CHARACTERS", 40)


LINE = "Twenty characters 20"


@pytest.mark.usefixtures("small_documents")
@pytest.mark.parametrize(
    ("content", "sizes", "divided"),
    [
        # Lines of each document.
        (f"{LINE}\n" * 2, [2], 0),
        # Divided at an empty line, or where there is none, at twice the size.
        (f"{LINE}\n{LINE}\n{LINE}\n\n{LINE}\n", [3, 1], 1),
        (f"{LINE}\n" * 12, [5, 5, 2], 1),
        # Nothing follows, so nothing is divided.
        (f"{LINE}\n" * 3 + "\n\n\n", [3], 0),
    ],
)
def test_large_documents_are_divided(write, content, sizes, divided):
    documents, counts = read(write("a.txt", content))
    assert [document.count("\n") + 1 for document in documents] == sizes
    assert counts == ({"divided_documents": divided} if divided else {})


@pytest.mark.usefixtures("small_documents")
def test_documents_that_end_are_not_divided(write):
    three_lines = f"{LINE}\n{LINE}\n{LINE}"
    path = write("a.txt", f"{three_lines}\n\n{three_lines}\n")
    assert read(path, "blank_line") == ([three_lines] * 2, {})
    path = write("a.txt", f" = A =\n{three_lines}\n\n = B =\n{three_lines}\n")
    assert read(path) == ([f"A\n{three_lines}", f"B\n{three_lines}"], {})


@pytest.mark.usefixtures("small_documents")
@pytest.mark.parametrize(
    "text", ["word " * 100 + "end", "中文。" * 99, "é" * 201, "a" * 500, "a中é😀" * 50]
)
def test_a_line_without_end_is_cut_between_words_or_characters(write, text):
    documents, counts = read(write("a.txt", text))
    lines = "\n".join(documents).split("\n")
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")
    assert all(len(line.encode()) <= 60 for line in lines)
    assert all(set(line.split()) <= set(text.split()) for line in lines if " " in text)
    assert counts == {"divided_documents": 1}
    # JSON is not to be cut.
    assert read(write("a.jsonl", [{"text": text}])) == ([text], {})
