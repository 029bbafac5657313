import pytest

from data_pipelines.datasets.read_log import ReadLog
from data_pipelines.datasets.tables import column_names, read_rows


def rows(path, names=None):
    return [(row.values, row.place) for row in read_rows(path, names)]


def cells(path, names=None, **more):
    """The texts of each row, and the lines on the file."""
    log = ReadLog("x")
    found = [list(row.values.values()) for row in read_rows(path, names, log, **more)]
    return found, log.lines()[1:]


@pytest.mark.parametrize("name", ["a.tsv", "a.txt", "a.TSV", "a.tsv.gz"])
def test_quotes_of_running_text_in_tsv(write, name):
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


_NUMBERS = '{"text": "NaN", "score": NaN}\n{"text": "b", "score": 1}'


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.jsonl", _NUMBERS),
        ("a.json", f"[{_NUMBERS}]".replace("\n", ",\n")),
        ("a.json", _NUMBERS.replace(", ", ",\n")),
    ],
    ids=["lines", "array", "objects over several lines"],
)
def test_nan_is_a_missing_value_of_json(write, name, content):
    found = [values for values, _ in rows(write(name, content))]
    assert found == [{"text": "NaN", "score": None}, {"text": "b", "score": 1}]


@pytest.mark.parametrize("number", ["Infinity", "-Infinity", "1e400"])
@pytest.mark.parametrize(
    ("before", "after"),
    [('{"text": "a"}\n', ""), ('[{"text": "a"},\n', "]")],
    ids=["lines", "array"],
)
def test_numbers_of_json_that_are_none(write, number, before, after):
    path = write("a.json", f'{before}{{"text": "b", "score": {number}}}{after}')
    with pytest.raises(ValueError, match=rf"line \d: not JSON \(.*{number}"):
        rows(path)


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
        ("a.dat", "a", r"the table '.*a\.dat'. Expected a name that ends in .*'csv'"),
        ("a", "a", r"Expected a name that ends in .*'csv', 'tsv'"),
        ("a.tsv", "", r"a\.tsv is empty"),
        ("a.csv", "\ufeff", r"a\.csv is empty"),
        (
            "a.tsv",
            "text\n",
            r"a\.tsv has no rows. Expected at least one row after the header",
        ),
        ("a.csv", "id,text\n\n", r"a\.csv has no rows"),
        ("a.jsonl", "\n \n", r"a\.jsonl has no rows"),
        ("a.tsv", "a\tb\ta\n", r"a\.tsv: the header has the columns \['a'\] more"),
        (
            "a.tsv",
            "id\ttext\n1\ta\tb\n",
            r"line 2: received 3 fields, expected 2: .*id",
        ),
        ("a.csv", 'id,text\n1,"a\n"\n2\n', r"line 4: received 1 fields, expected 2"),
        ("a.csv", 'id,text\n1,"a\n2,b\n', r"line 2: not CSV: .* is never closed"),
        (
            "a.csv",
            'id,text\n1,a\n2,"b"c\n',
            r"line 3: not CSV: .*and text follows.*tsv",
        ),
        (
            "a.csv",
            'id,text\n1,"a\n2,b\n3,"c"\n',
            r"line 2: not CSV: .*and text follows",
        ),
        ("a.tsv", b"id\ttext\n1\ta\n2\t\xe9\n", r"line 3: byte 3, .* is not UTF-8"),
        (
            "a.jsonl",
            '{"text": "a"}\n{',
            r"line 2: not JSON .*Expected one object per line",
        ),
        ("a.jsonl", '["a"]', r"a\.jsonl, object 1: received a str. Expected an object"),
    ],
)
def test_tables_that_are_not_as_expected(write, name, content, message):
    with pytest.raises(ValueError, match=message):
        rows(write(name, content))


TAKEN_OFF = "x: quotes around fields (line {}) were removed, as in files from Excel"
KEPT = (
    "x: quotes were read as characters of the texts (line {}); if they surround "
    "fields, rename the file to end in .csv"
)


