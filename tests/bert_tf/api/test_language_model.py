import numpy as np
import pytest
import tensorflow as tf

import bert_tf
from bert_tf.checkpoints import model_dir
from bert_tf.convert import ConvertOptions, convert

TEXTS = [
    "The cat sat on the mat. It slept there all day.",
    "The dog lay on the rug. It ran after the cat.",
    "The bird flew over the house. It sang a song.",
] * 4


@pytest.fixture(scope="module")
def trained():
    model = bert_tf.LanguageModel(preset="tiny", sequence_length=32)
    model.compile(learning_rate=3e-3)
    history = model.fit(
        TEXTS, batch_size=4, epochs=3, validation_data=TEXTS[:3], verbose=0
    ).history
    assert history["loss"][-1] < history["loss"][0]
    assert set(history) > {"val_loss", "val_mlm_accuracy", "mlm_loss", "sentence_loss"}
    return model


def test_masks(trained):
    texts = ["The [MASK] sat on the [MASK].", "No mask."]
    first, second = trained.fill_mask(texts, top_k=3)
    assert [len(guesses) for guesses in first] == [3, 3]
    assert second == []
    best = first[0][0]
    assert best.token in trained.tokenizer.vocabulary.tokens
    assert 1 > best.probability >= first[0][1].probability > 0


def test_vectors(trained):
    vectors = trained.encode(TEXTS[:3])
    assert vectors.shape == (3, 128) and vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)
    found = trained.similarity(TEXTS[:3], TEXTS[:2])
    np.testing.assert_allclose(found, vectors @ vectors[:2].T, atol=1e-5)
    tokens = trained.encode(TEXTS[:2], "tokens")
    assert [len(rows) for rows in tokens] == [15, 15]
    assert trained.encode([]).shape == (0, 128)


def test_attention(trained):
    first, second = trained.attention([TEXTS[0], "The cat."], layer=2, head=1)
    assert second.tokens == ["[CLS]", "the", "cat", ".", "[SEP]"]
    assert first.weights.shape == (15, 15)
    np.testing.assert_allclose(second.weights.sum(axis=1), 1, rtol=1e-5)
    with pytest.raises(ValueError, match="Received layer=3, head=1"):
        trained.attention(TEXTS, layer=3, head=1)


@pytest.mark.long
@pytest.mark.slow
def test_saved_loaded_and_trained_further(trained, tmp_path):
    trained.save(tmp_path / "own")
    again = bert_tf.load(tmp_path / "own")
    assert isinstance(again, bert_tf.LanguageModel)
    np.testing.assert_array_equal(again.encode(TEXTS[:3]), trained.encode(TEXTS[:3]))
    again = bert_tf.LanguageModel(tmp_path / "own", sequence_length=32)
    before = again.evaluate(TEXTS)
    assert before == pytest.approx(trained.evaluate(TEXTS), rel=1e-5)
    again.compile(learning_rate=3e-3)
    again.fit(TEXTS, batch_size=4, epochs=4, verbose=0)
    assert again.evaluate(TEXTS)["mlm_loss"] < before["mlm_loss"]
    # A task starts from its encoder.
    classifier = bert_tf.TextClassifier(tmp_path / "own", labels=["a", "b"])
    weights = model_dir.weights_of(classifier.keras_model)
    expected = model_dir.weights_of(trained.keras_model)
    name = next(name for name in weights if name.startswith("encoder/embeddings/"))
    np.testing.assert_array_equal(weights[name], expected[name])


@pytest.mark.long
@pytest.mark.slow
def test_an_encoder_without_a_head_gets_one(trained, tmp_path, capsys):
    trained.save(tmp_path / "own")
    options = ConvertOptions(
        source=str(tmp_path / "own"),
        output_dir=str(tmp_path / "encoder"),
        encoder_only=True,
    )
    convert(options)
    encoder = bert_tf.LanguageModel(tmp_path / "encoder", sequence_length=32)
    before = encoder.encode(TEXTS[:2])
    np.testing.assert_array_equal(before, trained.encode(TEXTS[:2]))
    encoder.compile(learning_rate=3e-3)
    history = encoder.fit(TEXTS, batch_size=4, epochs=3, verbose=0).history
    assert "has no head for masked tokens: a new one" in capsys.readouterr().out
    assert history["loss"][-1] < history["loss"][0]
    assert len(encoder.fill_mask(["The [MASK] sat."])[0][0]) == 5


@pytest.mark.slow
def test_given_back_to_hugging_face(trained, tmp_path):
    trained.save(tmp_path / "theirs", output_format="hugging_face")
    assert (tmp_path / "theirs" / "tokenizer.json").exists()
    again = bert_tf.load(tmp_path / "theirs")
    np.testing.assert_allclose(
        again.encode(TEXTS[:3]), trained.encode(TEXTS[:3]), atol=1e-6
    )
    with pytest.raises(ValueError, match="Expected one of"):
        trained.save(tmp_path / "other", output_format="onnx")
    assert not (tmp_path / "other").exists()


@pytest.mark.long
@pytest.mark.slow
def test_exported(trained, tmp_path):
    path = trained.export(tmp_path / "served" / "own")
    served = tf.saved_model.load(path).signatures["embed"]
    found = served(texts=tf.constant(TEXTS[:2]))["sentence"]
    np.testing.assert_allclose(found, trained.encode(TEXTS[:2]), atol=1e-5)


@pytest.mark.slow
def test_a_causal_model_generates():
    model = bert_tf.LanguageModel(preset="tiny", family="gpt", sequence_length=32)
    model.fit(TEXTS, batch_size=4, epochs=1, verbose=0)
    (text,) = model.generate(["The cat"], num_tokens=3)
    assert isinstance(text, str) and len(text.split()) <= 3
    with pytest.raises(ValueError, match="Received signature=fill_mask"):
        model.fill_mask(["The [MASK]."])


def test_errors(trained, tmp_path):
    new = bert_tf.LanguageModel()
    with pytest.raises(ValueError, match="new and not trained"):
        new.encode(TEXTS)
    with pytest.raises(ValueError, match="Received the text 'a'"):
        trained.encode("a")
    with pytest.raises(ValueError, match="Received None as input 1"):
        trained.fill_mask(["a", None])
    with pytest.raises(ValueError, match="Received signature=generate"):
        trained.generate(["a"])
    with pytest.raises(FileNotFoundError):
        bert_tf.load(tmp_path / "nothing")
    with pytest.raises(ValueError, match="when every word is one piece"):
        bert_tf.LanguageModel(preset="tiny", vocab_size=900).fit(TEXTS, verbose=0)
