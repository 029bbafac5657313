"""Files of word vectors as models: frozen, trained, and given back."""

import json

import numpy as np
import pytest
import tensorflow as tf

from bert_tf import convert, evaluate, export, finetune
from bert_tf.checkpoints import formats, model_dir, word2vec
from bert_tf.checkpoints.tensors import open_safetensors
from bert_tf.checkpoints.word2vec import TOKEN_TABLE
from bert_tf.convert import ConvertOptions
from bert_tf.evaluate import EvaluateOptions
from bert_tf.export import ExportOptions
from bert_tf.extract_features import ExtractOptions, extract_features
from bert_tf.finetune import FinetuneOptions
from bert_tf.word_vectors.keyed_vectors import load_vectors, to_word2vec_format
from data_pipelines.tokenizers.vocabulary import SPECIAL_TOKENS
from tests.end_to_end.tasks import BAD, CITIES, GOOD, NAMES, OTHERS, write_task

models = pytest.importorskip(
    "gensim", reason="the extra word_vectors is not installed"
).models

WORDS = (*NAMES, *CITIES, *GOOD, *BAD, *OTHERS, "naïve", "##s", "[UNK]")


def write_vectors(path, words=WORDS, width=12):
    """Random vectors; gives gensim's."""
    vectors = models.KeyedVectors(width)
    table = np.random.default_rng(0).normal(size=(len(words), width))
    vectors.add_vectors(list(words), table.astype("float32"))
    path.write_bytes(to_word2vec_format(vectors, str(path)))
    return vectors


