import json

import pytest

from data_pipelines.datasets import catalog
from data_pipelines.datasets.catalog import ColumnOptions, from_files
from data_pipelines.datasets.read_log import ReadLog
from data_pipelines.datasets.tagged_files import has_columns
from data_pipelines.datasets.tagged_spans import places_of_words

LABELS = ("O", "B-PER", "I-PER")
TEXTS = ["Mr. Hu (62), of Paris!", "", "中文。 \U0001f600é x"]


def answered(path, split="predict", **options):
    dataset = from_files(
        "token_tagging", {split: path}, ColumnOptions(**options), LABELS
    )
    log = ReadLog(split)
    rows = catalog.read_with_columns(dataset, split, None, log)
    return [(columns, example.words, example.tags) for columns, example in rows]


def words_of(text):
    (places,) = places_of_words([text])
    return tuple(text[start:end] for start, end in places)


ROWS = [{"key": f"k{n}", "text": text} for n, text in enumerate(TEXTS)]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.jsonl", ROWS),
        ("a.ndjson", ROWS),
        ("a.json", json.dumps(ROWS)),
        ("a.csv", 'key,text\nk0,"' + TEXTS[0] + '"\nk1,""\nk2,' + TEXTS[2] + "\n"),
        ("a.tsv", "key\ttext\n" + "".join(f"k{n}\t{x}\n" for n, x in enumerate(TEXTS))),
    ],
)
def test_running_text_is_split_as_a_line_is(write, name, content):
    expected = [(row, words_of(row["text"]), None) for row in ROWS]
    assert answered(write(name, content)) == expected


def test_the_places_of_words():
    assert places_of_words(["é (\U0001f600) x!", ""]) == [
        [(0, 1), (2, 3), (3, 4), (4, 5), (6, 7), (7, 8)],
        [],
    ]


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"tokens": ["a b", "", "c."], "ner_tags": [7, "x"]}, ("a b", "", "c.")),
        ({"words": ["a"], "text": "b", "id": {"x": [1]}}, ("a",)),
        ({"text": "a b!", "label": "pos"}, ("a", "b", "!")),
        ({"text": "a b", "label": [[0, 99, 3]], "answer": "reject"}, ("a", "b")),
        ({"data": {"text": "a b"}, "annotations": []}, ("a", "b")),
        ({"text": None}, ()),
        ({"tokens": []}, ()),
        ({"text": "a", "tokens": [{"text": "a", "start": 7, "end": 9}]}, ("a",)),
    ],
)
def test_no_tags_are_needed_for_a_prediction(write, row, words):
    assert answered(write("a.jsonl", [row, row])) == [(row, words, None)] * 2


@pytest.mark.parametrize("name", ["a.conll", "a.tsv", "a.txt"])
def test_columns_for_a_prediction(write, name):
    path = write(name, "1\tKofi\t-\n2\tcame\tX\n\n1\tRio\tB-Y\n")
    assert answered(path) == [({}, ("Kofi", "came"), None), ({}, ("Rio",), None)]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("Kofi B-PER\ncame O\n\nRio B-LOC\n", True),
        ("Kofi\tNNP\ncame\tVBD\n\nRio\tNNP\n", True),
        ("# id 1\nKofi _ _ B-PER\n", True),
        ("-DOCSTART-\n\nKofi\n", True),
        ("Kofi came\nRio sleeps\n", False),
        ("Kofi came\n\nto Rio\n", False),
        ("Kofi came.\tTo Rio.\n\nHe saw.\tHe left.\n", False),
        ("Kofi\nRio\n", False),
        ("Kofi came to Rio O\nB I\n", False),
    ],
)
def test_columns_are_told_from_text(write, content, expected):
    assert has_columns(write("a.txt", content)) is expected
    assert has_columns(write("a.ann", ""))
