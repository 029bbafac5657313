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


def test_rows_without_id(read):
    table = TextTable(first=("text",), id=("key",), is_published=False)
    examples, log = read(table, ["key,text,label", "x,a,1", ",b,0"], name="a.csv")
    assert [example.id for example in examples] == ["x", "1"]
    assert log == [
        "1 warning: no id; the number of the row was used (line 3, column 'key')"
    ]


def test_decimal_commas(read):
    lines = ["text\tlabel", "a\t2,5", "b\t-0,125", "c\t1234,567", "d\t3"]
    examples, log = read(SCORE, lines)
    assert [example.label for example in examples] == [2.5, -0.125, 1234.567, 3.0]
    assert log == ["3 warnings: decimal comma in a score (line 2, line 3, line 4)"]


OWN = TextTable(first=("text",), is_published=False)
PRODIGY = {"_input_hash": 1, "_task_hash": 2}


def label_studio(*choices, **more):
    value = {"choices": list(choices)}
    return {
        "result": [{"from_name": "mood", "value": value, "type": "choices"}],
        **more,
    }


@pytest.mark.parametrize(
    ("row", "label"),
    [
        ({"text": "a", "label": "pos"}, "pos"),
        ({"text": "a", "label": " pos "}, "pos"),
        ({"text": "a", "label": 1}, "1"),
        ({"text": "a", "label": 1.0}, "1"),
        ({"text": "a", "label": 1.5}, "1.5"),
        ({"text": "a", "label": True}, "true"),
        # doccano, and lists in cells.
        ({"text": "a", "label": ["pos"]}, "pos"),
        ({"text": "a", "label": [3]}, "3"),
        ({"text": "a", "label": '["pos"]'}, "pos"),
        ({"text": "a", "label": "['pos']"}, "pos"),
        ({"text": "a", "label": "[pos]"}, "[pos]"),
        # Prodigy.
        ({"text": "a", "label": "pos", "answer": "accept"} | PRODIGY, "pos"),
        ({"text": "a", "options": [], "accept": ["pos"], "answer": "accept"}, "pos"),
        # Label Studio.
        ({"data": {"text": "a"}, "annotations": [label_studio("pos")]}, "pos"),
        (
            {
                "data": {"text": "a"},
                "annotations": [
                    label_studio("neg", was_cancelled=True),
                    label_studio("pos"),
                ],
            },
            "pos",
        ),
        (
            {
                "data": {"text": "a"},
                "annotations": [label_studio("pos"), label_studio("pos")],
            },
            "pos",
        ),
        ({"text": "a", "label": {"choices": ["pos"]}}, "pos"),
        (
            {
                "data": {"text": "a"},
                "annotations": [{"result": [{"value": {"rating": 4}}]}],
            },
            "4",
        ),
    ],
)
def test_labels_as_tools_write_them(read, row, label):
    examples, _ = read(OWN, [row], name="a.jsonl")
    assert examples == [TextExample("0", "a", None, label)]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"text": "a", "label": []}, "no label"),
        ({"text": "a", "label": None}, "no label"),
        ({"text": "a", "label": float("nan")}, "no label"),
        ({"text": "a", "options": [], "accept": []}, "no label"),
        ({"data": {"text": "a"}, "annotations": []}, "no label"),
        (
            {"text": "a", "label": "x", "answer": "reject"},
            "rejected or ignored in Prodigy",
        ),
        (
            {"text": "a", "label": "x", "answer": "ignore"},
            "rejected or ignored in Prodigy",
        ),
        (
            {"text": "a", "options": [], "accept": ["x"], "answer": "ignore"},
            "rejected or ignored in Prodigy",
        ),
    ],
)
def test_rows_without_a_label(read, row, reason):
    rows = [row, {"text": "b", "label": "y"}]
    examples, log = read(OWN, rows, name="a.jsonl")
    assert [example.id for example in examples] == ["1"]
    assert log == [f"1 skipped: {reason} (line 1)"]
    examples, log = read(OWN, rows, role="test", name="a.jsonl")
    assert [example.label for example in examples] == [None, "y"]
    assert log == []


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"text": "a", "label": ["x", "y"]}, r"line 1: .*several labels, \['x', 'y'\]"),
        ({"text": "a", "label": "['x', 'y']"}, r"several labels, \['x', 'y'\]"),
        ({"text": "a", "label": [0, 1, 0]}, "is not supported"),
        ({"text": "a", "label": {"choices": ["x", "y"]}}, "several labels"),
        ({"text": "a", "options": [], "accept": ["x", "y"]}, "several labels"),
        (
            {
                "data": {"text": "a"},
                "annotations": [label_studio("x"), label_studio("y")],
            },
            "several labels",
        ),
        (
            {"text": "a", "label": [[0, 1, "PER"]]},
            r"the label \[0, 1, 'PER'\]. Expected",
        ),
        ({"text": "a", "label": {"x": 1}}, r"the label \{'x': 1\}. Expected"),
        ({"text": ["a"], "label": "x"}, r"a list in the column 'text', \['a'\]"),
        ({"text": "a", "labels": ["x"]}, r"no column 'label' .*\(perhaps 'labels'\)"),
        (
            {"data": {"text": "a", "n": 1}},
            r"no column 'label' but \['data', 'text', 'n'\]",
        ),
    ],
)
def test_labels_that_are_none_or_several(read, row, message):
    with pytest.raises(ValueError, match=message):
        read(OWN, [row, {"text": "b", "label": "y"}], name="a.jsonl")


