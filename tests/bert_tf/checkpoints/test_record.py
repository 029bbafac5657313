"""What a format has no place for comes back all the same; the model's own files too."""

import json

import pytest

from bert_tf import convert
from bert_tf.checkpoints import model_dir
from bert_tf.checkpoints.model_dir import Description
from bert_tf.checkpoints.record import RECORD
from bert_tf.convert import ConvertOptions
from tests.bert_tf.checkpoints.models import checkpoint_of

CLASSIFIER = Description(
    "classification",
    dataset="mine",
    metrics=("accuracy", "f1"),
    head={"num_outputs": 3},
    encoding={"max_length": 20, "labels": ("no", "yes", "maybe"), "stride": 5},
)
DESCRIPTIONS = {
    "sentence order": Description("pretraining", sentence_task="sentence_order"),
    "classification": CLASSIFIER,
    "span_qa": Description(
        "span_qa",
        dataset="squad/v2.0",
        metrics=("f1", "exact"),
        encoding={"max_length": 20, "stride": 4, "max_question_length": 6},
        threshold=-1.5,
    ),
    "token_tagging": Description(
        "token_tagging",
        head={"num_outputs": 3},
        encoding={"max_length": 16, "labels": ("O", "B-X", "I-X"), "stride": 8},
        document_context=True,
    ),
    "multiple_choice": Description(
        "multiple_choice",
        head={"num_choices": 4},
        encoding={"max_length": 24, "group_size": 4},
    ),
}
FORMATS = {
    "google": ("sentence order", "classification", "span_qa"),
    "hugging_face": tuple(DESCRIPTIONS),
    "keras_hub": ("classification",),
}


def written(description, folder):
    # KerasHub does not keep how weights were first drawn.
    changes = {"initializer_range": 0.02, "num_hidden_layers": 1}
    checkpoint_of(description, folder, **changes)


def converted(source, target, output_format="bert_tf"):
    convert.convert(
        ConvertOptions(
            source=str(source), output_dir=str(target), output_format=output_format
        )
    )


@pytest.mark.parametrize(
    ("output_format", "name"),
    [(form, name) for form, names in FORMATS.items() for name in names],
)
def test_all_bytes_come_back(tmp_path, output_format, name):
    written(DESCRIPTIONS[name], tmp_path / "ours")
    converted(tmp_path / "ours", tmp_path / "theirs", output_format)
    assert (tmp_path / "theirs" / RECORD).exists()
    converted(tmp_path / "theirs", tmp_path / "again")
    files = [path.name for path in (tmp_path / "ours").iterdir()]
    assert len(files) == 6
    for file in set(files) - {model_dir.OPTIONS}:
        again = (tmp_path / "again" / file).read_bytes()
        assert again == (tmp_path / "ours" / file).read_bytes(), file


def test_nothing_is_written_where_nothing_is_lost(tmp_path):
    description = Description("pretraining", sentence_task="next_sentence")
    written(description, tmp_path / "ours")
    for output_format in ("google", "hugging_face", "bert_tf"):
        converted(tmp_path / "ours", tmp_path / output_format, output_format)
        assert not (tmp_path / output_format / RECORD).exists()


def test_a_model_that_was_changed_since(tmp_path, caplog):
    written(CLASSIFIER, tmp_path / "ours")
    converted(tmp_path / "ours", tmp_path / "theirs", "hugging_face")
    config = tmp_path / "theirs" / "config.json"
    values = json.loads(config.read_text())
    values["id2label"]["2"] = "perhaps"
    config.write_text(json.dumps(values))
    converted(tmp_path / "theirs", tmp_path / "again")
    assert "does not match this model, which has changed since" in caplog.text
    _, _, found = model_dir.load_description(str(tmp_path / "again"))
    assert found.labels == ("no", "yes", "perhaps")
    assert found.dataset is None


@pytest.mark.parametrize("content", ["", "[]", '{"model": {"head": {}}}'])
def test_a_broken_file(tmp_path, content):
    written(CLASSIFIER, tmp_path / "ours")
    converted(tmp_path / "ours", tmp_path / "theirs", "google")
    path = tmp_path / "theirs" / RECORD
    if content.startswith("{"):
        as_read = json.loads(path.read_text())["as_read"]
        content = json.dumps({**json.loads(content), "as_read": as_read})
    path.write_text(content)
    with pytest.raises(ValueError, match=RECORD):
        converted(tmp_path / "theirs", tmp_path / "again")
