import json

import hypothesis
import pytest
from hypothesis import strategies

from bert_tf.prediction.rows import AnswerColumns, RowWriter
from data_pipelines.datasets.tables import cell_text, read_rows

_SPECIAL = "\"\t\n\r,;|\\ \u2028\u0085\x0b\x0c\ufeff\u00e9{[<'=ab1"
_CHARACTERS = strategies.characters(exclude_categories=["Cs"], exclude_characters="\0")
TEXTS = strategies.text(strategies.sampled_from(_SPECIAL) | _CHARACTERS, max_size=6)
SCALARS = (
    TEXTS
    | strategies.none()
    | strategies.booleans()
    | strategies.integers()
    | strategies.floats(allow_nan=False, allow_infinity=False)
)
VALUES = strategies.recursive(
    SCALARS,
    lambda inner: (
        strategies.lists(inner, max_size=2)
        | strategies.dictionaries(TEXTS, inner, max_size=2)
    ),
    max_leaves=4,
)


@strategies.composite
def tables(draw):
    names = draw(strategies.lists(TEXTS, min_size=1, max_size=4, unique=True))
    row = strategies.fixed_dictionaries(dict.fromkeys(names, VALUES))
    return draw(strategies.lists(row, min_size=1, max_size=4))


@pytest.fixture
def write(tmp_path):
    def write(name, rows):
        path = tmp_path / name
        path.unlink(missing_ok=True)
        with RowWriter(str(path)).open() as writer:
            for row in rows:
                writer.write(row)
        return str(path)

    return write


def read(path):
    return [row.values for row in read_rows(path)]


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.jsonl"])
@hypothesis.given(rows=tables())
@hypothesis.settings(
    max_examples=200,
    deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture],
)
def test_what_is_written_is_read(write, name, rows):
    expected = rows
    if name != "a.jsonl":
        expected = [{key: cell_text(x) for key, x in row.items()} for row in rows]
    assert read(write(name, rows)) == expected


ROWS = [
    {"text": 'She said "no"', "n": 1, "is": True, "none": None},
    {"text": " a\tb, c ", "n": 0.5, "is": False, "none": ""},
    {"text": "x\r\ny", "n": [1, "é"], "is": {"a": None}, "none": "z\0"},
]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        (
            "a.csv",
            'text,n,is,none\n"She said ""no""",1,true,\n" a\tb, c ",0.5,false,\n'
            '"x\r\ny","[1, ""é""]","{""a"": null}","z\ufffd"\n',
        ),
        (
            "a.tsv",
            'text\tn\tis\tnone\n"She said ""no"""\t1\ttrue\t\n'
            '" a\tb, c "\t0.5\tfalse\t\n'
            '"x\r\ny"\t"[1, ""é""]"\t"{""a"": null}"\t"z\ufffd"\n',
        ),
        ("a.jsonl", "".join(json.dumps(x, ensure_ascii=False) + "\n" for x in ROWS)),
    ],
)
def test_cells(write, name, content):
    with open(write(name, ROWS), encoding="utf-8", newline="") as file:
        assert file.read() == content


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", "text,meta,more,prediction\na,,,x\nb,1,,y\nc,,2,z\n"),
        ("a.tsv", "text\tmeta\tmore\tprediction\na\t\t\tx\nb\t1\t\ty\nc\t\t2\tz\n"),
        (
            "a.jsonl",
            '{"text": "a", "prediction": "x"}\n'
            '{"text": "b", "meta": 1, "prediction": "y"}\n'
            '{"text": "c", "more": 2, "prediction": "z"}\n',
        ),
    ],
)
def test_rows_with_other_columns_than_the_first(write, name, content):
    rows = [
        {"text": "a", "prediction": "x"},
        {"text": "b", "meta": 1, "prediction": "y"},
        {"text": "c", "more": 2, "prediction": "z"},
    ]
    path = write(name, rows)
    with open(path) as file:
        assert file.read() == content


def test_standard_output(capsys):
    with RowWriter(None).open() as writer:
        writer.write({"text": "é", "n": None})
    assert capsys.readouterr().out == '{"text": "é", "n": null}\n'


def test_no_rows(write):
    with open(write("a.csv", [])) as file:
        assert file.read() == ""


def test_a_file_that_is_not_finished_is_not_there(tmp_path):
    path = tmp_path / "a.csv"
    with pytest.raises(KeyError), RowWriter(str(path)).open() as writer:
        writer.write({"a": 1})
        raise KeyError
    assert list(tmp_path.iterdir()) == []


def test_outputs_that_cannot_be(tmp_path):
    with pytest.raises(ValueError, match=r"'a\.xlsx'. Expected .*'\.csv', '\.tsv'"):
        RowWriter("a.xlsx")
    path = tmp_path / "a.csv"
    path.touch()
    with pytest.raises(FileExistsError, match="exists already"):
        RowWriter(str(path))


@pytest.mark.parametrize(
    ("columns", "answer", "expected", "renamed"),
    [
        (["text"], {"prediction": 1}, {"text": "t", "prediction": 1}, {}),
        (
            ["text", "prediction"],
            {"prediction": 1, "best": 2},
            {"text": "t", "prediction": "t", "prediction_2": 1, "best": 2},
            {"prediction": "prediction_2"},
        ),
        (
            ["prediction", "prediction_2"],
            {"prediction": 1},
            {"prediction": "t", "prediction_2": "t", "prediction_3": 1},
            {"prediction": "prediction_3"},
        ),
    ],
)
def test_columns_keep_their_names(columns, answer, expected, renamed):
    merging = AnswerColumns(columns)
    row = dict.fromkeys(columns, "t")
    assert merging.merged(row, answer) == expected
    assert merging.renamed == renamed
    assert merging.lines() == [
        f"'{name}' is a column of the file, so the answer is in '{other}'"
        for name, other in renamed.items()
    ]


def test_answers_have_one_name_in_all_rows():
    merging = AnswerColumns(["text", "prediction"])
    assert merging.merged({"text": "a"}, {"prediction": 1}) == {
        "text": "a",
        "prediction_2": 1,
    }


@pytest.mark.parametrize("name", [None, "a.jsonl", "a.csv"])
def test_numbers_that_are_none_are_not_written(tmp_path, capsys, name):
    path = name and str(tmp_path / name)
    message = r"Received nan as best\[0\]\.probability"
    with pytest.raises(ValueError, match=message), RowWriter(path).open() as writer:
        writer.write({"best": [{"probability": float("nan")}]})
    assert not list(tmp_path.iterdir())
    assert not capsys.readouterr().out
