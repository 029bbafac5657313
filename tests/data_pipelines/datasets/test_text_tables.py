import pytest

from data_pipelines.datasets.examples import TextExample
from data_pipelines.datasets.read_log import ReadLog
from data_pipelines.datasets.sources import Files, Part, Reading
from data_pipelines.datasets.text_tables import TextTable

SINGLE = TextTable(first=("sentence", "text"), id=("id",))
PAIR = TextTable(first=("a",), second=("b",))
SCORE = TextTable(first=("text",), is_score=True)


def test_texts(read):
    examples, log = read(SINGLE, ["id\ttext\tlabel", "x\tOne.\tyes", "y\tTwo.\tno"])
    assert examples == [
        TextExample("x", "One.", None, "yes"),
        TextExample("y", "Two.", None, "no"),
    ]
    assert log == []


def test_pairs_without_ids_are_numbered(read):
    examples, _ = read(PAIR, ["a\tb\tlabel", "1\t2\tx", "3\t4\ty"])
    assert examples == [
        TextExample("0", "1", "2", "x"),
        TextExample("1", "3", "4", "y"),
    ]


def test_scores(read):
    examples, _ = read(SCORE, ["text\tlabel", "a\t2.50", "b\t -1e1 "])
    assert [example.label for example in examples] == [2.5, -10.0]


def test_what_is_empty_is_counted(read):
    lines = ["a\tb\tlabel", "\t2\tx", " \u3000\t2\tx", "1\t \tx", "1\t2\t", "1\t2\tx"]
    examples, log = read(PAIR, lines)
    assert [example.id for example in examples] == ["2", "4"]
    assert log == [
        "2 skipped: empty text (line 2, line 3)",
        "1 skipped: no label (line 5)",
        "1 warning: empty second text (line 4)",
    ]


@pytest.mark.parametrize(
    ("lines", "labels"),
    [
        (["text", "a", "b"], [None, None]),
        (["text\tlabel", "a\t", "b\tx"], [None, "x"]),
    ],
)
def test_a_test_may_lack_labels(read, lines, labels):
    examples, log = read(SINGLE, lines, role="test")
    assert [example.label for example in examples] == labels
    assert log == []


def test_labels_by_number(read):
    table = TextTable(first=("text",), label_is_id=True)
    lines = ["text\tlabel", "a\t1", "b\t0"]
    examples, _ = read(table, lines, labels=("x", "y"))
    assert [example.label for example in examples] == ["y", "x"]
    for bad in ("2", "-1", "x", "1.0", "²"):
        with pytest.raises(
            ValueError, match=r"line 2: received the label .*whole number from 0 to 1"
        ):
            read(table, ["text\tlabel", f"a\t{bad}"], labels=("x", "y"))


@pytest.mark.parametrize("role", ["train", "dev", "test"])
def test_unknown_labels(read, role):
    with pytest.raises(
        ValueError,
        match=r"a\.tsv, line 3: received the label 'z'. Expected one of \['x', 'y'\]",
    ):
        read(SINGLE, ["text\tlabel", "a\tx", "b\tz"], role, labels=("x", "y"))


@pytest.mark.parametrize("label", ["good", "1,5", "nan", "inf"])
def test_scores_that_are_none(read, label):
    with pytest.raises(
        ValueError, match=rf"line 2: received the label '{label}'. Expected a number"
    ):
        read(SCORE, ["text\tlabel", f"a\t{label}"])


@pytest.mark.parametrize(
    ("table", "header", "message"),
    [
        (SINGLE, "label\tx", r"no column 'sentence' or 'text' but \['label', 'x'\]"),
        (PAIR, "a\tlabel", r"no column 'b' but \['a', 'label'\]"),
        (SINGLE, "text\tclass", r"no column 'label' but \['text', 'class'\]"),
    ],
)
def test_missing_columns(read, table, header, message):
    with pytest.raises(ValueError, match=rf"a\.tsv, line 2: {message}"):
        read(table, [header, "1\t2"])


def test_ragged_rows(read):
    lines = ["text\tlabel", "a\tx", "b"]
    with pytest.raises(ValueError, match="line 3: received 1 fields"):
        read(SINGLE, lines)
    table = TextTable(first=("text",), skips_ragged=True)
    examples, log = read(table, lines)
    assert len(examples) == 1
    assert log == ["1 skipped: wrong number of fields (line 3)"]


def test_parts_share_nothing_and_lack_nothing(read):
    lines = ["text\tlabel", *(f"text {number}\tx" for number in range(1_000))]
    parts = [Part((0, 1, 2), 5), Part((3,), 5), Part((4,), 5)]
    found = [read(SINGLE, lines, part=part)[0] for part in parts]
    ids = [example.id for examples in found for example in examples]
    assert sorted(ids, key=int) == [str(number) for number in range(1_000)]
    assert all(
        abs(len(examples) - share) < 60
        for examples, share in zip(found, (600, 200, 200), strict=True)
    )


def test_rows_keep_all_columns(write):
    paths = (write("a.jsonl", [{"text": "a", "more": 5}, {"text": ""}, {"text": "b"}]),)
    log = ReadLog("test")
    reading = Reading("test", None, log)
    assert list(SINGLE.read_rows(Files(paths), reading)) == [
        ({"text": "a", "more": 5}, TextExample("0", "a", None, None)),
        ({"text": "b"}, TextExample("2", "b", None, None)),
    ]
    assert log.skips == {"empty text": 1}