@pytest.mark.parametrize(
    ("content", "expected", "note"),
    [
        # Excel's "Text (Tab delimited)": fields with quotes or commas are quoted.
        (
            'text\tlabel\n"She said ""no"""\tneg\nfine\tpos\n',
            [['She said "no"', "neg"], ["fine", "pos"]],
            TAKEN_OFF.format(2),
        ),
        (
            'text\tlabel\r\n"no, sir"\tneg\r\n"a\nb"\tpos\r\n',
            [["no, sir", "neg"], ["a\nb", "pos"]],
            TAKEN_OFF.format(3),
        ),
        ('a\tb\n"x, y"\t1\nz\t2\n', [["x, y", "1"], ["z", "2"]], TAKEN_OFF.format(2)),
        ('a\tb\n"x\ty"\t1\n', [["x\ty", "1"]], TAKEN_OFF.format(2)),
        (
            'a\tb\n1\t"x\ny\nz"\n2\tw\n',
            [["1", "x\ny\nz"], ["2", "w"]],
            TAKEN_OFF.format(2),
        ),
        # All fields are quoted, as pandas does with QUOTE_ALL, and texts alone.
        ('"a"\t"b"\n"x"\t"1"\n', [["x", "1"]], TAKEN_OFF.format(1)),
        ('"a"\t"b"\n"x"\t1\n', [["x", "1"]], TAKEN_OFF.format(1)),
        ('a\tb\n"x"\t1\n"y"\t2\n', [["x", "1"], ["y", "2"]], TAKEN_OFF.format(2)),
        # Running text.
        ('a\tb\n"Yes," he said.\t1\n', [['"Yes," he said.', "1"]], None),
        ('a\tb\n5" disk\t1\n', [['5" disk', "1"]], None),
        ('a\tb\n"x\t1\ny"\t2\n', [['"x', "1"], ['y"', "2"]], KEPT.format(2)),
        (
            'a\tb\n1\t"x\n2\ty\n3\tz"\n',
            [["1", '"x'], ["2", "y"], ["3", 'z"']],
            KEPT.format(2),
        ),
        ('a\tb\n"x\t1\ny\t2\n', [['"x', "1"], ["y", "2"]], None),
        # It may be either.
        ('a\tb\n"x"\t1\ny\t2\n', [['"x"', "1"], ["y", "2"]], KEPT.format(2)),
        (
            'a\tb\n"x, y"\t1\nz, w\t2\n',
            [['"x, y"', "1"], ["z, w", "2"]],
            KEPT.format(2),
        ),
        (
            'a\tb\n5" disk\t1\n"so ""called"""\t2\n',
            [['5" disk', "1"], ['"so ""called"""', "2"]],
            KEPT.format(3),
        ),
    ],
)
def test_what_quotes_between_tabs_are(write, content, expected, note):
    path = write("a.tsv", content)
    assert cells(path) == (expected, [note] if note else [])
    raw = [line.split("\t") for line in content.replace("\r", "").split("\n")[1:-1]]
    if all(len(fields) == 2 for fields in raw):
        assert cells(path, is_published=True) == (raw, [])


@pytest.mark.parametrize(
    ("content", "expected", "notes"),
    [
        # German Excel.
        (
            "text;label\ngut, ja;3,5\n",
            [["gut, ja", "3,5"]],
            ["the fields are separated by semicolons"],
        ),
        ('sep=;\ntext;label\n"a;b";1\n', [["a;b", "1"]], []),
        ("a\tb\nx, y\t1\n", [["x, y", "1"]], ["the fields are separated by tabs"]),
        (
            "a|b\nx, y|1\n",
            [["x, y", "1"]],
            ["the fields are separated by vertical bars"],
        ),
        ("a;b,c\nx,1\n", [["x", "1"]], []),
        (
            "Text, raw;label\nx;1\n",
            [["x", "1"]],
            ["the fields are separated by semicolons"],
        ),
        ("text\na;b\nc;d\n", [["a;b"], ["c;d"]], []),
        ('text\n"likes apples, pears"\n', [["likes apples, pears"]], []),
        # Spaces after commas.
        (
            'id, text\n1, "a, b"\n2, c\n',
            [["1", "a, b"], ["2", " c"]],
            ["spaces around the names of columns were removed: ['id', 'text']"],
        ),
        ('id,text\n1 , "a ""b""" \n', [["1 ", 'a "b"']], []),
        # Excel: columns that were used once.
        ("a,b,,\nx,1,,\n,,,\n", [["x", "1"], ["", ""]], []),
        ("a,b\nx,1,,\n", [["x", "1"]], []),
        # pandas: the index has no name.
        (",text\n0,a\n", [["0", "a"]], []),
        # Line ends.
        ("a,b\rx,1\r", [["x", "1"]], []),
        ('a,b\r\n"x\r\ny",1\r\n"z\r",2\r\n', [["x\r\ny", "1"], ["z\r", "2"]], []),
        ("\n\na,b\nx,1\n  \n\n", [["x", "1"]], []),
        # Backslashes before quotes: R's write.table, Spark, MySQL.
        (
            'a,b\n1,"x \\"y\\", z"\n2,"c:\\d"\n',
            [["1", 'x "y", z'], ["2", "c:\\d"]],
            ["backslashes before quotes were removed"],
        ),
        (
            'a,b\n1,"x \\"y\\""\n2,z\n',
            [["1", 'x "y"'], ["2", "z"]],
            ["backslashes before quotes were removed"],
        ),
        (
            'a,b\n"x \\"",1\n"y ""z""",2\n"w",3\n',
            [['x "', "1"], ['y "z"', "2"], ["w", "3"]],
            ["backslashes before quotes were removed"],
        ),
        # A quote that takes in rows.
        (
            'a,b\n1,"x\n2,y\n3,z"\n',
            [["1", "x\n2,y\n3,z"]],
            ["1 warning: quoted field with lines that look like rows (line 2)"],
        ),
        ('a,b\n1,"Dear,\nI am, yes"\n', [["1", "Dear,\nI am, yes"]], []),
    ],
)
def test_dialects_of_csv(write, content, expected, notes):
    assert cells(write("a.csv", content)) == (
        expected,
        [f"x: {note}" for note in notes],
    )


