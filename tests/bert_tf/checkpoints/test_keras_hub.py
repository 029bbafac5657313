"""Presets that KerasHub wrote, here and there: the same numbers."""

import dataclasses

import keras_hub
import numpy as np
import pytest
import tensorflow as tf

from bert_tf import convert
from bert_tf.checkpoints import keras_hub as format_of_keras_hub
from bert_tf.checkpoints import model_dir
from bert_tf.checkpoints.formats import recognise
from bert_tf.checkpoints.hugging_face import folder as hugging_face
from bert_tf.checkpoints.model_dir import Description
from bert_tf.convert import ConvertOptions
from data_pipelines.tokenizers.tokenizer import make_tokenizer
from data_pipelines.tokenizers.vocabulary import SPECIAL_TOKENS
from tests.bert_tf.checkpoints.models import assert_same, checkpoint_of, our_model
from tests.bert_tf.small_models import VOCABULARY, randomize
from tests.seeds import set_seed

models = keras_hub.models
AS_THEIRS = dataclasses.replace(VOCABULARY, max_word_characters=100)
TASKS = (None, "BertMaskedLM", "BertTextClassifier")


def their_model(task, dtype=None):
    set_seed(0)
    backbone = models.BertBackbone(
        vocabulary_size=len(VOCABULARY),
        num_layers=3,
        num_heads=4,
        hidden_dim=16,
        intermediate_dim=40,
        max_sequence_length=24,
        dtype=dtype,
    )
    tokenizer = models.BertTokenizer(list(VOCABULARY.tokens), lowercase=True)
    if task == "BertMaskedLM":
        preprocessor = models.BertMaskedLMPreprocessor(tokenizer, sequence_length=16)
        model = models.BertMaskedLM(backbone, preprocessor)
    elif task == "BertTextClassifier":
        preprocessor = models.BertTextClassifierPreprocessor(
            tokenizer, sequence_length=16
        )
        model = models.BertTextClassifier(
            backbone, num_classes=3, preprocessor=preprocessor
        )
    else:
        model = backbone
    randomize(model)
    return model, tokenizer


def save(model, tokenizer, folder):
    model.save_to_preset(str(folder))
    tokenizer.save_to_preset(str(folder))
    return str(folder)


@pytest.mark.parametrize("task", TASKS)
def test_the_same_numbers_there_and_back(tmp_path, task):
    theirs, tokenizer = their_model(task)
    folder = save(theirs, tokenizer, tmp_path / "theirs")
    assert recognise(folder) == "keras_hub"
    checkpoint = format_of_keras_hub.read(folder)
    assert checkpoint.vocabulary == AS_THEIRS and checkpoint.vocabulary.lower_case
    ours = our_model(checkpoint, tmp_path / "ours")

    generator = np.random.default_rng(0)
    token_ids = generator.integers(5, len(VOCABULARY), (3, 9)).astype("int32")
    mask = np.arange(9)[None, :] < np.array([9, 5, 2])[:, None]
    inputs = {
        "token_ids": token_ids * mask,
        "segment_ids": (token_ids % 2).astype("int32"),
        "padding_mask": mask.astype("int32"),
    }
    if task == "BertMaskedLM":
        inputs["mask_positions"] = np.array([[1, 0], [3, 4], [0, 1]], "int32")
        found = ours({**inputs, "mlm_positions": inputs["mask_positions"]})["mlm"]
        np.testing.assert_allclose(found, theirs(inputs), atol=1e-5)
    elif task == "BertTextClassifier":
        np.testing.assert_allclose(ours(inputs), theirs(inputs), atol=1e-5)
    else:
        found, expected = ours.encoder(inputs), theirs(inputs)
        for name in ("sequence_output", "pooled_output"):
            one, other = np.asarray(found[name]), np.asarray(expected[name])
            if name == "sequence_output":
                one, other = one[mask], other[mask]
            np.testing.assert_allclose(one, other, atol=1e-5)

    format_of_keras_hub.write(checkpoint, str(tmp_path / "written"))
    assert_same(format_of_keras_hub.read(str(tmp_path / "written")), checkpoint)


@pytest.mark.parametrize("task", TASKS)
def test_a_preset_of_mixed_precision(tmp_path, task):
    theirs, tokenizer = their_model(task, "mixed_bfloat16")
    folder = save(theirs, tokenizer, tmp_path / "theirs")
    checkpoint = format_of_keras_hub.read(folder)
    name = "encoder/embeddings/token_table"
    backbone = getattr(theirs, "backbone", theirs)
    np.testing.assert_array_equal(
        checkpoint.weights.read(name), backbone.token_embedding.embeddings.numpy()
    )


def test_a_folder_of_hugging_face_by_their_loader(tmp_path):
    """As `hf://` names are read: downloaded, it is such a folder."""
    description = Description("pretraining", head={"mlm_head": False})
    # The activation and the initialisation that their loader gives to all.
    checkpoint = checkpoint_of(
        description,
        tmp_path / "ours",
        hidden_act="gelu_tanh",
        initializer_range=0.02,
    )
    hugging_face.write(checkpoint, str(tmp_path / "theirs"))
    expected = dataclasses.replace(checkpoint, vocabulary=AS_THEIRS)
    assert_same(format_of_keras_hub.read(str(tmp_path / "theirs")), expected)


@pytest.mark.parametrize("length", [99, 100, 101, 150, 201])
def test_words_as_long_as_they_allow(tmp_path, length):
    pieces = ("x", "##x")
    tokenizer = models.BertTokenizer([*SPECIAL_TOKENS, *pieces], lowercase=True)
    vocabulary = dataclasses.replace(AS_THEIRS, tokens=(*SPECIAL_TOKENS, *pieces))
    ids = make_tokenizer(vocabulary).tokenize(tf.constant(["x" * length]))
    assert ids.to_list() == [list(map(int, tokenizer("x" * length)))]


@pytest.mark.network
@pytest.mark.parametrize(
    "name", ["bert_tiny_en_uncased", "hf://google/bert_uncased_L-2_H-128_A-2"]
)
def test_a_name_that_is_downloaded(tmp_path, name):
    convert.convert(ConvertOptions(source=name, output_dir=str(tmp_path / "ours")))
    ours = model_dir.load(str(tmp_path / "ours"))
    theirs = models.BertBackbone.from_preset(name)
    ids = ours.tokenizer.tokenize(tf.constant(["The cafe sat on the mat."])).to_tensor()
    inputs = {
        "token_ids": ids,
        "segment_ids": tf.zeros_like(ids),
        "padding_mask": tf.ones_like(ids),
    }
    found, expected = ours.model.encoder(inputs), theirs(inputs)
    for output in ("sequence_output", "pooled_output"):
        np.testing.assert_allclose(found[output], expected[output], atol=1e-5)


@pytest.mark.parametrize(
    ("description", "changes", "message"),
    [
        (
            Description("pretraining", sentence_task="next_sentence"),
            {},
            "'sentence_task': 'next_sentence'",
        ),
        (
            Description("pretraining", head={"mlm_head": False}),
            {"hidden_act": "gelu"},
            "'hidden_act': 'gelu'",
        ),
        (
            Description("pretraining", head={"mlm_head": False}),
            {"norm_position": "pre"},
            "'norm_position': 'pre'",
        ),
    ],
)
def test_what_keras_hub_cannot_compute(tmp_path, description, changes, message):
    checkpoint = checkpoint_of(description, tmp_path / "ours", **changes)
    with pytest.raises(ValueError, match=message):
        format_of_keras_hub.write(checkpoint, str(tmp_path / "theirs"))
    assert not (tmp_path / "theirs").exists()
