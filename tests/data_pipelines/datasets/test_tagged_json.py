import json

import pytest

from data_pipelines.datasets import catalog
from data_pipelines.datasets.catalog import ColumnOptions, from_files
from data_pipelines.datasets.read_log import ReadLog

DEFAULT = ColumnOptions()
NAMES = ColumnOptions(tag_names=("O", "B-PER", "I-PER"))


def label_studio(text, *spans, **more):
    results = [
        {
            "type": "labels",
            "from_name": "label",
            "value": {"start": start, "end": end, "text": shown, "labels": [kind]},
        }
        for start, end, shown, kind in spans
    ]
    return {
        "id": 7,
        "data": {"text": text},
        "annotations": [{"id": 1, "was_cancelled": False, "result": results}],
        **more,
    }


def read_all(path, options=DEFAULT, split="train", labels=None):
    dataset = from_files("token_tagging", {split: path}, options, labels)
    log = ReadLog(split)
    rows = list(catalog.read_with_columns(dataset, split, None, log))
    return dataset, rows, [x.removeprefix(f"{split}: ") for x in log.lines()[1:]]


def tagged(example):
    return " ".join(example.words), example.tags and " ".join(example.tags)


KOFI = "Kofi Annan came."
TOKENS = ["Kofi", "Annan", "came", "."]
TAGGED = ("Kofi Annan came .", "B-PER I-PER O O")
PRODIGY = {
    "text": "Kofi Annan came",
    "tokens": [
        {"text": "Kofi", "start": 0, "end": 4, "id": 0, "ws": True},
        {"text": "Annan", "start": 5, "end": 10, "id": 1, "ws": True},
        {"text": "came", "start": 11, "end": 15, "id": 2, "ws": False},
    ],
    "spans": [
        {"start": 0, "end": 10, "token_start": 0, "token_end": 1, "label": "PER"}
    ],
    "answer": "accept",
}


@pytest.mark.parametrize(
    ("row", "options", "expected"),
    [
        pytest.param(
            {"id": "x", "tokens": TOKENS, "ner_tags": [1, 2, 0, 0]},
            NAMES,
            TAGGED,
            id="Hugging Face, numbers",
        ),
        pytest.param(
            {"words": TOKENS, "tags": ["B-PER", "I-PER", "O", "O"]},
            DEFAULT,
            TAGGED,
            id="Hugging Face, names",
        ),
        pytest.param(
            {"tokens": TOKENS, "pos_tags": ["A", "A", "V", "."], "ner_tags": [0] * 4},
            ColumnOptions(tag_column="pos_tags"),
            ("Kofi Annan came .", "A A V ."),
            id="Hugging Face, another column",
        ),
        pytest.param(
            {"toks": TOKENS, "t": ["O", "B-PER", "O", "O"], "text": "?"},
            ColumnOptions(word_column="toks", tag_column="t"),
            ("Kofi Annan came .", "O B-PER O O"),
            id="columns that are named",
        ),
        pytest.param(
            {"id": 3, "text": KOFI, "label": [[0, 10, "PER"]], "Comments": []},
            DEFAULT,
            TAGGED,
            id="doccano",
        ),
        pytest.param(
            {"text": KOFI, "labels": [[0, 10, "PER"]]},
            DEFAULT,
            TAGGED,
            id="doccano, labels",
        ),
        pytest.param(
            {"data": KOFI, "label": [[0, 10, "PER"]]},
            DEFAULT,
            TAGGED,
            id="doccano, data",
        ),
        pytest.param(
            {
                "id": 3,
                "text": KOFI,
                "entities": [
                    {"id": 1, "label": "PER", "start_offset": 0, "end_offset": 10}
                ],
                "relations": [],
            },
            DEFAULT,
            TAGGED,
            id="doccano with relations",
        ),
        pytest.param(
            PRODIGY, DEFAULT, ("Kofi Annan came", "B-PER I-PER O"), id="Prodigy"
        ),
        pytest.param(
            {"text": KOFI, "spans": PRODIGY["spans"], "answer": "accept"},
            DEFAULT,
            TAGGED,
            id="Prodigy without tokens",
        ),
        pytest.param(
            {"text": KOFI, "answer": "accept"},
            DEFAULT,
            ("Kofi Annan came .", "O O O O"),
            id="Prodigy without spans",
        ),
        pytest.param(
            label_studio(KOFI, (0, 10, "Kofi Annan", "PER")),
            DEFAULT,
            TAGGED,
            id="Label Studio",
        ),
        pytest.param(
            {
                "id": 7,
                "data": {"review": KOFI, "n": 3},
                "completions": [
                    {
                        "result": [
                            {"value": {"choices": ["good"]}, "type": "choices"},
                            {"value": {"start": 0, "end": 10, "labels": ["PER"]}},
                        ]
                    }
                ],
            },
            DEFAULT,
            TAGGED,
            id="Label Studio, completions",
        ),
        pytest.param(
            {
                "text": KOFI,
                "id": 7,
                "label": [
                    {"start": 0, "end": 10, "text": "Kofi Annan", "labels": ["PER"]}
                ],
                "annotator": 1,
                "annotation_id": 5,
            },
            DEFAULT,
            TAGGED,
            id="Label Studio, JSON-MIN",
        ),
        pytest.param(
            {"text": KOFI, "id": 7, "annotator": 1, "annotation_id": 5},
            DEFAULT,
            ("Kofi Annan came .", "O O O O"),
            id="Label Studio, JSON-MIN without spans",
        ),
        pytest.param(
            {"text": "\U0001f600 Zoë Kofi", "label": [[6, 10, "PER"]]},
            DEFAULT,
            ("\U0001f600 Zoë Kofi", "O O B-PER"),
            id="characters",
        ),
        pytest.param(
            label_studio("\U0001f600 Zoë Kofi", (7, 11, "Kofi", "PER")),
            DEFAULT,
            ("\U0001f600 Zoë Kofi", "O O B-PER"),
            id="UTF-16",
        ),
        pytest.param(
            {"review": KOFI, "label": [[0, 10, "PER"]]},
            ColumnOptions(first_column="review"),
            TAGGED,
            id="text of another name",
        ),
    ],
)
@pytest.mark.parametrize("name", ["a.jsonl", "a.ndjson", "a.json"])
def test_formats(write, row, options, expected, name):
    content = json.dumps([row]) if name == "a.json" else json.dumps(row) + "\n"
    dataset, rows, _ = read_all(write(name, content), options)
    assert [tagged(example) for _, example in rows] == [expected]
    assert [columns for columns, _ in rows] == [row]
    if "B-" in expected[1]:
        assert dataset.metrics == ("entity_f1", "accuracy")


