import json
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from bert_tf import predict
from bert_tf.checkpoints import model_dir
from bert_tf.checkpoints.description import SentenceVector
from bert_tf.prediction.answers import answer_texts
from bert_tf.prediction.text_vectors import TextVectorizer
from bert_tf.serving.pretrained import TextModel
from data_pipelines.datasets.examples import TextExample
from data_pipelines.finetuning.whole_texts import WholeTextEncoding
from tests.bert_tf.small_models import (
    VOCABULARY,
    randomize,
    small_config,
    small_pretrainer,
)
from tests.reference.wordpiece import ReferenceTokenizer

DESCRIPTION = model_dir.Description(kind="pretraining", sentence_task="next_sentence")
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


@pytest.fixture(scope="module")
def served(folder):
    return text_model(folder)


@pytest.fixture(scope="module")
def signatures(served):
    """Traced once for all tests."""
    return served.signatures()


@pytest.fixture(scope="module")
def model(folder):
    """The same, for rows made by hand."""
    return model_dir.load(folder).model


def row_by_hand(text, vocabulary=VOCABULARY, room=22):
    """Token ids of `[CLS] text [SEP]`, with [MASK] where the text says so."""
    ids = []
    for index, part in enumerate(text.split("[MASK]")):
        ids += [vocabulary.mask_id] * (index > 0)
        ids += ReferenceTokenizer(vocabulary.tokens, lower_case=True).ids(part)
    return [vocabulary.cls_id, *ids[:room], vocabulary.sep_id]


def test_fill_mask_equals_the_model_on_rows_made_by_hand(served, model):
    answers = served.fill_mask(tf.constant(TEXTS))
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
                assert tokens == [""] * 5
                continue
            best = np.argsort(-probabilities[blank])[:5]
            assert tokens == [VOCABULARY.tokens[i] for i in best]
            np.testing.assert_allclose(
                answers["probabilities"][index, blank],
                probabilities[blank][best],
                atol=1e-5,
            )
    assert answers["truncated"].numpy().tolist() == [False] * 4 + [True]


def test_control_tokens_in_a_text_are_text(served):
    found = served.features(tf.constant(["the [SEP] cat [PAD] [CLS]"]))
    tokens = [token.decode() for token in found["tokens"].numpy()[0] if token]
    assert tokens.count("[SEP]") == 1 and tokens[-1] == "[SEP]"
    assert tokens.count("[CLS]") == 1
    assert "[PAD]" not in tokens


def test_an_empty_batch(signatures):
    answers = signatures["fill_mask"](tf.constant([], tf.string))
    assert answers["tokens"].shape == (0, 0, 5)


def test_embeddings_do_not_depend_on_the_batch(served):
    together = served.embed(tf.constant(TEXTS))
    for index, text in enumerate(TEXTS):
        alone = served.embed(tf.constant([text]))
        for name in ("cls", "mean", "pooled"):
            np.testing.assert_allclose(
                together[name][index],
                alone[name][0],
                atol=1e-5,
                err_msg=f"{name}: {text}",
            )


def test_embeddings_are_of_the_last_layer(served, model):
    row = row_by_hand("the cat")
    states = model.encoder(
        {
            "token_ids": tf.constant([row]),
            "padding_mask": tf.ones([1, len(row)], tf.bool),
        }
    )["sequence_output"]
    answers = served.embed(tf.constant(["the cat", "the cat sat on the mat"]))
    np.testing.assert_allclose(answers["mean"][0], np.mean(states[0], 0), atol=1e-5)
    np.testing.assert_allclose(answers["cls"][0], states[0, 0], atol=1e-5)


@pytest.mark.parametrize("top_k", [0, 21])
def test_too_many_or_no_guesses(folder, top_k):
    with pytest.raises(ValueError, match=f"top_k={top_k}. Expected 1 to 20"):
        text_model(folder, top_k=top_k)


def test_a_config_with_room_for_more_pieces(tmp_path):
    model = small_pretrainer(vocab_size=64)
    model_dir.save(str(tmp_path), model, VOCABULARY, DESCRIPTION, {})
    answers = text_model(str(tmp_path), top_k=20).fill_mask(tf.constant(["[MASK]"]))
    assert float(tf.reduce_sum(answers["probabilities"])) == pytest.approx(1, abs=1e-5)


# --- Variants, and the other ways to ask.

QUESTIONS = {
    "fill_mask": {"texts": TEXTS},
    "embed": {"texts": TEXTS},
    "features": {"texts": TEXTS},
    "similarity": {"first": TEXTS, "second": TEXTS[::-1]},
}


def asked(signatures, name, inputs):
    tensors = [tf.constant(values) for values in inputs.values()]
    found = signatures[name](*tensors)
    return {name: value.numpy() for name, value in found.items()}


