"""The names of outputs in a config.json: read where they are clear, else refused."""

import json

import pytest

from bert_tf import convert
from bert_tf.checkpoints import model_dir
from bert_tf.checkpoints.hugging_face import folder as hugging_face
from bert_tf.checkpoints.hugging_face.labels import classifier_kind, label_names
from bert_tf.checkpoints.model_dir import Description
from bert_tf.convert import ConvertOptions
from tests.bert_tf.checkpoints.models import checkpoint_of


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"id2label": {"0": "no", "1": "yes"}}, ("no", "yes")),
        ({"id2label": {0: "no", 1: "yes"}}, ("no", "yes")),
        ({"id2label": {"1": "yes", "0": "no"}}, ("no", "yes")),
        ({"id2label": {"0": 0, "1": 1}}, ("0", "1")),
        ({"id2label": {"0": 1, "1": 0}}, ("1", "0")),
        ({"id2label": {"0": 0.5, "1": 1.5}}, ("0.5", "1.5")),
        ({"id2label": {"0": False, "1": True}}, ("False", "True")),
        ({"id2label": ["no", "yes"]}, ("no", "yes")),
        ({"label2id": {"yes": 1, "no": 0}}, ("no", "yes")),
        ({"label2id": {"yes": "1", "no": "0"}}, ("no", "yes")),
        ({"id2label": {}, "label2id": {"no": 0, "yes": 1}}, ("no", "yes")),
        ({"id2label": None}, ("LABEL_0", "LABEL_1")),
        ({}, ("LABEL_0", "LABEL_1")),
        ({"num_labels": 2}, ("LABEL_0", "LABEL_1")),
    ],
)
def test_names_that_are_clear(values, expected):
    assert label_names(values, 2, "folder") == expected


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"id2label": {"0": "no"}}, "a distinct name for each of the 2 outputs"),
        ({"id2label": {"0": "a", "1": "b", "2": "c"}}, "for each of the 2 outputs"),
        ({"id2label": {"0": "no", "1": "no"}}, "a distinct name for each of the 2"),
        ({"id2label": {"0": 1, "1": "1"}}, "a distinct name for each of the 2"),
        ({"id2label": {"0": "no", "2": "yes"}}, "numbered from 0 to 1"),
        ({"id2label": {"1": "no", "2": "yes"}}, "numbered from 0 to 1"),
        ({"id2label": {"0": "a", "00": "b", "1": "c"}}, "numbered from 0 to 1"),
        ({"id2label": {"0": None, "1": "yes"}}, "a distinct name for each of the 2"),
        ({"id2label": {"0": "", "1": "yes"}}, "a distinct name for each of the 2"),
        (
            {"id2label": {"0": ["no"], "1": "yes"}},
            "the number of each output to its name",
        ),
        ({"id2label": {"no": 0, "yes": 1}}, "the number of each output to its name"),
        ({"id2label": "no,yes"}, "the number of each output to its name"),
        ({"label2id": {"no": 0, "yes": 0}}, "each name to a distinct number"),
        ({"label2id": {"no": 0, "yes": 2}}, "numbered from 0 to 1"),
        ({"label2id": ["no", "yes"]}, "an object that maps each name"),
    ],
)
def test_names_that_are_not(values, message):
    with pytest.raises(ValueError, match=message) as error:
        label_names(values, 2, "folder")
    assert "folder" in str(error.value)


@pytest.mark.parametrize(
    ("problem", "num_outputs", "expected"),
    [
        (None, 1, "regression"),
        ("regression", 1, "regression"),
        ("single_label_classification", 2, "classification"),
        (None, 3, "classification"),
    ],
)
def test_the_kind_follows_the_outputs(problem, num_outputs, expected):
    assert classifier_kind({"problem_type": problem}, num_outputs, "x") == expected


@pytest.mark.parametrize(
    ("problem", "message"),
    [
        ("multi_label_classification", "a multi-label classifier"),
        ("regression", "a regression model with 2 scores"),
    ],
)
def test_other_problems(problem, message):
    with pytest.raises(ValueError, match=message):
        classifier_kind({"problem_type": problem}, 2, "x")


@pytest.mark.parametrize("kind", ["classification", "token_tagging"])
@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"id2label": {"0": 0, "1": 1, "2": 2}}, ("0", "1", "2")),
        ({"id2label": None, "label2id": None}, ("LABEL_0", "LABEL_1", "LABEL_2")),
        ({"id2label": {"0": 0, "1": 0, "2": 1}}, None),
        ({"id2label": {"0": "a", "1": "b"}}, None),
    ],
)
def test_the_whole_way(tmp_path, kind, changes, expected):
    encoding = {"max_length": 24, "labels": ("O", "B-X", "I-X")}
    encoding["stride"] = 6 if kind == "token_tagging" else None
    description = Description(kind, head={"num_outputs": 3}, encoding=encoding)
    checkpoint = checkpoint_of(description, tmp_path / "ours")
    folder = tmp_path / "theirs"
    hugging_face.write(checkpoint, str(folder))
    values = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**values, **changes}))
    target = tmp_path / "new"
    options = ConvertOptions(source=str(folder), output_dir=str(target))
    if expected is None:
        with pytest.raises(ValueError, match="Expected a distinct name for each"):
            convert.convert(options)
        assert not list(tmp_path.glob("new*"))
        return
    convert.convert(options)
    assert model_dir.load(str(target)).description.labels == expected
