import pytest

from data_pipelines.datasets import catalog
from data_pipelines.datasets.catalog import from_files
from data_pipelines.datasets.read_log import ReadLog

TEXT = "Kofi Annan came to Zoë !\n\nRio sleeps, \U0001f600 Rio\n"
NOTES = (
    "T1\tPER 0 10\tKofi Annan\nT2\tPER 19 22\tZoë\n#1\tAnnotatorNotes T1\tyes\n"
    "T3\tLOC 26 29\tRio\nR1\tin Arg1:T1 Arg2:T3\nT4\tLOC 40 43\tRio\n"
)


def read_all(path):
    dataset = from_files("token_tagging", {"train": path})
    log = ReadLog("train")
    examples = list(catalog.read(dataset, "train", None, log))
    found = [(" ".join(e.words), " ".join(e.tags), e.document) for e in examples]
    return found, [line.removeprefix("train: ") for line in log.lines()[1:]]


EXPECTED = [
    ("Kofi Annan came to Zoë !", "B-PER I-PER O O B-PER O", 0),
    ("Rio sleeps , \U0001f600 Rio", "B-LOC O O O B-LOC", 0),
]


@pytest.mark.parametrize("ending", ["ann", "txt"])
def test_a_document(write, ending):
    write("a/x.ann", NOTES)
    write("a/x.txt", TEXT)
    path = write("a/y.txt", "").replace("y.txt", f"x.{ending}")
    assert read_all(path) == (EXPECTED, [])


def test_a_folder_of_documents(write):
    write("a/x.ann", NOTES)
    write("a/x.txt", TEXT)
    write("a/y.txt", "No one !\n")
    folder = write("a/y.ann", "").removesuffix("/y.ann")
    assert read_all(folder) == ([*EXPECTED, ("No one !", "O O O", 1)], [])


def test_carriage_returns_are_characters(write):
    write("x.txt", "a b\r\nc\r\n")
    path = write("x.ann", "T1\tX 2 3\tb\nT2\tX 5 6\tc\n")
    assert read_all(path)[0] == [("a b", "O B-X", 0), ("c", "B-X", 0)]


def test_parts_and_lines(write):
    write("x.txt", "a b c\nd\n")
    path = write("x.ann", "T1\tX 0 1;4 5\ta c\nT2\tY 2 7\tb c d\n")
    found, log = read_all(path)
    assert [tags for _, tags, _ in found] == ["B-X B-Y I-Y", "B-Y"]
    assert [line.partition(" (")[0] for line in log] == [
        "1 warning: discontinuous span read as several spans",
        "1 warning: overlapping span skipped",
        "1 warning: span split at the end of a line",
    ]


@pytest.mark.parametrize(
    ("notes", "message"),
    [
        ("T1\tX 0 1\tb\n", r"a span whose text is not at its offsets"),
        ("T1\tX 0\ta\n", r"x.ann, line 1: received 'T1"),
    ],
)
def test_wrong_spans(write, notes, message):
    write("x.txt", "a b\n")
    with pytest.raises(ValueError, match=message):
        read_all(write("x.ann", notes))


def test_no_text(write):
    with pytest.raises(FileNotFoundError, match=r"x\.txt"):
        read_all(write("x.ann", "T1\tX 0 1\tb\n"))