@pytest.mark.slow
@pytest.mark.parametrize("rows", ["_fixed", "_xla"])
@pytest.mark.parametrize("name", QUESTIONS)
def test_other_rows_give_the_same(signatures, name, rows):
    inputs = QUESTIONS[name]
    expected, found = (asked(signatures, n, inputs) for n in (name, name + rows))
    assert set(found) == set(expected)
    for output, values in expected.items():
        # Rows may be wider, by places that are filled up.
        other = found[output]
        if name == "features" and output != "truncated":
            assert other.shape[1] == 24
            other = other[:, : values.shape[1]]
        if values.dtype == object:
            assert np.array_equal(other, values), output
        else:
            np.testing.assert_allclose(other, values, atol=1e-5, err_msg=output)


def test_sentences_of_length_one(served):
    found = served.embed(tf.constant(TEXTS))
    mean = found["mean"].numpy()
    expected = mean / np.linalg.norm(mean, axis=1, keepdims=True)
    np.testing.assert_allclose(found["sentence"], expected, atol=1e-6)


@pytest.mark.parametrize("pooling", ["cls", "mean", "pooled"])
def test_sentences_of_each_pooling(folder, pooling):
    vector = SentenceVector(pooling, False, 24)
    found = text_model(folder, sentence_vector=vector).embed(tf.constant(TEXTS))
    np.testing.assert_allclose(found["sentence"], found[pooling], atol=1e-6)


def test_similarity_is_the_cosine(served, signatures):
    found = asked(signatures, "similarity", QUESTIONS["similarity"])
    sentences = served.embed(tf.constant(TEXTS))["sentence"].numpy()
    expected = (sentences * sentences[::-1]).sum(axis=1)
    np.testing.assert_allclose(found["similarity"], expected, atol=1e-6)
    assert found["similarity"][2] == pytest.approx(1, abs=1e-6)
    assert found["truncated"].tolist() == [True, False, False, False, True]


def test_features_are_those_of_extract_features(folder, signatures):
    """The same tokens, offsets and vectors as the verb gives, to 1e-6."""
    texts = [text for text in TEXTS if "[MASK]" not in text] + ["L'été, cats"]
    loaded = model_dir.load(folder)
    vectorizer = TextVectorizer(
        loaded.model.encoder,
        WholeTextEncoding(loaded.tokenizer, 24, in_windows=False),
        "tokens",
    )
    expected = list(
        vectorizer.vectorize(TextExample("", text, None, None) for text in texts)
    )
    found = asked(signatures, "features", {"texts": texts})
    for index, text in enumerate(expected):
        count = len(text.vectors)
        pieces = [piece.decode() for piece in found["tokens"][index]]
        assert pieces[:count] == text.tokens.pieces
        assert not any(pieces[count:]) and not found["vectors"][index, count:].any()
        for name in ("starts", "ends"):
            places = found[name][index]
            assert places[:count].tolist() == getattr(text.tokens, name).tolist()
            assert (places[count:] == -1).all()
        # Rows of other lengths: sums in another order.
        tolerance = 1e-6 * np.abs(text.vectors).max()
        np.testing.assert_allclose(
            found["vectors"][index, :count], text.vectors, rtol=0, atol=tolerance
        )
        assert found["truncated"][index] == text.truncated


def test_offsets_around_masks(signatures):
    text = "é the[MASK] cat[MASK][MASK] on 中"
    found = asked(signatures, "features", {"texts": [text]})
    encoded = text.encode()
    spans = [
        encoded[start:end].decode()
        for start, end in zip(found["starts"][0], found["ends"][0], strict=True)
        if start >= 0
    ]
    assert spans == ["é", "the", "[MASK]", "cat", "[MASK]", "[MASK]", "on", "中"]


def test_attention_by_hand(signatures, model):
    """softmax(QK'/sqrt(d)) over the tokens that are there, in NumPy."""
    texts, layers, heads = ["the cat sat", "the"], [2, 1], [1, 2]
    inputs = {"texts": texts, "layers": layers, "heads": heads}
    found = asked(signatures, "attention", inputs)
    encoder = model.encoder
    num_heads = encoder.config.num_attention_heads
    size = encoder.config.hidden_size // num_heads
    for index, (text, layer, head) in enumerate(zip(texts, layers, heads, strict=True)):
        row = row_by_hand(text)
        states = encoder(
            {
                "token_ids": tf.constant([row]),
                "padding_mask": tf.ones([1, len(row)], tf.bool),
            },
            return_hidden_states=True,
        )["hidden_states"]
        kernel, bias = encoder.blocks[layer - 1].attention.query_key_value.weights
        projected = states[layer - 1][0].numpy() @ kernel.numpy() + bias.numpy()
        query, key, _ = (
            part.reshape(len(row), num_heads, size)[:, head - 1]
            for part in np.split(projected, 3, axis=-1)
        )
        scores = np.exp(query @ key.T / np.sqrt(size))
        expected = scores / scores.sum(axis=1, keepdims=True)
        count = len(row)
        attention = found["attention"][index]
        np.testing.assert_allclose(attention[:count, :count], expected, atol=1e-6)
        assert not attention[count:].any() and not attention[:, count:].any()
        tokens = [VOCABULARY.tokens[token].encode() for token in row]
        assert found["tokens"][index].tolist()[:count] == tokens


