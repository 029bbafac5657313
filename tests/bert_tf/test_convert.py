"""The verb: formats in a row, and what is left after an error."""

import dataclasses
import json

import pytest

from bert_tf import convert
from bert_tf.checkpoints import formats, google, model_dir
from bert_tf.checkpoints.hugging_face.model_types.roberta import ROBERTA
from bert_tf.convert import ConvertOptions
from bert_tf.models.config import preset
from bert_tf.models.families import FAMILIES
from data_pipelines.tokenizers.vocabulary_files import TOKENIZATION
from tests.bert_tf.checkpoints.models import assert_same, checkpoint_of
from tests.bert_tf.small_models import VOCABULARY

ENCODER = model_dir.Description("pretraining", head={"mlm_head": False})
PRETRAINED = model_dir.Description("pretraining", sentence_task="next_sentence")


def test_through_all_formats(tmp_path, capsys):
    first = source = tmp_path / "bert_tf"
    checkpoint = checkpoint_of(ENCODER, source)
    for name in ("google", "keras_hub", "bert_tf"):
        target = tmp_path / f"to_{name}"
        convert.convert(
            ConvertOptions(
                source=str(source), output_dir=str(target), output_format=name
            )
        )
        assert formats.recognise(str(target)) == name
        assert f"Wrote {target} ({name})." in capsys.readouterr().out
        source = target
    # KerasHub does not keep how weights were first drawn.
    found = model_dir.read(str(source))
    assert found.config.initializer_range == 0.02
    for name in (model_dir.WEIGHTS, model_dir.VOCABULARY):
        assert (source / name).read_bytes() == (first / name).read_bytes()
    options = json.loads((source / model_dir.OPTIONS).read_text())
    assert options == {"converted_from": str(tmp_path / "to_keras_hub")}
    assert checkpoint.weights.shapes == found.weights.shapes


def test_the_encoder_alone_and_another_casing(tmp_path):
    checkpoint = checkpoint_of(PRETRAINED, tmp_path / "ours")
    options = ConvertOptions(
        source=str(tmp_path / "ours"),
        output_dir=str(tmp_path / "encoder"),
        encoder_only=True,
        lower_case=False,
    )
    with pytest.raises(ValueError, match="Expected lower_case=True"):
        convert.convert(options)
    assert not (tmp_path / "encoder").exists()
    # Of earlier folders, which say it in model.json, and of others, it may be said.
    (tmp_path / "ours" / TOKENIZATION).unlink()
    convert.convert(options)
    loaded = model_dir.load(str(tmp_path / "encoder"))
    assert loaded.description.head == {"mlm_head": False}
    assert loaded.description.sentence_task is None
    assert not loaded.vocabulary.lower_case
    assert set(model_dir.weights_of(loaded.model)) == {
        name for name in checkpoint.weights.shapes if name.startswith("encoder/")
    }


def test_the_number_of_choices(tmp_path, capsys):
    description = model_dir.Description(
        "multiple_choice",
        head={"num_choices": 2},
        encoding={"max_length": 24, "group_size": 2},
    )
    checkpoint_of(description, tmp_path / "two")
    options = ConvertOptions(
        source=str(tmp_path / "two"), output_dir=str(tmp_path / "four"), num_choices=4
    )
    convert.convert(options)
    assert "lower_case=True, 4 choices" in capsys.readouterr().out
    loaded = model_dir.load(str(tmp_path / "four"))
    assert loaded.encoding.group_size == 4
    assert loaded.model.num_choices == 4


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"num_choices": 4}, ValueError, "of kind pretraining. Expected 2 or more"),
        (
            {"output_format": "model_garden"},
            ValueError,
            "Received output_format='model_garden'",
        ),
        (
            {"output_format": "keras_hub"},
            ValueError,
            "which KerasHub's BERT cannot compute",
        ),
        ({"output_dir": "ours"}, FileExistsError, "ours exists already. Nothing is"),
    ],
)
def test_an_error_leaves_everything_as_it_was(tmp_path, changes, error, message):
    checkpoint = checkpoint_of(PRETRAINED, tmp_path / "ours")
    values = {"output_dir": "new", **changes}
    output_dir = str(tmp_path / values.pop("output_dir"))
    with pytest.raises(error, match=message):
        convert.convert(
            ConvertOptions(
                source=str(tmp_path / "ours"), output_dir=output_dir, **values
            )
        )
    assert [path.name for path in tmp_path.iterdir()] == ["ours"]
    assert_same(model_dir.read(str(tmp_path / "ours")), checkpoint)


@pytest.mark.parametrize(
    "error",
    [RuntimeError("a bug"), KeyboardInterrupt(), OSError(28, "No space left")],
    ids=repr,
)
@pytest.mark.parametrize("step", ["record.write", "google.write", "google.read"])
def test_nothing_is_left_of_a_conversion_that_fails(tmp_path, monkeypatch, step, error):
    checkpoint_of(PRETRAINED, tmp_path / "ours")
    names = step.split(".")
    write = formats.FORMATS["google"].write

    def fail(*arguments):
        if step == "google.write":
            write(*arguments)
        raise error

    if names[0] == "record":
        monkeypatch.setattr(formats.record, "write", fail)
    else:
        row = formats.FORMATS["google"]._replace(**{names[1]: fail})
        monkeypatch.setitem(formats.FORMATS, "google", row)
    with pytest.raises(type(error)):
        convert.convert(
            ConvertOptions(
                source=str(tmp_path / "ours"),
                output_dir=str(tmp_path / "new"),
                output_format="google",
            )
        )
    assert [path.name for path in tmp_path.iterdir()] == ["ours"]