def test_ids_and_documents(write):
    rows = [
        {"id": 3, "text": "a", "label": []},
        {"text": "b", "label": []},
        {"id": "", "text": "c", "label": []},
    ]
    _, rows, _ = read_all(write("a.jsonl", rows))
    found = [(example.id, example.document) for _, example in rows]
    assert found == [("3", 0), ("1", 1), ("2", 2)]


def spans(text, *spans):
    return {"text": text, "label": list(spans)}


@pytest.mark.parametrize(
    ("row", "expected", "warning"),
    [
        (
            spans("a b c", [0, 3, "X"], [2, 3, "Y"]),
            "B-X I-X O",
            "overlapping span skipped",
        ),
        (
            spans("a b c", [0, 3, "X"], [2, 5, "Y"]),
            "B-X I-X O",
            "overlapping span skipped",
        ),
        (spans("a b", [0, 1, "X"], [0, 1, "Y"]), "B-X O", "overlapping span skipped"),
        (spans("a b", [0, 1, "X"], [0, 1, "X"]), "B-X O", None),
        (spans("a b", [0, 2, "X"]), "B-X O", "white space at the ends of a span"),
        (spans("a b", [1, 2, "X"]), "O O", "empty span skipped"),
        (spans("a b", [1, 1, "X"]), "O O", "empty span skipped"),
        (spans("ab c", [0, 1, "X"]), "B-X O O", "word split where a span"),
        (spans("a\nb", [0, 3, "X"]), "B-X I-X", "line break in a text"),
        (
            {"text": "a b", "spans": [{"start": 0, "end": 1, "labels": ["X", "Y"]}]},
            "B-X O",
            "span with several labels",
        ),
        (
            {"text": "a b", "spans": [{"start": 0, "end": 1, "labels": []}]},
            "O O",
            "span without a label",
        ),
        (
            label_studio("a b", (0, 1, "a", "X"))
            | {"annotations": [{"result": []}, {"result": [{"value": {"start": 0}}]}]},
            "O O",
            "several annotations; the first",
        ),
    ],
)
def test_spans_that_are_odd_are_told(write, row, expected, warning):
    _, [(_, example)], log = read_all(write("a.jsonl", [row]))
    assert " ".join(example.tags) == expected
    told = [line for line in log if "all tags are O" not in line]
    assert len(told) == (warning is not None)
    assert warning is None or (warning in told[0] and told[0].startswith("1 warning"))


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (spans("a b", [0, 9, "X"]), "a span beyond the text"),
        (spans("a b", [2, 1, "X"]), "a span beyond the text"),
        (label_studio("a b", (0, 1, "b", "X")), "a span whose text is not at its"),
        (
            label_studio("\U0001f600 b", (2, 3, None, "X")),
            "ambiguous offsets after an emoji",
        ),
        (PRODIGY | {"answer": "reject"}, "answer is 'reject'"),
        (PRODIGY | {"answer": "ignore"}, "answer is 'ignore'"),
        (label_studio("a", annotations=[]), "no annotation"),
        (label_studio("a", annotations=[{"was_cancelled": True}]), "cancelled annota"),
        ({"text": "a"}, "no tags"),
        ({"text": " \n", "label": []}, "empty text"),
        ({"tokens": [], "tags": []}, "empty text"),
    ],
)
def test_examples_left_out_are_counted(write, row, reason):
    path = write("a.jsonl", [spans("a", [0, 1, "X"]), row])
    _, rows, log = read_all(path)
    assert len(rows) == 1
    assert log[0].startswith("1 skipped: " + reason)
    # A test has words, and is asked for them.
    if reason != "empty text":
        _, rows, log = read_all(path, split="test")
        assert [example.tags for _, example in rows] == [("B-X",), None]
        assert reason == "no tags" or f"1 warning: {reason}" in log[0]