@pytest.mark.parametrize("number", ["nan", "inf", "1e39"])
def test_vectors_that_are_not_finite(tmp_path, number):
    path = tmp_path / "words.txt"
    path.write_text(f"2 2\ncat 1 2\ndog 1 {number}\n")
    message = r"words\.txt: 1 of 2 vectors have .* such as those of \['dog'\]"
    for read in (load_vectors, word2vec.read):
        with pytest.raises(ValueError, match=message):
            read(str(path))
    vectors = models.KeyedVectors(1)
    vectors.add_vectors(["dog"], np.array([[np.nan]], np.float32))
    with pytest.raises(ValueError, match=r"new\.bin: 1 of 1 vectors"):
        to_word2vec_format(vectors, str(tmp_path / "new.bin"))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder of vectors and of the model that they become."""
    folder = tmp_path_factory.mktemp("vectors")
    vectors = write_vectors(folder / "words.bin")
    convert.convert(
        ConvertOptions(
            source=str(folder / "words.bin"), output_dir=str(folder / "model")
        )
    )
    return folder, vectors


def test_a_model_is_the_table_alone(made):
    folder, vectors = made
    loaded = model_dir.load(str(folder / "model"))
    tokens = (*SPECIAL_TOKENS, *WORDS[:-1])
    assert loaded.vocabulary.tokens == tokens
    # An accent that was taken away would make it another word.
    assert loaded.vocabulary.lower_case and loaded.vocabulary.strip_accents is False
    weights = model_dir.weights_of(loaded.model)
    assert set(weights) == {TOKEN_TABLE}
    expected = [vectors[t] if t in vectors else np.zeros(12) for t in tokens]
    np.testing.assert_array_equal(weights[TOKEN_TABLE].numpy(), expected)
    options = json.loads((folder / "model" / model_dir.OPTIONS).read_text())
    assert options == {"converted_from": str(folder / "words.bin")}


@pytest.mark.parametrize("name", ["words.bin", "words.txt"])
def test_both_formats(tmp_path, name):
    vectors = write_vectors(tmp_path / name)
    source_format, checkpoint = formats.read(str(tmp_path / name))
    assert source_format == "word2vec"
    table = checkpoint.weights.read(TOKEN_TABLE)
    np.testing.assert_allclose(table[5:], vectors.vectors[:-1], atol=1e-5)


def test_the_same_vectors_come_back(made, tmp_path):
    folder, vectors = made
    text = tmp_path / "text.txt"
    text.write_text("Anna is good today\nNaïve robots, films\n")
    for kind in ("tokens", "mean"):
        extract_features(
            ExtractOptions(
                model_dir=str(folder / "model"),
                input_file=str(text),
                output_file=str(tmp_path / f"{kind}.npy"),
                vectors=kind,
            )
        )
    zeros = np.zeros((1, 12))
    second = ["naïve", "[UNK]", "[UNK]", "film", "##s"]
    first = np.concatenate([zeros, vectors[["anna", "is", "good", "today"]], zeros])
    second = np.concatenate([zeros, vectors[second], zeros])
    tokens = np.load(tmp_path / "tokens.npy")
    np.testing.assert_array_equal(tokens, np.concatenate([first, second]))
    mean = np.load(tmp_path / "mean.npy")
    np.testing.assert_allclose(mean, [first.mean(0), second.mean(0)], rtol=1e-5)


def tune(made, tmp_path, kind, **changes):
    """Fine-tunes; gives the task, the folder and the table."""
    task = write_task(kind, tmp_path / "task")
    options = FinetuneOptions(
        **{
            "model_dir": str(made[0] / "model"),
            "output_dir": str(tmp_path / "tuned"),
            "kind": kind,
            "train_file": task.train_file,
            "dev_file": task.dev_file,
            "learning_rate": 0.2,
            "dropout": 0.0,
            "num_epochs": 5.0,
            "batch_size": 64,
            "baselines": False,
            **task.options,
            **changes,
        }
    )
    metrics = finetune.finetune(options)
    weights = open_safetensors(str(tmp_path / "tuned" / model_dir.WEIGHTS))
    return task, metrics[task.metric], weights.read(TOKEN_TABLE)


def test_frozen_vectors_stay(made, tmp_path):
    task, found, table = tune(
        made, tmp_path, "classification", features="embeddings", num_epochs=8.0
    )
    before = open_safetensors(str(made[0] / "model" / model_dir.WEIGHTS))
    np.testing.assert_array_equal(table, before.read(TOKEN_TABLE))
    assert found >= task.goal


def test_trained_vectors_move(made, tmp_path):
    task, found, table = tune(made, tmp_path, "classification")
    before = open_safetensors(str(made[0] / "model" / model_dir.WEIGHTS))
    ids = model_dir.load(str(tmp_path / "tuned")).vocabulary
    moved = np.abs(table - before.read(TOKEN_TABLE)).max(axis=1)
    assert min(moved[ids.id_of(word)] for word in (*GOOD, *BAD)) > 0.05
    assert found >= task.goal
    # Nothing was added to the table but the layer above the mean.
    weights = open_safetensors(str(tmp_path / "tuned" / model_dir.WEIGHTS))
    assert set(weights.shapes) == {TOKEN_TABLE, "head/kernel", "head/bias"}
    again = evaluate.evaluate(
        EvaluateOptions(
            model_dir=str(tmp_path / "tuned"),
            kind="classification",
            dev_file=task.dev_file,
            **task.options,
        )
    )
    assert again[task.metric] == found


@pytest.mark.long
@pytest.mark.slow
def test_tags_by_an_lstm_on_frozen_vectors(made, tmp_path):
    task, found, _ = tune(
        made,
        tmp_path,
        "token_tagging",
        features="embeddings",
        lstm_units=16,
        learning_rate=0.05,
        num_epochs=6.0,
        batch_size=16,
    )
    assert found >= task.goal


@pytest.mark.slow
def test_export_has_no_attention(made, tmp_path):
    folder, vectors = made
    export.main(
        ExportOptions(
            model_dir=str(folder / "model"),
            name="words",
            saved_models_dir=str(tmp_path),
        )
    )
    loaded = tf.saved_model.load(str(tmp_path / "words" / "1"))
    assert "attention" not in loaded.signatures and "embed" in loaded.signatures
    found = loaded.signatures["similarity"](
        first=tf.constant(["anna"]), second=tf.constant(["carl"])
    )
    cosine = vectors.similarity("anna", "carl")
    assert float(found["similarity"][0]) == pytest.approx(cosine, abs=1e-5)


def test_what_does_not_fit(made, tmp_path):
    with pytest.raises(ValueError, match="'second_to_last' for an encoder of 0 layers"):
        tune(made, tmp_path, "classification", features="second_to_last")
    with pytest.raises(ValueError, match="of transformers, the nearest"):
        convert.convert(
            ConvertOptions(
                source=str(made[0] / "model"),
                output_dir=str(tmp_path / "theirs"),
                output_format="hugging_face",
            )
        )
    (tmp_path / "other.bin").write_bytes(b"no vectors")
    with pytest.raises(ValueError, match="not in word2vec's format"):
        formats.read(str(tmp_path / "other.bin"))