def test_what_a_killed_run_left_is_replaced(tmp_path):
    checkpoint = checkpoint_of(PRETRAINED, tmp_path / "ours")
    unfinished = tmp_path / "new.0a1b2c3d.unfinished"
    unfinished.mkdir()
    (unfinished / "half").write_text("of an earlier run")
    # A slash at the end makes no other folder.
    convert.convert(
        ConvertOptions(
            source=f"{tmp_path}/ours/",
            output_dir=f"{tmp_path}/new/",
            output_format="google",
        )
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new", "ours"]
    assert not (tmp_path / "new" / "half").exists()
    assert_same(google.read(str(tmp_path / "new")), checkpoint)


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


def test_names_of_presets():
    assert formats.recognise("bert_tiny_en_uncased") == "keras_hub"
    for source in ("bert_tiny_en_uncasd", "nowhere/mine", "nowhere"):
        with pytest.raises(FileNotFoundError, match="no model was recognised"):
            formats.recognise(source)


@pytest.mark.parametrize("output_format", ["google", "hugging_face", "keras_hub"])
@pytest.mark.parametrize(
    ("description", "message"),
    [
        (
            model_dir.Description(
                "classification",
                head={"num_outputs": 2, "features": "concat_last_4"},
                encoding={"max_length": 24, "labels": ("a", "b"), "stride": None},
            ),
            "'features': 'concat_last_4'",
        ),
        (
            model_dir.Description("pretraining", head={"mlm_epsilon": 1e-3}),
            "'mlm_epsilon': 0.001",
        ),
        (
            model_dir.Description(
                "correction", encoding={"max_length": 24, "stride": 8}
            ),
            "correction",
        ),
    ],
)
def test_heads_that_others_compute_otherwise(
    tmp_path, output_format, description, message
):
    """The same names and shapes would not make the same model."""
    checkpoint_of(description, tmp_path / "ours")
    with pytest.raises(ValueError, match=message):
        convert.convert(
            ConvertOptions(
                source=str(tmp_path / "ours"),
                output_dir=str(tmp_path / "new"),
                output_format=output_format,
            )
        )
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("config.json", r"config\.json is not JSON"),
        ("bert_config.json", r"bert_config\.json is not JSON"),
        ("bert_model.ckpt.index", r"checkpoint .*bert_model\.ckpt is corrupt"),
    ],
)
def test_an_empty_file(tmp_path, name, message):
    checkpoint = checkpoint_of(PRETRAINED, tmp_path / "ours")
    if name != "config.json":
        google.write(checkpoint, str(tmp_path))
    (tmp_path / name).write_bytes(b"")
    with pytest.raises(ValueError, match=message):
        convert.convert(
            ConvertOptions(source=str(tmp_path), output_dir=str(tmp_path / "new"))
        )
    assert not (tmp_path / "new").exists()


def test_a_data_file_that_was_cut_off(tmp_path):
    checkpoint = checkpoint_of(PRETRAINED, tmp_path / "ours")
    google.write(checkpoint, str(tmp_path / "google"))
    file = tmp_path / "google" / "bert_model.ckpt.data-00000-of-00001"
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(ValueError, match=r"bert_model\.ckpt is corrupt"):
        convert.convert(
            ConvertOptions(
                source=str(tmp_path / "google"), output_dir=str(tmp_path / "new")
            )
        )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["google", "ours"]


def test_nothing_that_is_known(tmp_path):
    with pytest.raises(FileNotFoundError, match="in which no model was recognised"):
        formats.recognise(str(tmp_path))
    with pytest.raises(FileNotFoundError, match="in which no model was recognised"):
        formats.recognise(str(tmp_path / "nowhere"))


def test_of_electra_the_encoder_goes_over(tmp_path):
    description = model_dir.Description("pretraining", objective="replaced_tokens")
    checkpoint = checkpoint_of(description, tmp_path / "ours")
    options = ConvertOptions(
        source=str(tmp_path / "ours"),
        output_dir=str(tmp_path / "theirs"),
        output_format="hugging_face",
    )
    with pytest.raises(ValueError, match="use --encoder_only to convert"):
        convert.convert(options)
    assert not (tmp_path / "theirs").exists()
    convert.convert(dataclasses.replace(options, encoder_only=True))
    _, found = formats.read(str(tmp_path / "theirs"))
    assert found.weights.shapes == {
        name: shape
        for name, shape in checkpoint.weights.shapes.items()
        if name.startswith("encoder/")
    }


def test_the_family_s_roberta_is_that_of_hugging_face():
    config = preset("tiny", 100, **FAMILIES["roberta"].config)
    assert VOCABULARY.pad_id == 0
    assert not ROBERTA.missing(config, VOCABULARY, model_dir.Description("pretraining"))
    theirs = ROBERTA.values(config, VOCABULARY)
    assert theirs["model_type"] == "roberta"
    assert config.max_sequence_length == 512
    again = ROBERTA.config(theirs, tied=True)
    # Whether there is a pooler, its weights say.
    assert dataclasses.replace(again, pooler=False) == config
