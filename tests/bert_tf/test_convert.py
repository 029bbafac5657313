"""The verb: formats in a row, and what is left after an error."""

import json

import pytest

from bert_tf import convert, model_dir
from bert_tf.checkpoints import formats, model_folder
from bert_tf.convert import ConvertOptions
from tests.bert_tf.checkpoints.models import assert_same, checkpoint_of

ENCODER = model_dir.Description("pretraining", True, head={"mlm_head": False})
PRETRAINED = model_dir.Description("pretraining", True, sentence_task="next_sentence")


def test_through_all_formats(tmp_path, capsys):
    first = source = tmp_path / "bert_tf"
    checkpoint = checkpoint_of(ENCODER, source)
    for name in ("google", "keras_hub", "bert_tf"):
        target = tmp_path / f"to_{name}"
        convert.main(
            ConvertOptions(
                source=str(source), output_dir=str(target), output_format=name
            )
        )
        assert formats.recognise(str(target)) == name
        assert f"Wrote {target} ({name})." in capsys.readouterr().out
        source = target
    # KerasHub does not keep how weights were first drawn.
    found = model_folder.read(str(source))
    assert found.config.initializer_range == 0.02
    for name in (model_dir.WEIGHTS, model_dir.VOCABULARY):
        assert (source / name).read_bytes() == (first / name).read_bytes()
    options = json.loads((source / model_dir.OPTIONS).read_text())
    assert options == {"converted_from": str(tmp_path / "to_keras_hub")}
    assert checkpoint.weights.shapes == found.weights.shapes


def test_the_encoder_alone_and_another_casing(tmp_path):
    checkpoint = checkpoint_of(PRETRAINED, tmp_path / "ours")
    convert.convert(
        ConvertOptions(
            source=str(tmp_path / "ours"),
            output_dir=str(tmp_path / "encoder"),
            encoder_only=True,
            lower_case=False,
        )
    )
    loaded = model_dir.load(str(tmp_path / "encoder"))
    assert loaded.description.head == {"mlm_head": False}
    assert loaded.description.sentence_task is None
    assert not loaded.description.lower_case
    assert set(model_dir.weights_of(loaded.model)) == {
        name for name in checkpoint.weights.shapes if name.startswith("encoder/")
    }


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"output_format": "model_garden"}, "a format to read, not to write"),
        ({"output_format": "keras_hub"}, "which KerasHub's BERT cannot compute"),
        ({"output_dir": "ours"}, "exists already and is never written over"),
    ],
)
def test_an_error_leaves_everything_as_it_was(tmp_path, changes, message):
    checkpoint = checkpoint_of(PRETRAINED, tmp_path / "ours")
    values = {"output_dir": "new", **changes}
    output_dir = str(tmp_path / values.pop("output_dir"))
    with pytest.raises(ValueError, match=message):
        convert.convert(
            ConvertOptions(
                source=str(tmp_path / "ours"), output_dir=output_dir, **values
            )
        )
    assert [path.name for path in tmp_path.iterdir()] == ["ours"]
    assert_same(model_folder.read(str(tmp_path / "ours")), checkpoint)


def test_a_vocabulary_longer_than_the_table(tmp_path):
    checkpoint_of(PRETRAINED, tmp_path / "ours")
    with (tmp_path / "ours" / model_dir.VOCABULARY).open("a") as file:
        file.write("more\n")
    with pytest.raises(ValueError, match="The vocabulary has"):
        convert.convert(
            ConvertOptions(
                source=str(tmp_path / "ours"), output_dir=str(tmp_path / "new")
            )
        )
    assert not (tmp_path / "new").exists()


def test_nothing_that_is_known(tmp_path):
    with pytest.raises(FileNotFoundError, match="in which no model was recognised"):
        formats.recognise(str(tmp_path))
    with pytest.raises(FileNotFoundError, match="in which no model was recognised"):
        formats.recognise(str(tmp_path / "nowhere"))
