"""The program on files and standard input, with models of random weights."""

import io
import json
import sys
import types

import pytest

from bert_tf import predict
from bert_tf.predict import PredictOptions
from tests.bert_tf.serving.fine_tuned_models import (
    KIND_ARGUMENTS,
    write_model,
    write_pretrained,
)

pytestmark = pytest.mark.usefixtures("eager")


@pytest.fixture(scope="module")
def folder_of(tmp_path_factory):
    made = {}

    def of(kind, **description):
        key = json.dumps([kind, description])
        if key not in made:
            write = write_pretrained if kind == "pretraining" else write_model
            folder = tmp_path_factory.mktemp(kind) / "model"
            made[key] = write(folder, kind, **description)
        return made[key]

    return of


@pytest.fixture
def answers(tmp_path, monkeypatch, capfd):
    """Writes a file, predicts, and gives the rows, and what was printed of the file."""

    def answers(folder, name, content, **options):
        data = content.encode() if isinstance(content, str) else content
        path = None
        if name is None:
            stdin = types.SimpleNamespace(buffer=io.BytesIO(data))
            monkeypatch.setattr(sys, "stdin", stdin)
        else:
            (tmp_path / name).write_bytes(data)
            path = str(tmp_path / name)
        capfd.readouterr()
        predict.main(PredictOptions(model_dir=folder, input_file=path, **options))
        out, err = capfd.readouterr()
        told = [
            line.partition(": ")[2]
            for line in err.splitlines()
            # Ours begin with the name of a file; libraries write there, too.
            if ": " in line and "read," not in line
        ]
        return [json.loads(line) for line in out.splitlines()], told

    return answers


def jsonl(*rows):
    return "".join(f"{json.dumps(row)}\n" for row in rows)


def squad(*questions):
    qas = [{"id": i, "question": q} for i, q in enumerate(questions)]
    paragraph = {"context": "the cat sat on the mat", "qas": qas}
    return json.dumps({"data": [{"paragraphs": [paragraph]}]})


# Of each kind: name and content of an input whose second example cannot be answered,
# options, and why not.
INPUTS = [
    ("classification", None, "the cat\n \nthe dog\n", {}, "empty text"),
    ("classification", "a.csv", "text\nthe cat\n\nthe dog\n", {}, "empty text"),
    (
        "classification",
        "a.jsonl",
        jsonl({"text": "the cat"}, {"text": None}, {"text": "the dog"}),
        {},
        "empty text",
    ),
    ("regression", "a.txt", "the cat\n\nthe dog", {}, "empty text"),
    ("token_tagging", None, "the cat\n\u3000\nthe dog\n", {}, "no words"),
    ("token_tagging", "a.csv", 'id,text\n1,the cat\n2,""\n3,the dog\n', {}, "no words"),
    ("span_qa", None, "cat\tthe cat\n\ndog\tthe dog\n", {}, "empty question"),
    (
        "span_qa",
        "a.tsv",
        "question\tcontext\ncat\tthe cat\ncat\t\ndog\tthe dog\n",
        {},
        "empty context",
    ),
    ("span_qa", "a.json", squad("the cat", "", "the dog"), {}, "empty question"),
    ("multiple_choice", "a.txt", "cat\tran\tsat\n\ndog\tran\tsat\n", {}, "empty text"),
    (
        "multiple_choice",
        "a.csv",
        "text,a,b\ncat,ran,sat\n,ran,sat\ndog,ran,sat\n",
        {"choice_columns": ("a", "b")},
        "empty text",
    ),
    ("correction", "a.txt", "the cat\n\nthe dog\n", {}, "empty text"),
    ("correction", "a.csv", "text\nthe cat\n\nthe dog\n", {}, "empty text"),
]


