import pytest

from data_pipelines.datasets.read_log import ReadLog
from data_pipelines.datasets.tables import read_rows


def rows(path, names=None):
    return [(row.values, row.place) for row in read_rows(path, names)]


@pytest.mark.parametrize("name", ["a.tsv", "a.txt", "a.TSV", "a.tsv.gz"])
def test_tsv_has_no_quotes(write, name):
    path = write(name, '\ufeffid\ttext\r\n1\t"a\r\n2\tb ""c"", "d\n\n3\t"e"\n\n')
    assert rows(path) == [
        ({"id": "1", "text": '"a'}, "line 2"),
        ({"id": "2", "text": 'b ""c"", "d'}, "line 3"),
        ({"id": "3", "text": '"e"'}, "line 5"),
    ]


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz"])
def test_csv_has_quotes(write, name):
    path = write(name, '\ufeffid,text\r\n1,"a, ""b""\nc"\r\n2,d\'s "e"\n\n3,\n')
    assert rows(path) == [
        ({"id": "1", "text": 'a, "b"\nc'}, "line 2"),
        ({"id": "2", "text": 'd\'s "e"'}, "line 4"),
        ({"id": "3", "text": ""}, "line 6"),
    ]


@pytest.mark.parametrize("name", ["a.jsonl", "a.json", "a.jsonl.gz"])
def test_json_lines(write, name):
    path = write(
        name,
        '{"text": "a\\n", "n": 1, "x": 0.5, "no": null, "is": true, "l": ["é"]}\n'
        '\n{"text": "\\ud800b"}',
    )
    first = {"text": "a\n", "n": 1, "x": 0.5, "no": None, "is": True, "l": ["é"]}
    assert rows(path) == [(first, "line 1"), ({"text": "?b"}, "line 3")]


@pytest.mark.parametrize(
    ("name", "content"), [("a.tsv", "1\ta\n2\tb\n"), ("a.csv", '1,a\n2,"b"\n')]
)
def test_without_header(write, name, content):
    assert rows(write(name, content), ("id", "text")) == [
        ({"id": "1", "text": "a"}, "line 1"),
        ({"id": "2", "text": "b"}, "line 2"),
    ]


@pytest.mark.parametrize("name", ["a.csv", "a.tsv"])
def test_an_empty_line_is_a_row_only_of_one_column(write, name):
    path = write(name, "text\na\n\nb\n")
    assert rows(path) == [
        ({"text": "a"}, "line 2"),
        ({"text": ""}, "line 3"),
        ({"text": "b"}, "line 4"),
    ]


def test_a_long_field(write):
    text = "a, " * 100_000
    assert rows(write("a.csv", f'text\n"{text}"\n')) == [({"text": text}, "line 2")]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.xlsx", "a", r"the table '.*a\.xlsx'. Expected a name that ends in .*'csv'"),
        ("a", "a", r"Expected a name that ends in .*'csv', 'tsv'"),
        ("a.tsv", "", r"a\.tsv is empty"),
        ("a.csv", "\ufeff", r"a\.csv is empty"),
        ("a.tsv", "text\n", r"a\.tsv has no rows. Expected some, after the header"),
        ("a.csv", "id,text\n\n", r"a\.csv has no rows"),
        ("a.jsonl", "\n \n", r"a\.jsonl has no rows"),
        ("a.tsv", "a\tb\ta\n", r"a\.tsv: the header has the columns \['a'\] more"),
        (
            "a.tsv",
            "id\ttext\n1\ta\tb\n",
            r"line 2: received 3 fields, expected 2: .*id",
        ),
        ("a.csv", 'id,text\n1,"a\n"\n2\n', r"line 4: received 1 fields, expected 2"),
        ("a.csv", 'id,text\n1,"a\n2,b\n', r"line 2: no CSV \(unexpected end of data\)"),
        ("a.csv", 'id,text\n1,"a"b\n', r"line 2: no CSV .*Expected quotes.*\.tsv"),
        ("a.tsv", b"id\ttext\n1\ta\n2\t\xe9\n", r"line 3: byte 3, .* is not UTF-8"),
        (
            "a.jsonl",
            '{"text": "a"}\n{',
            r"line 2: not JSON .*Expected an object a line",
        ),
        ("a.jsonl", '["a"]', r"a\.jsonl, object 1: received a str. Expected an object"),
    ],
)
def test_tables_that_are_not_as_expected(write, name, content, message):
    with pytest.raises(ValueError, match=message):
        rows(write(name, content))


def test_no_such_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="No file"):
        rows(str(tmp_path / "a.csv"))


def test_ragged_rows_can_be_skipped(write):
    log = ReadLog("train")
    path = write("a.tsv", "id\ttext\n1\ta\n2\n3\tb\tc\n4\td\n")
    kept = [row.values["id"] for row in read_rows(path, ragged=log)]
    assert kept == ["1", "4"]
    assert log.skips == {"wrong number of fields": 2}


def test_values_by_column(write):
    (row,) = read_rows(write("a.tsv", "id\ttext\n1\ta\n"))
    assert row.get("sentence", "text") == row.value("sentence", "text") == "a"
    assert row.get("sentence") is None
    with pytest.raises(
        ValueError,
        match=r"a\.tsv, line 2: no column 'x' or 'y' but \['id', 'text'\]. Expected",
    ):
        row.value("x", "y")


def test_rows_come_one_at_a_time(write):
    found = read_rows(write("a.tsv", "id\ttext\n1\ta\n2\n"))
    assert next(found).values == {"id": "1", "text": "a"}
    with pytest.raises(ValueError, match="line 3"):
        next(found)
