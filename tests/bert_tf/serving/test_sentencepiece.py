"""Texts in and out of served models with SentencePiece."""

import numpy as np
import pytest
import tensorflow as tf

from bert_tf.checkpoints import model_dir
from bert_tf.serving import saved_model
from bert_tf.serving.generate import join_pieces
from bert_tf.serving.pretrained import TextModel
from data_pipelines.tokenizers.sentencepiece import SentencePieceTokenizer
from tests.bert_tf.serving.fine_tuned_models import (
    examples_of,
    predicted_rows,
    write_model,
)
from tests.bert_tf.serving.graphs import ops_of
from tests.bert_tf.small_models import randomize, small_pretrainer
from tests.data_pipelines.tokenizers.sentencepiece_vocabulary import (
    learned_model,
    vocabulary_of,
)

# TF Serving links these: its BUILD names @org_tensorflow_text//tensorflow_text:ops_lib.
TEXT_OPS = {
    "SentencepieceOp",
    "SentencepieceTokenizeOp",
    "SentencepieceTokenizeWithOffsetsOp",
    "NormalizeUTF8",
}
CONTEXTS = (
    "The ﬁrst cat — “sat” — on the mat, été 中文 और.",
    "  two   spaces and\ttabs: e\u0301te\u0301 ｆｕｌｌ  ",
    "😀 the \u200b mat 한국어",
)


@pytest.fixture(scope="module")
def vocabulary():
    return vocabulary_of(learned_model())


@pytest.mark.parametrize("kind", ["span_qa", "token_tagging", "classification"])
def test_answers_are_those_of_predict(kind, vocabulary, core_ops, tmp_path):
    folder = write_model(tmp_path / "model", kind, vocabulary=vocabulary)
    examples, inputs = examples_of(kind, CONTEXTS)
    expected = predicted_rows(folder, examples)
    path = saved_model.export(folder, kind, saved_models_dir=str(tmp_path / "saved"))
    assert "SentencepieceOp" in ops_of(path)
    assert ops_of(path) - core_ops <= TEXT_OPS
    signature = tf.saved_model.load(path).signatures["serving_default"]
    tensors = {name: tf.constant(values) for name, values in inputs.items()}
    found = {name: value.numpy() for name, value in signature(**tensors).items()}
    for index, row in enumerate(expected):
        answer = {name: values[index] for name, values in found.items()}
        text = CONTEXTS[index]
        if kind == "classification":
            assert answer["label"].decode() == row["prediction"]
            np.testing.assert_allclose(
                answer["probability"], row["probability"], atol=1e-6
            )
        elif kind == "token_tagging":
            tags = [tag.decode() for tag in answer["tags"] if tag]
            assert tags == row["tags"] and len(tags) == len(row["words"])
        else:
            assert answer["answer"].decode() == row["prediction"]
            # A piece that is a space alone is no answer.
            assert row["prediction"]
            assert text[answer["start"] : answer["end"]] == row["prediction"]
            spanned = text.encode()[answer["start_byte"] : answer["end_byte"]]
            assert spanned.decode() == row["prediction"]


def test_masks_in_texts(vocabulary):
    model = small_pretrainer(sentence_head=False, vocab_size=len(vocabulary))
    texts = ["the [MASK] sat", "[MASK]", "a [MASK]."]
    features = TextModel(
        model, SentencePieceTokenizer(vocabulary), num_tokens=24
    ).features(tf.constant(texts))
    for row, text in enumerate(texts):
        names = [name.decode() for name in features["tokens"].numpy()[row] if name]
        assert names.count("[MASK]") == 1
        place = names.index("[MASK]")
        start, end = (features[name].numpy()[row][place] for name in ("starts", "ends"))
        assert text.encode()[start:end] == b"[MASK]"


def test_pieces_are_joined_to_the_text(vocabulary):
    text = "the cat is on the table"
    ids = SentencePieceTokenizer(vocabulary).tokenize(tf.constant([text]))
    joined = join_pieces(
        ids.to_tensor(), tf.ones_like(ids.to_tensor(), tf.bool), vocabulary
    )
    assert joined.numpy()[0].decode().strip() == text


@pytest.mark.long
@pytest.mark.slow
def test_a_pretrained_model_is_served(vocabulary, core_ops, tmp_path):
    model = small_pretrainer(vocab_size=len(vocabulary))
    randomize(model, scale=0.5)
    description = model_dir.Description("pretraining", sentence_task="next_sentence")
    folder = str(tmp_path / "model")
    model_dir.save(folder, model, vocabulary, description, {})
    path = saved_model.export(
        folder, "pretraining", saved_models_dir=str(tmp_path / "saved")
    )
    assert ops_of(path) - core_ops <= TEXT_OPS
    signature = tf.saved_model.load(path).signatures["fill_mask"]
    found = signature(tf.constant(["the [MASK] is", *CONTEXTS]))
    probabilities = found["probabilities"].numpy()
    assert np.isfinite(probabilities).all()
    assert len({*found["tokens"].numpy()[0].flatten()}) > 1