@pytest.mark.parametrize(
    ("kind", "name", "content", "options", "reason"),
    INPUTS,
    ids=[f"{kind}-{name}" for kind, name, *_ in INPUTS],
)
def test_one_answer_for_each_example(
    folder_of, answers, kind, name, content, options, reason
):
    rows, told = answers(folder_of(kind), name, content, **options)
    assert [row.get("unanswered") for row in rows] == [None, reason, None]
    main = "tags" if kind == "token_tagging" else "prediction"
    assert not rows[1][main]
    assert rows[0].keys() == rows[2].keys() == rows[1].keys() - {"unanswered"}
    assert all(row[main] is not None for row in (rows[0], rows[2]))
    assert told == [f"1 warning: {reason}: no answer (example 1)"]


def test_a_row_of_json_that_lacks_its_text(folder_of, answers):
    rows = jsonl({"text": "the cat"}, {"n": 1}, {"text": "the dog"})
    found, told = answers(folder_of("classification"), "a.jsonl", rows)
    assert [row.get("unanswered") for row in found] == [None, "empty text", None]
    assert told == ["1 warning: empty text: no answer (example 1)"]


@pytest.mark.parametrize("kind", KIND_ARGUMENTS)
def test_only_empty_examples(folder_of, answers, kind):
    rows, told = answers(folder_of(kind), None, "\n\n")
    assert ["unanswered" in row for row in rows] == [True, True]
    assert len(told) == 1


@pytest.mark.parametrize(
    ("kind", "name", "content", "options"),
    [
        ("classification", "a.csv", "text,label\nthe cat,-1\nthe dog,other\n", {}),
        ("regression", "a.csv", "text,label\nthe cat,none\nthe dog,\n", {}),
        (
            "multiple_choice",
            "a.csv",
            "text,a,b,label\ncat,ran,sat,-1\ndog,ran,sat,x\n",
            {"choice_columns": ("a", "b")},
        ),
        ("token_tagging", "a.conll", "the B-UNKNOWN\n\ncat -\n", {}),
        ("correction", "a.csv", "text,corrected\nthe cat,\nthe dog,the cat\n", {}),
    ],
)
def test_labels_are_not_looked_at(folder_of, answers, kind, name, content, options):
    rows, told = answers(folder_of(kind), name, content, **options)
    assert len(rows) == 2
    assert told == []


def test_the_columns_of_a_table_are_kept(folder_of, answers):
    given = [
        {"text": "the cat", "n": 1, "is": True, "l": [1]},
        {"text": "a", "n": None},
    ]
    rows, _ = answers(folder_of("classification"), "a.jsonl", jsonl(*given))
    assert [
        {k: row[k] for k in old} for row, old in zip(rows, given, strict=True)
    ] == given


# --- The same text, by whatever way it comes.


@pytest.mark.parametrize(
    "text",
    [
        "the cat (ran), home.",
        "a cat , the dog .",
        "the\tcat",
        "中home \u00a0 ran!",
        '"a"',
    ],
)
@pytest.mark.parametrize("kind", ["classification", "token_tagging", "correction"])
def test_a_text_in_a_line_and_in_a_cell(folder_of, answers, kind, text):
    folder = folder_of(kind, dataset="files")
    quoted = text.replace('"', '""')
    (line,), _ = answers(folder, None, f"{text}\n")
    for name, content in (
        ("a.txt", f"{text}\r\n"),
        ("a.csv", f'text\n"{quoted}"\n'),
        ("a.jsonl", jsonl({"text": text})),
    ):
        (row,), _ = answers(folder, name, content)
        row.pop("text", None)
        assert row == {k: v for k, v in line.items() if k != "text"}


def test_a_table_without_a_header(folder_of, answers):
    for kind in ("classification", "token_tagging"):
        rows, _ = answers(
            folder_of(kind, dataset="files"),
            "a.csv",
            "1,the cat\n2,the dog\n",
            column_names=("id", "text"),
        )
        kept = [(row["id"], row["text"]) for row in rows]
        assert kept == [("1", "the cat"), ("2", "the dog")]


# --- Tabs in lines.

PAIR = "the cat\tthe dog\n"


def kept(folder, answers, line):
    (row,), _ = answers(folder, None, line)
    return [row[name] for name in ("text", "first", "second") if name in row]


