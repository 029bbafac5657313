import csv
import io

import hypothesis
import pytest
from hypothesis import strategies

from data_pipelines.datasets.delimited import (
    DELIMITERS,
    RecordReader,
    find_delimiter,
    find_quotes,
    record_text,
)

_CHARACTERS = strategies.characters(exclude_categories=["Cs"], exclude_characters="\0")
TEXTS = strategies.text(
    strategies.sampled_from('"\t\n\r,;| \u2028\u0085ab1') | _CHARACTERS, max_size=8
)
ROWS = strategies.integers(1, 4).flatmap(
    lambda width: strategies.lists(
        strategies.lists(TEXTS, min_size=width, max_size=width), min_size=1, max_size=5
    )
)
MANY = hypothesis.settings(max_examples=200, deadline=None)


def values(text, delimiter=","):
    lines = text.removesuffix("\n").split("\n")
    return [record.values for record in RecordReader(lines, delimiter, "a.csv")]


@hypothesis.given(
    rows=ROWS,
    delimiter=strategies.sampled_from(list(DELIMITERS)),
    quoting=strategies.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
)
@MANY
def test_what_the_csv_module_writes(rows, delimiter, quoting):
    file = io.StringIO()
    csv.writer(file, delimiter=delimiter, quoting=quoting).writerows(rows)
    assert values(file.getvalue(), delimiter) == rows


@hypothesis.given(rows=ROWS, delimiter=strategies.sampled_from(list(DELIMITERS)))
@MANY
def test_what_the_csv_module_reads(rows, delimiter):
    text = "".join(record_text(row, delimiter) + "\n" for row in rows)
    file = io.StringIO(text, newline="")
    assert list(csv.reader(file, delimiter=delimiter, strict=True)) == rows
    assert values(text, delimiter) == rows


def test_records_know_their_lines_and_quotes():
    records = RecordReader(['a,"b', 'c"', "d,e"], ",", "a.csv")
    assert [(r.line, r.lines, r.quoted) for r in records] == [
        (1, 2, (False, True)),
        (3, 1, ()),
    ]


def test_a_backslash_in_quotes_is_a_character_where_they_close():
    assert values('"c:\\","d"\n"\\"\n') == [["c:\\", "d"], ["\\"]]


@pytest.mark.parametrize(
    ("lines", "num_columns", "delimiter"),
    [
        (["text"], None, None),
        (["text", "a;b"], None, None),
        (["text;label", "a,b;c"], None, ";"),
        (["a,b", "x;y,1"], None, ","),
        (["a;b,c", "x;1"], None, ";"),
        (["Text, raw;label", "x;1", "y, z;1"], None, ";"),
        (['"a;b",c', "x;y,1"], None, ","),
        (["x;y", "z;w"], 2, ";"),
        (["x;y", "z;w"], 1, None),
        (["a;b", '"x', 'y";1', '"z'], None, ";"),
    ],
)
def test_delimiters(lines, num_columns, delimiter):
    assert find_delimiter(lines, num_columns) == delimiter


@hypothesis.given(
    strategies.lists(TEXTS.filter(lambda text: "\n" not in text), min_size=1)
)
@MANY
def test_quotes_of_any_lines(lines):
    quotes = find_quotes(lines, "\t", has_header=True)
    if quotes.surround:
        list(RecordReader(lines, "\t", "a.tsv"))
