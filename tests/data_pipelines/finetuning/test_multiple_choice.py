import pytest

from data_pipelines.datasets.examples import ChoiceExample
from data_pipelines.finetuning.multiple_choice import MultipleChoiceEncoding
from tests.data_pipelines.finetuning.texts import TOKENIZER, values, written


def test_a_sequence_for_each_choice():
    encoding = MultipleChoiceEncoding(TOKENIZER, 8, group_size=3)
    examples = [
        ChoiceExample("x", "a b", ("c", "d e", ""), 2),
        ChoiceExample("y", "a b c d e", ("x", "u v w x y z", "v"), None),
    ]
    features, origin = encoding.encode(encoding.columns(examples))
    assert written(features["token_ids"]) == [
        "CLS a b SEP c SEP",
        "CLS a b SEP d e SEP",
        "CLS a b SEP SEP",
        "CLS a b c d SEP x SEP",
        "CLS a b c SEP u v SEP",
        "CLS a b c d SEP v SEP",
    ]
    assert values(features)["second_starts"] == [4, 4, 4, 6, 5, 6]
    assert values(features)["label"] == [2, 2, 2, -1, -1, -1]
    assert values(origin)["example"] == [0, 0, 0, 1, 1, 1]
    assert values(origin)["truncated"] == [False, False, False, True, True, True]


def test_another_number_of_choices():
    encoding = MultipleChoiceEncoding(TOKENIZER, 8, group_size=2)
    examples = [ChoiceExample("x", "a", ("b", "c", "d"), 0)]
    with pytest.raises(ValueError, match=r"3 choices \(example x\)\. Expected 2"):
        encoding.columns(examples)


def test_without_labels():
    encoding = MultipleChoiceEncoding(TOKENIZER, 8, group_size=2)
    columns = encoding.columns([ChoiceExample("x", "a", ("b", "c"), 0)])
    del columns["label"]
    assert set(encoding.encode(columns)[0]) == {"token_ids", "second_starts"}
