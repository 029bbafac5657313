"""Folders of sentence-transformers: its vectors, computed by hand with PyTorch."""

import dataclasses
import json

import numpy as np
import pytest
import tensorflow as tf

from bert_tf.checkpoints import google, hugging_face, model_dir, sentence_transformers
from bert_tf.checkpoints.description import Description, SentenceVector
from bert_tf.checkpoints.formats import recognise
from bert_tf.extract_features import ExtractOptions, extract_features
from bert_tf.serving.pretrained import TextModel
from tests.bert_tf.checkpoints.models import assert_same, checkpoint_of

TEXTS = ("the cat sat", "a dog ran to the mat . the cat sat on the mat .")
ENCODER = Description("pretraining", head={"mlm_head": False})


def vector(**changes):
    values = {"pooling": "mean", "normalize": True, "max_length": 8}
    return SentenceVector(**{**values, **changes})


def checkpoint(folder, sentence_vector):
    description = Description(
        "pretraining", head={"mlm_head": False}, sentence_vector=sentence_vector
    )
    changes = {"hidden_act": "gelu", "num_hidden_layers": 1}
    return checkpoint_of(description, folder, **changes)


VECTORS = [
    vector(pooling=pooling, normalize=normalize)
    for pooling in ("mean", "cls")
    for normalize in (True, False)
]


def text_model_of(folder, asked):
    """A model, loaded, and what answers with it."""
    checkpoint(folder, asked)
    loaded = model_dir.load(str(folder))
    return loaded, TextModel(loaded.model, loaded.tokenizer, sentence_vector=asked)


def pooled(states, asked):
    found = states[0] if asked.pooling == "cls" else states.mean(axis=0)
    return found / np.linalg.norm(found) if asked.normalize else found


@pytest.mark.parametrize("asked", VECTORS, ids=str)
def test_there_and_back(tmp_path, asked):
    first = checkpoint(tmp_path / "ours", asked)
    folder = str(tmp_path / "theirs")
    hugging_face.write(first, folder)
    assert recognise(folder) == "hugging_face"
    second = hugging_face.read(folder)
    assert_same(second, first)
    assert second.description.sentence_vector == asked


def test_vectors_are_made_of_those_of_the_tokens(tmp_path):
    """In the signature and in the verb."""
    loaded, text_model = text_model_of(tmp_path / "ours", VECTORS[0])
    for asked in VECTORS:
        text_model.sentence_vector = asked
        found = text_model.embed(tf.constant(TEXTS))
        assert found["truncated"].numpy().tolist() == [False, True]
        for text, row in zip(TEXTS, found["sentence"], strict=True):
            tokens = ["[CLS]", *text.split()[:6], "[SEP]"]
            ids = tf.constant([[loaded.vocabulary.id_of(token) for token in tokens]])
            inputs = {"token_ids": ids, "padding_mask": tf.ones_like(ids, tf.bool)}
            states = loaded.model.encoder(inputs)["sequence_output"][0].numpy()
            np.testing.assert_allclose(
                row, pooled(states, asked), atol=1e-5, err_msg=f"{asked} of {text!r}"
            )
    (tmp_path / "texts.txt").write_text("\n".join(TEXTS) + "\n")
    extract_features(
        ExtractOptions(
            model_dir=str(tmp_path / "ours"),
            input_file=str(tmp_path / "texts.txt"),
            output_file=str(tmp_path / "vectors.npy"),
            vectors="sentence",
        )
    )
    text_model.sentence_vector = VECTORS[0]
    expected = text_model.embed(tf.constant(TEXTS))["sentence"]
    np.testing.assert_allclose(np.load(tmp_path / "vectors.npy"), expected, atol=1e-5)


def test_vectors_are_those_of_transformers(tmp_path):
    torch = pytest.importorskip(
        "torch", reason="needs torch, of requirements-peers.txt"
    )
    transformers = pytest.importorskip(
        "transformers", reason="needs transformers, of requirements-peers.txt"
    )
    _, text_model = text_model_of(tmp_path / "ours", VECTORS[0])
    folder = str(tmp_path / "theirs")
    hugging_face.write(model_dir.read(str(tmp_path / "ours")), folder)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModel.from_pretrained(folder).eval()
    for asked in VECTORS:
        text_model.sentence_vector = asked
        found = text_model.embed(tf.constant(TEXTS))["sentence"]
        for text, row in zip(TEXTS, found, strict=True):
            inputs = tokenizer(
                text, truncation=True, max_length=asked.max_length, return_tensors="pt"
            )
            with torch.no_grad():
                states = model(**inputs).last_hidden_state[0].numpy()
            np.testing.assert_allclose(
                row, pooled(states, asked), atol=1e-5, err_msg=f"{asked} of {text!r}"
            )


def test_the_model_in_a_folder_of_its_own(tmp_path):
    first = checkpoint(tmp_path / "ours", vector())
    folder = tmp_path / "theirs"
    hugging_face.write(first, str(folder / "0_Transformer"))
    inner = folder / "0_Transformer"
    modules = json.loads((inner / "modules.json").read_text())
    modules[0]["path"] = "0_Transformer"
    (inner / "modules.json").unlink()
    (folder / "modules.json").write_text(json.dumps(modules))
    (inner / "1_Pooling").rename(folder / "1_Pooling")
    assert_same(hugging_face.read(str(folder)), first)


@pytest.mark.parametrize(
    ("lower_case", "expected"), [(True, (True, True)), (False, (True, False))]
)
def test_texts_that_are_lowered_before_the_tokenizer(tmp_path, lower_case, expected):
    first = checkpoint(tmp_path / "ours", vector())
    vocabulary = first.vocabulary.with_casing(lower_case)
    first = dataclasses.replace(first, vocabulary=vocabulary)
    folder = tmp_path / "theirs"
    hugging_face.write(first, str(folder))
    file = folder / "sentence_bert_config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "do_lower_case": True}))
    found = hugging_face.read(str(folder)).vocabulary
    assert (found.lower_case, found.strip_accents) == expected


@pytest.mark.parametrize(
    ("module", "pooling", "message"),
    [
        ("Dense", {}, "consists of .*Dense"),
        ("Normalize", {"pooling_mode_max_tokens": True}, "pooling_mode_max_tokens"),
        ("Normalize", {"pooling_mode_mean_tokens": False}, r"pools by \[\]"),
    ],
)
def test_steps_that_are_not_known(tmp_path, module, pooling, message):
    folder = tmp_path / "theirs"
    hugging_face.write(checkpoint(tmp_path / "ours", vector()), str(folder))
    modules = json.loads((folder / "modules.json").read_text())
    modules[2]["type"] = f"sentence_transformers.models.{module}"
    (folder / "modules.json").write_text(json.dumps(modules))
    file = folder / "1_Pooling" / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **pooling}))
    with pytest.raises(ValueError, match=message):
        sentence_transformers.read(str(folder))


def test_formats_without_a_place_for_it(tmp_path):
    asked = Description(
        "pretraining", head={"mlm_head": False}, sentence_vector=vector()
    )
    found = checkpoint_of(asked, tmp_path / "ours")
    with pytest.raises(ValueError, match="with --encoder_only"):
        google.write(found, str(tmp_path / "google"))


def test_a_model_that_gives_none(tmp_path):
    checkpoint_of(ENCODER, tmp_path / "ours")
    with pytest.raises(ValueError, match="was not trained to give one"):
        extract_features(
            ExtractOptions(
                model_dir=str(tmp_path / "ours"),
                output_file=str(tmp_path / "x.npy"),
                vectors="sentence",
            )
        )