def test_label_studio_asks_which_choice(read):
    result = [
        {"from_name": name, "value": {"choices": [name.upper()]}} for name in ("a", "b")
    ]
    row = {"data": {"text": "t"}, "annotations": [{"result": result}]}
    with pytest.raises(ValueError, match=r"choices for \['a', 'b'\]. Expected one"):
        read(OWN, [row], name="a.jsonl")
    table = TextTable(first=("text",), label=("b",), is_published=False)
    assert read(table, [row], name="a.jsonl")[0][0].label == "B"


def test_whole_numbers_are_one_class(read):
    lines = ["text,label", "a,1.0", "b,1", "c,0.0", "d,"]
    examples, log = read(OWN, lines, name="a.csv")
    assert [example.label for example in examples] == ["1", "1", "0"]
    assert log == [
        "1 skipped: no label (line 5)",
        "2 warnings: label such as 1.0, a whole number, read as 1 (line 2, line 4)",
    ]
    for labels, expected in (
        (("0.0", "1.0"), ["1.0", "0.0"]),
        (("0", "1"), ["1", "0"]),
    ):
        examples, _ = read(OWN, ["text,label", "a,1.0", "b,0"], "dev", labels, "a.csv")
        assert [example.label for example in examples] == expected


@pytest.mark.parametrize(
    ("classes", "note"),
    [
        (
            ["pos", "Pos", "neg"],
            "the classes 'pos' (line 2) and 'Pos' (line 3) differ only in case",
        ),
        (["pos", "NaN"], "'NaN' (line 3) is read as a class"),
        (
            [*"012345678", "0"],
            "9 classes in 10 examples, such as '0' (line 2) and '1' (line 3): is this "
            "the label column?",
        ),
        (["a", "b"] * 5, None),
    ],
)
def test_odd_classes_are_noted(read, classes, note):
    lines = ["text,label", *(f"t,{label}" for label in classes)]
    assert read(OWN, lines, name="a.csv")[1] == ([note] if note else [])
    assert read(OWN, lines, "dev", name="a.csv")[1] == []


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        (
            map(str, range(100)),
            r"100 classes in as many examples, such as '0' \(line 1\)",
        ),
        (["2", "27", "2,27"], r"line 3: received several labels, '2,27'"),
        (["a", "b", "b | a"], r"line 3: received several labels, 'b \| a'"),
    ],
)
def test_columns_that_are_no_classes(read, classes, message):
    lines = [{"text": "t", "label": label} for label in classes]
    with pytest.raises(ValueError, match=message):
        read(OWN, lines, name="a.jsonl")


@pytest.mark.parametrize("label", ["Pos", "positiv", " POS"])
def test_unknown_labels_have_a_hint(read, label):
    with pytest.raises(ValueError, match=r"\['neg', 'pos', 'positive'\] \(perhaps '"):
        read(OWN, ["text\tlabel", f"a\t{label}"], "dev", ("neg", "pos", "positive"))


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


@pytest.mark.parametrize(
    "label", ["good", "1,500", "1.000,5", "nan", "inf", "1e400", "-1e39"]
)
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
