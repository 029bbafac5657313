import json

import numpy as np
import pytest
import safetensors.numpy

from bert_tf.checkpoints import model_dir
from data_pipelines.tokenizers.vocabulary import Vocabulary
from data_pipelines.tokenizers.vocabulary_files import TOKENIZATION
from tests.bert_tf.small_models import VOCABULARY, random_batch, small_pretrainer

DESCRIPTION = model_dir.Description(kind="pretraining", sentence_task="next_sentence")


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "model"
    model_dir.save(str(path), small_pretrainer(), VOCABULARY, DESCRIPTION, {"seed": 0})
    return path


def test_round_trip(folder):
    loaded = model_dir.load(str(folder))
    batch = random_batch()
    expected = small_pretrainer()(batch)
    for name, value in loaded.model(batch).items():
        np.testing.assert_array_equal(value, expected[name])
    assert loaded.vocabulary == VOCABULARY
    assert loaded.description == DESCRIPTION
    assert json.loads((folder / "options.json").read_text()) == {"seed": 0}
    assert sorted(path.name for path in folder.iterdir()) == [
        "bert_config.json",
        "model.json",
        "model.safetensors",
        "options.json",
        "tokenization.json",
        "vocab.txt",
    ]


def test_without_a_sentence_head(tmp_path):
    model = small_pretrainer(sentence_head=False)
    description = model_dir.Description(kind="pretraining")
    cased = VOCABULARY.with_casing(False)
    model_dir.save(str(tmp_path), model, cased, description, {})
    loaded = model_dir.load(str(tmp_path))
    assert loaded.model.sentence_head is None
    assert loaded.vocabulary == cased


@pytest.mark.parametrize(
    ("lower_case", "strip_accents", "expected"),
    [(True, None, True), (False, None, False), (True, False, False)],
)
def test_earlier_folders_have_the_casing_in_the_description(
    folder, lower_case, strip_accents, expected
):
    (folder / TOKENIZATION).unlink()
    description = json.loads((folder / "model.json").read_text())
    assert not {"lower_case", "strip_accents"} & description.keys()
    casing = {"lower_case": lower_case, "strip_accents": strip_accents}
    (folder / "model.json").write_text(json.dumps({**description, **casing}))
    loaded = model_dir.load(str(folder))
    assert loaded.vocabulary == VOCABULARY.with_casing(lower_case, expected)
    assert loaded.tokenizer.vocabulary == loaded.vocabulary
    assert loaded.description == DESCRIPTION


def test_two_files_that_contradict_each_other(folder):
    description = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps({**description, "lower_case": False}))
    with pytest.raises(ValueError, match="Expected lower_case=True"):
        model_dir.load(str(folder))


def test_dtype_of_computation(folder):
    model = model_dir.load(str(folder), dtype="mixed_bfloat16").model
    assert model.compute_dtype == "bfloat16"
    assert {variable.dtype for variable in model.trainable_variables} == {"float32"}


def test_a_larger_vocabulary_than_the_config(tmp_path):
    larger = Vocabulary((*VOCABULARY.tokens, "more"))
    with pytest.raises(ValueError, match="has 21 pieces, but the config says"):
        model_dir.save(str(tmp_path), small_pretrainer(), larger, DESCRIPTION, {})
    assert list(tmp_path.iterdir()) == []


def test_missing_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match="No model folder at"):
        model_dir.load(str(tmp_path / "none"))


@pytest.mark.parametrize(
    "name", ["bert_config.json", "vocab.txt", "model.json", "model.safetensors"]
)
def test_missing_files(folder, name):
    (folder / name).unlink()
    with pytest.raises(FileNotFoundError, match=f"lacks {name}"):
        model_dir.load(str(folder))


def test_weights_of_another_config(folder):
    path = folder / "bert_config.json"
    config = json.loads(path.read_text())
    path.write_text(json.dumps({**config, "num_hidden_layers": 3, "hidden_size": 32}))
    with pytest.raises(ValueError, match="missing encoder/block_2/attention") as error:
        model_dir.load(str(folder))
    path.write_text(json.dumps({**config, "intermediate_size": 8}))
    with pytest.raises(
        ValueError, match=r"has the shape \(16, 32\), expected \(16, 8\)"
    ):
        model_dir.load(str(folder))
    path.write_text(json.dumps({**config, "num_hidden_layers": 1}))
    with pytest.raises(ValueError, match="extra encoder/block_1/attention"):
        model_dir.load(str(folder))
    assert len(str(error.value)) < 4000


def test_weights_that_are_cut_off(folder):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ValueError, match="is not a safetensors file"):
        model_dir.load(str(folder))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "is not JSON"),
        ("[]", "contains a list"),
        ("{}", "does not describe a model"),
        ('{"format": 2}', "does not describe a model"),
        ('{"format": 1}', "does not describe a model"),
    ],
)
def test_broken_description(folder, content, message):
    (folder / "model.json").write_text(content)
    with pytest.raises(ValueError, match=rf"model\.json {message}"):
        model_dir.load(str(folder))


def test_a_vocabulary_of_another_model(folder):
    larger = Vocabulary((*VOCABULARY.tokens, "more"))
    (folder / "vocab.txt").write_bytes(larger.to_bytes())
    with pytest.raises(ValueError, match="use the vocabulary of this model"):
        model_dir.load(str(folder))


def test_weights_are_readable_without_this_project(folder):
    values = safetensors.numpy.load_file(folder / "model.safetensors")
    assert values["encoder/embeddings/token_table"].shape == (20, 16)
    assert values["encoder/embeddings/token_table"].dtype == np.float32
