import json
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from bert_tf import model_dir, predict
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
    found = text_model(folder).features(tf.constant(["the [SEP] cat [PAD] [CLS]"]))
    tokens = [token.decode() for token in found["tokens"].numpy()[0] if token]
    assert tokens.count("[SEP]") == 1 and tokens[-1] == "[SEP]"
    assert tokens.count("[CLS]") == 1
    assert "[PAD]" not in tokens


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


def test_predict_without_a_head_for_masks(tmp_path):
    description = model_dir.Description("pretraining", True, head={"mlm_head": False})
    model = model_dir.make_model(small_config(pooler=False), description)
    model_dir.save(str(tmp_path), model, VOCABULARY, description, {})
    with pytest.raises(ValueError, match="Expected --signature=embed"):
        list(predict.predict(text_model(str(tmp_path)), "fill_mask", [b"the [MASK]"]))