@pytest.mark.parametrize(
    ("described", "line", "expected"),
    [
        # A converted model does not say what it was fine-tuned on.
        ({}, PAIR, ["the cat", "the dog"]),
        ({}, "a\tb\tc\n", ["a\tb\tc"]),
        ({"dataset": "files"}, PAIR, ["the cat\tthe dog"]),
        ({"dataset": "files", "pairs": True}, PAIR, ["the cat", "the dog"]),
    ],
)
@pytest.mark.parametrize("kind", ["classification", "regression"])
def test_a_tab_in_a_line(folder_of, answers, kind, described, line, expected):
    assert kept(folder_of(kind, **described), answers, line) == expected


@pytest.mark.parametrize(
    ("kind", "described", "content", "message"),
    [
        (
            "classification",
            {"dataset": "files", "pairs": True},
            f"{PAIR}the cat\n",
            r"Line 2 has no tab: 'the cat'. Expected two texts separated by a tab",
        ),
        (
            "classification",
            {"dataset": "files", "pairs": True},
            "a\tb\tc\n",
            r"Line 1 has 2 tabs: .*Expected two texts separated by a tab",
        ),
        (
            "classification",
            {},
            f"{PAIR}the cat\n",
            r"Received pairs of texts, but a single text in example 1: 'the cat'",
        ),
        (
            "span_qa",
            {},
            "who ran\n",
            r"Line 1 has no tab: .*a question and its context, separated",
        ),
        ("classification", {}, b"caf\xe9\n", r"Standard input, line 1: .*not UTF-8"),
        ("pretraining", {}, b"caf\xe9\n", r"Standard input, line 1: .*not UTF-8"),
        ("pretraining", {}, b"a\0b\n", r"Standard input, line 1: a byte is zero"),
        ("pretraining", {}, "", "Standard input is empty"),
    ],
)
def test_lines_that_are_refused(folder_of, answers, kind, described, content, message):
    with pytest.raises(ValueError, match=message):
        answers(folder_of(kind, **described), None, content)


@pytest.mark.parametrize(
    ("pairs", "options", "message"),
    [
        (True, {}, r"has single texts, .* on pairs of texts.* with --second_column"),
        (
            False,
            {"second_column": "b"},
            r"has pairs of texts, .* on single texts.* leave out --second_column",
        ),
    ],
)
def test_tables_of_single_texts_and_pairs(folder_of, answers, pairs, options, message):
    folder = folder_of("classification", dataset="files", pairs=pairs)
    with pytest.raises(ValueError, match=message):
        answers(folder, "a.csv", "text,b\nthe cat,the dog\n", **options)
    right = {"second_column": "b"} if pairs else {}
    rows, _ = answers(folder, "a.csv", "text,b\nthe cat,the dog\n", **right)
    assert len(rows) == 1


# --- Pre-trained models.


@pytest.mark.parametrize(
    ("name", "content", "columns"),
    [
        (None, "the [MASK] sat\n\n", [{"text": "the [MASK] sat"}, {"text": ""}]),
        (None, "\ufeffthe [MASK] sat\r\n", [{"text": "the [MASK] sat"}]),
        (
            "a.csv",
            'id,text\n1,"the [MASK] sat"\n2,\n',
            [{"id": "1", "text": "the [MASK] sat"}, {"id": "2", "text": ""}],
        ),
        (
            "a.jsonl",
            jsonl({"text": "the [MASK]", "n": 1}),
            [{"text": "the [MASK]", "n": 1}],
        ),
        ("a.json", '[{"text": "the [MASK]"}]', [{"text": "the [MASK]"}]),
        ("a.txt", "id,text\n", [{"text": "id,text"}]),
    ],
)
def test_texts_of_a_pre_trained_model(folder_of, answers, name, content, columns):
    rows, _ = answers(folder_of("pretraining"), name, content)
    masks = [row["text"].count("[MASK]") for row in columns]
    assert [len(row.pop("tokens")) for row in rows] == masks
    kept = [
        {name: row[name] for name in old}
        for row, old in zip(rows, columns, strict=True)
    ]
    assert kept == columns