@pytest.mark.parametrize(
    ("content", "expected"),
    [("1.5;x\n2;y\n", [["1.5", "x"], ["2", "y"]]), ("a;b,x\n", [["a;b", "x"]])],
)
def test_delimiters_without_header(write, content, expected):
    assert cells(write("a.csv", content), ("label", "text"))[0] == expected


@pytest.mark.parametrize("header", ["label,text", " Label , Text"])
def test_names_that_are_the_header(write, header):
    path = write("a.csv", f"{header}\n1,a\n")
    assert cells(path, ("label", "text")) == (
        [["1", "a"]],
        ["x: line 1, the given names, is the header"],
    )


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.xlsx", "x", "is a spreadsheet. Expected .* save it as CSV"),
        (
            "a.parquet",
            "x",
            "is a table in another format. .* as CSV or JSON lines, as pa",
        ),
        ("a.csv.zip", "x", "is compressed. .*decompress it"),
        ("a.csv", b"PK\x03\x04\x14\0\x06\0", "is a spreadsheet, a document or a ZIP"),
        ("a.csv", b"PAR1\x15\x04\x15\0", "is a Parquet file. .*as pandas does"),
        ("a.jsonl", b"PAR1\x15\x04\x15\0", "is a Parquet file. .*as pandas does"),
        ("a.csv", b"\x1f\x8b\x08\0a", "is compressed by gzip. .*decompress it"),
        ("a.csv", "<!DOCTYPE html>\n", "is HTML or XML. .*save the table in it as CSV"),
        ("a.csv", '{"text": "a"}\n', "is JSON. .*rename it to end in .jsonl"),
        ("a.tsv", '[{"text": "a"},\n', "is JSON"),
        ("a.csv", "text,label\na,1\n".encode("utf-16"), "line 1: .*from UTF-16"),
        (
            "a.tsv",
            "text,label\na,1\n",
            r"are separated by commas. Expected .* in \.csv",
        ),
        ("a.txt", "a;b\nx;1\n", r"separated by semicolons. Expected tabs .* in \.csv"),
        ("a.csv", "a,b,a \nx,1,2\n", r"the columns \['a'\] more than once"),
        ("a.csv", "a,b,\nx,1,2\n", r"line 2: received 3 fields, expected 2"),
        # R's write.table: the names of rows have no name.
        (
            "a.tsv",
            '"a"\t"b"\n"1"\t"x"\t2\n',
            "line 2: received 3 fields, expected 2: .* lacks the name of a column",
        ),
    ],
)
def test_files_that_are_something_else(write, name, content, message):
    with pytest.raises(ValueError, match=message):
        rows(write(name, content))


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.jsonl"])
def test_texts_that_begin_as_other_formats_do(write, name):
    content = '{"PAR1": "x"}\n' if name == "a.jsonl" else "PAR1\nx\n"
    assert rows(write(name, content)) == [
        ({"PAR1": "x"}, f"line {2 - (name == 'a.jsonl')}")
    ]


def test_no_such_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="No file"):
        rows(str(tmp_path / "a.csv"))


def test_ragged_rows_can_be_skipped(write):
    log = ReadLog("train")
    path = write("a.tsv", "id\ttext\n1\ta\n2\n3\tb\tc\n4\td\n")
    kept = [row.values["id"] for row in read_rows(path, None, log, skips_ragged=True)]
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


@pytest.mark.parametrize(
    ("header", "hint"),
    [
        ("Text", r" \(perhaps 'Text'\)\. Expected"),
        ("texts", r" \(perhaps 'texts'\)\. Expected"),
        ("great film", r"\['great film'\]\. Expected"),
    ],
)
def test_columns_of_similar_names(write, header, hint):
    (row,) = read_rows(write("a.csv", f"{header}\nx\n"))
    with pytest.raises(ValueError, match=hint):
        row.value("text")


def test_rows_come_one_at_a_time(write):
    found = read_rows(write("a.tsv", "id\ttext\n1\ta\n2\n"))
    assert next(found).values == {"id": "1", "text": "a"}
    with pytest.raises(ValueError, match="line 3"):
        next(found)


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.csv", "b,a\n1,2\n", ["b", "a"]),
        ("a.jsonl", '{"text": "a"}\n{"meta": 1, "text": "b"}\n', ["text", "meta"]),
    ],
)
def test_column_names(write, name, content, expected):
    path = write(name, content)
    assert column_names(path) == expected
    with pytest.raises(ValueError, match="line 3"):
        column_names(write(name, f"{content}x"))


def test_a_later_row_of_json_may_lack_a_column(write):
    rows = read_rows(write("a.jsonl", [{"text": "a"}, {"n": 1}, {"text": "b"}]))
    assert [row.value("text") for row in rows] == ["a", "", "b"]
    (row,) = read_rows(write("b.jsonl", [{"n": 1}]))
    with pytest.raises(ValueError, match="no column 'text'"):
        row.value("text")
