import pytest

from data_pipelines.datasets import multiple_choice
from data_pipelines.datasets.examples import ChoiceExample
from data_pipelines.datasets.multiple_choice import ChoiceTable

TABLE = ChoiceTable(first=("text",), choices=("a", "b"), id=("id",))


def test_choices(read):
    lines = [{"id": 7, "text": "t", "a": "x", "b": "y", "label": 1}]
    examples, log = read(TABLE, lines, name="a.jsonl")
    assert examples == [ChoiceExample("7", "t", ("x", "y"), 1)]
    assert log == []


def test_swag(read):
    lines = [
        ",video-id,fold-ind,startphrase,sent1,sent2,gold-source,ending0,ending1,"
        "ending2,ending3,label",
        '0,anet_1,3416,"She stops. He",She stops.,He,gold,runs.,"sits, too.",is.,'
        "eats.,0",
    ]
    examples, _ = read(multiple_choice.SWAG, lines, name="a.csv")
    choices = ("He runs.", "He sits, too.", "He is.", "He eats.")
    assert examples == [ChoiceExample("3416", "She stops.", choices, 0)]


def test_codah(read):
    lines = ["o\tI am hungry. I\tfly.\teat.\tsing.\tam.\t1"]
    names = multiple_choice.CODAH_COLUMNS
    examples, _ = read(multiple_choice.CODAH, lines, names=names)
    choices = ("fly.", "eat.", "sing.", "am.")
    assert examples == [ChoiceExample("0", "I am hungry. I", choices, 1)]


def test_cosmos_qa_without_labels(read):
    row = {"id": "x", "context": "c", "question": "Why ?"}
    row |= {f"answer{number}": str(number) for number in range(4)}
    examples, _ = read(multiple_choice.COSMOS_QA, [row], "test", name="a.jsonl")
    choices = ("Why ? 0", "Why ? 1", "Why ? 2", "Why ? 3")
    assert examples == [ChoiceExample("x", "c", choices, None)]


def test_what_is_empty_is_counted(read):
    lines = ["text\ta\tb\tlabel", " \tx\ty\t0", "t\tx\ty\t", "t\t\ty\t0", "t\tx\ty\t1"]
    examples, log = read(TABLE, lines)
    assert [example.label for example in examples] == [0, 1]
    assert log == [
        "1 skipped: empty text (line 2)",
        "1 skipped: no label (line 3)",
        "1 warning: empty choice (line 4)",
    ]


@pytest.mark.parametrize("label", ["2", "-1", "a", "1.0"])
def test_labels_that_are_no_choice(read, label):
    with pytest.raises(
        ValueError,
        match=rf"line 2: received the label '{label}'. Expected a whole number from 0 ",
    ):
        read(TABLE, ["text\ta\tb\tlabel", f"t\tx\ty\t{label}"])


def test_missing_columns(read):
    with pytest.raises(ValueError, match=r"line 2: no column 'b' but \['text', 'a'"):
        read(TABLE, ["text\ta\tlabel", "t\tx\t0"])


@pytest.mark.parametrize("label", [1, 1.0, [1], "1", "1.0", '["1"]'])
def test_right_choices_as_tools_write_them(read, label):
    table = ChoiceTable(first=("text",), choices=("a", "b"), is_published=False)
    rows = [{"text": "t", "a": "x", "b": "y", "label": label}]
    examples, _ = read(table, rows, name="a.jsonl")
    assert examples[0].label == 1
