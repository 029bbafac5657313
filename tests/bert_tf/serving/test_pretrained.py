import json
import os
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from bert_tf import export, model_dir, predict
from bert_tf.serving.pretrained import TextModel
from tests.bert_tf.models import (
    VOCABULARY,
    randomize,
    small_config,
    small_pretrainer,
)
from tests.reference.wordpiece import ReferenceTokenizer

DESCRIPTION = model_dir.Description(
    kind="pretraining", lower_case=True, sentence_task="next_sentence"
)
TEXTS = (
    "The [MASK] sat.",
    "",
    "[MASK] [MASK] on the mat",
    "the cat [SEP] sat",
    "the" + " cat" * 40,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("model")
    model = small_pretrainer()
    randomize(model)
    model_dir.save(str(path), model, VOCABULARY, DESCRIPTION, {})
    return str(path)


def text_model(folder, **arguments):
    loaded = model_dir.load(folder)
    return TextModel(loaded.model, loaded.tokenizer, **arguments)


def row_by_hand(text, vocabulary=VOCABULARY, room=22):
    """Token ids of `[CLS] text [SEP]`, with [MASK] where the text says so."""
    ids = []
    for index, part in enumerate(text.split("[MASK]")):
        ids += [vocabulary.mask_id] * (index > 0)
        ids += ReferenceTokenizer(vocabulary.tokens, lower_case=True).ids(part)
    return [vocabulary.cls_id, *ids[:room], vocabulary.sep_id]


def test_fill_mask_equals_the_model_on_rows_made_by_hand(folder):
    served = text_model(folder, top_k=3)
    answers = served.fill_mask(tf.constant(TEXTS))
    model = model_dir.load(folder).model
    for index, text in enumerate(TEXTS):
        row = row_by_hand(text)
        places = [i for i, t in enumerate(row) if t == VOCABULARY.mask_id]
        outputs = model(
            {
                "token_ids": tf.constant([row]),
                "padding_mask": tf.ones([1, len(row)], tf.bool),
                "mlm_positions": tf.constant(
                    [places], tf.int32, shape=[1, len(places)]
                ),
            }
        )
        probabilities = tf.nn.softmax(outputs["mlm"][0]).numpy()
        for blank in range(answers["tokens"].shape[1]):
            tokens = [t.decode() for t in answers["tokens"][index, blank].numpy()]
            if blank >= len(places):
                assert tokens == [""] * 3
                continue
            best = np.argsort(-probabilities[blank])[:3]
            assert tokens == [VOCABULARY.tokens[i] for i in best]
            np.testing.assert_allclose(
                answers["probabilities"][index, blank],
                probabilities[blank][best],
                atol=1e-5,
            )
    assert answers["truncated"].numpy().tolist() == [False] * 4 + [True]


def test_control_tokens_in_a_text_are_text(folder):
    inputs, _ = text_model(folder)._inputs(tf.constant(["the [SEP] cat [PAD] [CLS]"]))
    ids = inputs["token_ids"].numpy()[0].tolist()
    assert ids.count(VOCABULARY.sep_id) == 1 and ids[-1] == VOCABULARY.sep_id
    assert ids.count(VOCABULARY.cls_id) == 1
    assert VOCABULARY.pad_id not in ids


def test_an_empty_batch(folder):
    answers = text_model(folder).signatures()["fill_mask"](tf.constant([], tf.string))
    assert answers["tokens"].shape == (0, 0, 5)


def test_embeddings_do_not_depend_on_the_batch(folder):
    served = text_model(folder)
    together = served.embed(tf.constant(TEXTS))
    for index, text in enumerate(TEXTS):
        alone = served.embed(tf.constant([text]))
        for name in ("cls", "mean", "pooled"):
            np.testing.assert_allclose(together[name][index], alone[name][0], atol=1e-5)


def test_mean_and_layer_of_embeddings(folder):
    row = row_by_hand("the cat")
    encoder = model_dir.load(folder).model.encoder
    states = encoder(
        {
            "token_ids": tf.constant([row]),
            "padding_mask": tf.ones([1, len(row)], tf.bool),
        }
    )["hidden_states"]
    for layer in (0, 1, 2, -1, -3):
        answers = text_model(folder, embedding_layer=layer).embed(
            tf.constant(["the cat", "the cat sat on the mat"])
        )
        np.testing.assert_allclose(
            answers["mean"][0], np.mean(states[layer][0], 0), atol=1e-5
        )
        np.testing.assert_allclose(answers["cls"][0], states[layer][0, 0], atol=1e-5)


@pytest.mark.parametrize("layer", [3, -4])
def test_a_layer_that_is_not_there(folder, layer):
    with pytest.raises(ValueError, match=f"embedding_layer={layer}"):
        text_model(folder, embedding_layer=layer)


@pytest.mark.parametrize("top_k", [0, 21])
def test_too_many_or_no_guesses(folder, top_k):
    with pytest.raises(ValueError, match=f"top_k={top_k}. Expected 1 to 20"):
        text_model(folder, top_k=top_k)


def test_a_config_with_room_for_more_pieces(tmp_path):
    model = small_pretrainer(vocab_size=64)
    model_dir.save(str(tmp_path), model, VOCABULARY, DESCRIPTION, {})
    answers = text_model(str(tmp_path), top_k=20).fill_mask(tf.constant(["[MASK]"]))
    assert float(tf.reduce_sum(answers["probabilities"])) == pytest.approx(1, abs=1e-5)


# --- Export.

_BARE = """
import json, sys
import tensorflow as tf
import tensorflow_text
model = tf.saved_model.load(sys.argv[1])
texts = tf.constant(sys.argv[2:])
answers = {
    name: {key: value.numpy().tolist() for key, value in function(texts).items()}
    for name, function in model.signatures.items() if name != "encode"
}
ids = tf.constant([[2, 5, 6, 3]])
encoded = model.signatures["encode"](
    token_ids=ids, segment_ids=0 * ids, padding_mask=ids > 0)
answers["encode"] = {k: v.numpy().tolist() for k, v in encoded.items()}
ours = [m for m in sys.modules if m.startswith(("bert_tf", "data_pipelines"))]
print(json.dumps([answers, ours], default=lambda b: b.decode()))
"""


@pytest.fixture(scope="module")
def saved_model(folder, tmp_path_factory):
    base = tmp_path_factory.mktemp("saved")
    return export.export(folder, "small", saved_models_dir=str(base))


def test_saved_model_answers_without_this_project(folder, saved_model, tmp_path):
    run = subprocess.run(
        [sys.executable, "-c", _BARE, saved_model, *TEXTS],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={k: v for k, v in os.environ.items() if k != "PYTHONPATH"},
    )
    assert run.returncode == 0, run.stderr
    answers, ours = json.loads(run.stdout)
    assert not ours
    assert answers["serving_default"] == answers["fill_mask"]
    served = text_model(folder)
    for signature in ("fill_mask", "embed"):
        expected = getattr(served, signature)(tf.constant(TEXTS))
        for name, value in answers[signature].items():
            if name == "tokens":
                tokens = np.char.decode(expected[name].numpy().astype(bytes), "utf-8")
                assert value == tokens.tolist()
            else:
                np.testing.assert_allclose(value, expected[name], atol=1e-5)
    assert np.shape(answers["encode"]["sequence_output"]) == (1, 4, 16)
    assert np.shape(answers["encode"]["pooled_output"]) == (1, 16)


def test_saved_model_needs_no_xla(saved_model):
    with open(f"{saved_model}/saved_model.pb", "rb") as file:
        content = saved_model_pb2.SavedModel.FromString(file.read())
    functions = content.meta_graphs[0].graph_def.library.function
    assert functions
    assert not [f for f in functions if f.attr["_XlaMustCompile"].b]
    operations = {node.op for function in functions for node in function.node_def}
    assert not [name for name in operations if "Xla" in name]


def test_saved_model_carries_its_files(saved_model):
    assets = sorted(os.listdir(f"{saved_model}/assets"))
    assert assets == ["bert_config.json", "model.json", "vocab.txt"]


@pytest.mark.slow
def test_versions(folder, tmp_path):
    base = str(tmp_path)
    assert export.export(folder, "a", saved_models_dir=base) == f"{base}/a/1"
    assert export.export(folder, "a", 7, saved_models_dir=base) == f"{base}/a/7"
    assert export.export(folder, "a", saved_models_dir=base) == f"{base}/a/8"
    with pytest.raises(ValueError, match=r"a/7 exists already .* such as 9"):
        export.export(folder, "a", 7, saved_models_dir=base)
    assert sorted(os.listdir(f"{base}/a")) == ["1", "7", "8"]


@pytest.mark.parametrize("name", ["", "a/b", ".hidden"])
def test_bad_names(folder, tmp_path, name):
    with pytest.raises(ValueError, match="Expected a plain folder name"):
        export.export(folder, name, saved_models_dir=str(tmp_path))


def test_bad_version(folder, tmp_path):
    with pytest.raises(ValueError, match="version=0"):
        export.export(folder, "a", 0, saved_models_dir=str(tmp_path))


def test_a_failed_export_leaves_nothing(folder, tmp_path, monkeypatch):
    def fail(model, path, signatures):
        os.makedirs(path)
        raise OSError("disk full")

    monkeypatch.setattr(export.tf.saved_model, "save", fail)
    with pytest.raises(OSError, match="disk full"):
        export.export(folder, "a", saved_models_dir=str(tmp_path))
    assert not (tmp_path / "a").exists() or not list((tmp_path / "a").iterdir())


# --- Predict.


def predict_program(folder, *flags, texts=b""):
    command = [sys.executable, "-m", "bert_tf.predict", f"--model_dir={folder}"]
    return subprocess.run([*command, *flags], input=texts, capture_output=True)


@pytest.mark.slow
def test_predict_as_a_program(folder):
    texts = "\n".join(TEXTS[:3]).encode() + b"\nbroken \xff utf-8 [MASK]\n"
    run = predict_program(folder, "--batch_size=3", "--top_k=2", texts=texts)
    assert run.returncode == 0, run.stderr
    rows = [json.loads(line) for line in run.stdout.splitlines()]
    assert [len(row["tokens"]) for row in rows] == [1, 0, 2, 1]
    assert all(len(guesses) == 2 for row in rows for guesses in row["tokens"])
    assert rows[3]["text"] == "broken \N{REPLACEMENT CHARACTER} utf-8 [MASK]"


def test_predict_equals_the_signatures(folder):
    served = text_model(folder)
    rows = list(predict.predict(served, "embed", [t.encode() for t in TEXTS], 2))
    expected = served.embed(tf.constant(TEXTS))
    assert [row["text"] for row in rows] == list(TEXTS)
    for name in ("cls", "mean", "pooled"):
        np.testing.assert_allclose(
            [row[name] for row in rows], expected[name], atol=1e-5
        )


def test_predict_to_a_file_that_exists(folder, tmp_path):
    for name in ("in", "out"):
        (tmp_path / name).write_text("the cat\n")
    options = predict.PredictOptions(
        model_dir=folder,
        input_file=str(tmp_path / "in"),
        output_file=str(tmp_path / "out"),
    )
    with pytest.raises(ValueError, match="out exists already"):
        predict.main(options)
    assert (tmp_path / "out").read_text() == "the cat\n"
    new = tmp_path / "new"
    predict.main(
        predict.PredictOptions(
            model_dir=folder, input_file=str(tmp_path / "in"), output_file=str(new)
        )
    )
    assert json.loads(new.read_text())["text"] == "the cat"


def test_predict_with_a_bad_batch_size(folder):
    options = predict.PredictOptions(model_dir=folder, batch_size=0)
    with pytest.raises(ValueError, match="batch_size=0"):
        predict.main(options)


@pytest.mark.slow
def test_predict_without_a_model():
    run = predict_program("none", texts=b"x\n")
    assert run.returncode == 1
    assert b"error: No model folder at 'none'" in run.stderr
    assert b"Traceback" not in run.stderr


def test_an_encoder_alone(tmp_path, capsys):
    """Without heads and pooler: vectors, and a clear answer to what is not there."""
    description = model_dir.Description("pretraining", True, head={"mlm_head": False})
    model = model_dir.make_model(small_config(pooler=False), description)
    randomize(model)
    folder = str(tmp_path / "model")
    model_dir.save(folder, model, VOCABULARY, description, {})
    export.main(
        export.ExportOptions(
            model_dir=folder, name="x", saved_models_dir=str(tmp_path / "saved")
        )
    )
    assert "embed (serving_default), encode." in capsys.readouterr().out
    loaded = tf.saved_model.load(str(tmp_path / "saved" / "x" / "1"))
    assert set(loaded.signatures) == {"serving_default", "embed", "encode"}
    served = loaded.signatures["serving_default"](texts=tf.constant(["the cat"]))
    assert set(served) == {"cls", "mean", "truncated"}
    expected = text_model(folder).embed(tf.constant(["the cat"]))
    np.testing.assert_allclose(served["mean"], expected["mean"], atol=1e-6)
    with pytest.raises(ValueError, match="Expected --signature=embed"):
        list(predict.predict(text_model(folder), "fill_mask", [b"the [MASK]"]))