@pytest.mark.parametrize(
    ("row", "options", "message"),
    [
        (
            {"tokens": ["a"], "ner_tags": [0]},
            DEFAULT,
            r"line 1: received the number 0 in 'ner_tags' and 0 tag_names. Expected .*"
            r"--tag_names=O,B-PER",
        ),
        ({"tokens": ["a"], "ner_tags": [3]}, NAMES, r"number 3 .* and 3 tag_names"),
        ({"tokens": ["a"], "ner_tags": [-100]}, NAMES, r"number -100"),
        ({"tokens": ["a"], "tags": ["O", "O"]}, NAMES, r"1 words and 2 of 'tags'"),
        ({"tokens": ["a"], "tags": [None]}, NAMES, r"received \[None\] for 'tags'"),
        ({"tokens": ["a"], "x": ["O"]}, NAMES, r"no tags in the keys \['tokens'"),
        ({"tokens": [1], "tags": ["O"]}, NAMES, r"no words or text"),
        ({"examples": [{"text": "a"}]}, NAMES, r"no words or text"),
        ({"content": "a"}, NAMES, r"no words or text in the keys \['content'\]"),
        ({"text": "a", "label": "pos"}, NAMES, r"received pos as a span"),
        ({"text": "a", "label": ["pos"]}, NAMES, r"received pos as a span"),
        ({"text": "a", "label": [[0, 1, 3]]}, NAMES, r"received \[0, 1, 3\] as a sp"),
        (
            {"text": "a", "annotations": [{"start_offset": 0, "end_offset": 1}]},
            NAMES,
            r"as a span. Expected \[start, end, type\], or an object with",
        ),
        (PRODIGY | {"text": "Annan Kofi"}, NAMES, r"token .* is not at its offsets"),
        ([[KOFI, {"entities": []}]], NAMES, r"object 1: received a list. Expected an"),
    ],
)
def test_objects_of_another_form(write, row, options, message):
    path = write("a.jsonl", json.dumps(row))
    with pytest.raises(ValueError, match=message):
        read_all(path, options)


def test_a_text_without_spaces_is_tagged_by_its_characters(write):
    text = "我在北京大学读书。"
    path = write("a.jsonl", [{"text": text, "label": [[2, 6, "ORG"]]}])
    _, ((_, sentence),), _ = read_all(path)
    assert sentence.words == tuple(text)
    tags = ["O", "O", "B-ORG", "I-ORG", "I-ORG", "I-ORG", "O", "O", "O"]
    assert list(sentence.tags) == tags
    # For a prediction the model says whether characters are words.
    _, ((_, sentence),), _ = read_all(path, split="predict")
    assert (sentence.words, sentence.running) == (("我在北京大学读书", "。"), True)