@pytest.mark.parametrize(
    ("name", "number"), [("layers", 0), ("layers", 3), ("heads", 0), ("heads", 5)]
)
def test_an_attention_that_is_not_there(signatures, name, number):
    inputs = {"texts": ["the"], "layers": [1], "heads": [1], name: [number]}
    message = f"Expected {name} from 1 to"
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        asked(signatures, "attention", inputs)


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["bfloat16", "int8"])
def test_narrow_weights_guess_nearly_the_same(folder, precision):
    policy = {"bfloat16": "mixed_bfloat16", "int8": "float32"}[precision]
    loaded = model_dir.load(folder, dtype=policy)
    narrow = TextModel(loaded.model, loaded.tokenizer, top_k=20, precision=precision)
    exact = text_model(folder, top_k=20)
    for name in ("fill_mask", "embed"):
        found, expected = (
            asked(model.signatures(), name, QUESTIONS[name])
            for model in (narrow, exact)
        )
        output = "sentence" if name == "embed" else "probabilities"
        np.testing.assert_allclose(found[output], expected[output], atol=0.1)
        assert not np.array_equal(found[output], expected[output])


# --- Predict.


def predict_program(folder, *flags, texts=b""):
    command = [sys.executable, "-m", "bert_tf.predict", f"--model_dir={folder}"]
    return subprocess.run([*command, *flags], input=texts, capture_output=True)


@pytest.mark.long
@pytest.mark.slow
def test_predict_as_a_program(folder):
    texts = "\n".join([*TEXTS[:3], "the [MASK]\n"]).encode()
    run = predict_program(folder, "--batch_size=3", "--top_k=2", texts=texts)
    assert run.returncode == 0, run.stderr
    rows = [json.loads(line) for line in run.stdout.splitlines()]
    assert [len(row["tokens"]) for row in rows] == [1, 0, 2, 1]
    assert all(len(guesses) == 2 for row in rows for guesses in row["tokens"])
    assert [row["text"] for row in rows] == [*TEXTS[:3], "the [MASK]"]
    refused = predict_program(folder, texts=b"broken \xff utf-8 [MASK]\n")
    assert refused.returncode == 1
    assert b"error: Standard input, line 1: byte 8, b'\\xff'" in refused.stderr


def test_predict_equals_the_signatures(served):
    rows = list(answer_texts(served.signatures(), "embed", TEXTS, 2))
    expected = served.embed(tf.constant(TEXTS))
    for name in ("cls", "mean", "pooled"):
        np.testing.assert_allclose(
            [row[name] for row in rows], expected[name], atol=1e-5
        )


def test_predict_to_a_file_that_exists(folder, tmp_path):
    for name in ("in", "out.jsonl"):
        (tmp_path / name).write_text("the cat\n")
    options = predict.PredictOptions(
        model_dir=folder,
        input_file=str(tmp_path / "in"),
        output_file=str(tmp_path / "out.jsonl"),
    )
    with pytest.raises(FileExistsError, match=r"out\.jsonl exists already"):
        predict.main(options)
    assert (tmp_path / "out.jsonl").read_text() == "the cat\n"
    new = tmp_path / "new.jsonl"
    predict.main(
        predict.PredictOptions(
            model_dir=folder, input_file=str(tmp_path / "in"), output_file=str(new)
        )
    )
    assert json.loads(new.read_text())["text"] == "the cat"


def test_predict_of_an_empty_file(folder, tmp_path):
    (tmp_path / "in").touch()
    options = predict.PredictOptions(
        model_dir=folder,
        input_file=str(tmp_path / "in"),
        output_file=str(tmp_path / "out.jsonl"),
    )
    with pytest.raises(ValueError, match=r"in is empty\. Expected text"):
        predict.main(options)
    assert list(tmp_path.iterdir()) == [tmp_path / "in"]


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
    description = model_dir.Description("pretraining", head={"mlm_head": False})
    model = model_dir.make_model(small_config(pooler=False), description)
    model_dir.save(str(tmp_path), model, VOCABULARY, description, {})
    with pytest.raises(ValueError, match="Expected one of"):
        list(
            answer_texts(
                text_model(str(tmp_path)).signatures(), "fill_mask", ["the [MASK]"]
            )
        )
