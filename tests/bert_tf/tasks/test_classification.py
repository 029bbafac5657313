import keras
import numpy as np
import pytest
import tensorflow as tf

from bert_tf.checkpoints import model_dir
from bert_tf.checkpoints.description import Description
from bert_tf.layers.text_comparison import compare_texts
from bert_tf.optim.optimizers import AdamW
from bert_tf.tasks.classification import (
    BertClassifier,
    ClassificationObjective,
    RegressionObjective,
    class_tensors,
    decode_classes,
    decode_scores,
    score_tensors,
)
from bert_tf.tasks.token_tagging import TokenTaggingObjective, decode_tags
from data_pipelines.datasets.examples import TextExample
from data_pipelines.finetuning.batches import (
    as_fit_inputs,
    training_batches,
)
from data_pipelines.finetuning.classification import ClassificationEncoding
from data_pipelines.finetuning.encoding import encode_all
from data_pipelines.tokenizers.wordpiece import WordPieceTokenizer
from tests.bert_tf.checkpoints.models import checkpoint_of
from tests.bert_tf.small_models import VOCABULARY, random_batch, small_config
from tests.reference.bert import cross_entropy
from tests.seeds import set_seed

LOGITS = np.random.default_rng(0).normal(size=(5, 3)).astype("float32")
LABELS = np.array([0, 2, 1, 2, 0], np.int32)
LOSSES = cross_entropy(LOGITS, LABELS)
RIGHT = LOGITS.argmax(-1) == LABELS


def means(objective, outputs, batch):
    sums, weights = objective.sums(outputs, batch), objective.weights(batch)
    assert sums.keys() == weights.keys()
    assert all(
        value.dtype == tf.float32 for value in (*sums.values(), *weights.values())
    )
    return {name: float(sums[name] / weights[name]) for name in sums}


@pytest.mark.parametrize("weights", [None, [0.5, 1.0, 3.0, 0.0, 2.0]])
def test_classes(weights):
    batch = {"label": LABELS}
    if weights is not None:
        batch["weight"] = np.array(weights, "float32")
    found = means(ClassificationObjective(), LOGITS, batch)
    weights = np.ones(5) if weights is None else np.array(weights)
    expected = (LOSSES * weights).sum() / weights.sum()
    assert found["loss_per_example"] == pytest.approx(expected, rel=1e-5)
    assert found["accuracy"] == pytest.approx(RIGHT.mean())


def test_scores():
    labels = np.array([1.0, 0, 2, 5, -1], "float32")
    found = means(RegressionObjective(), LOGITS[:, :1], {"label": labels})
    expected = ((LOGITS[:, 0] - labels) ** 2).mean()
    assert found == {"squared_error": pytest.approx(expected, rel=1e-5)}


def test_choices():
    batch = {"label": np.repeat(LABELS, 3)}
    found = means(ClassificationObjective(group_size=3), LOGITS, batch)
    assert found["loss_per_example"] == pytest.approx(LOSSES.mean(), rel=1e-5)
    assert found["accuracy"] == pytest.approx(RIGHT.mean())


def test_tags():
    # Words that are none, and words whose tag is not known, do not count.
    logits = np.stack([LOGITS, LOGITS[::-1]])
    tags = np.stack([LABELS, LABELS[::-1]])
    tags[0, 3:] = tags[1, 1:] = -1
    found = means(TokenTaggingObjective(), logits, {"tags": tags})
    expected = np.append(LOSSES[:3], LOSSES[-1]).mean()
    assert found["loss_per_word"] == pytest.approx(expected, rel=1e-5)
    expected = np.append(RIGHT[:3], RIGHT[-1]).mean()
    assert found["accuracy"] == pytest.approx(expected, rel=1e-5)


def test_decoding():
    probabilities = decode_classes(LOGITS, {})["probabilities"]
    np.testing.assert_allclose(
        probabilities, np.exp(-cross_entropy_of_all(LOGITS)), 1e-5
    )
    np.testing.assert_array_equal(decode_scores(LOGITS, {})["score"], LOGITS[:, 0])
    positions = tf.range(len(LOGITS))[None]
    decoded = decode_tags(LOGITS[None], {"word_positions": positions})
    np.testing.assert_array_equal(decoded["tags"][0], LOGITS.argmax(-1))
    np.testing.assert_allclose(
        decoded["probabilities"][0], np.asarray(probabilities).max(-1), rtol=1e-6
    )


@pytest.mark.parametrize("pooler", [True, False])
def test_logits_of_compared_texts(pooler):
    """They are those of the head, plus a product with the compared texts."""
    set_seed(0)
    config = small_config(pooler=pooler)
    model = BertClassifier(config, num_outputs=3, compares_texts=True)
    inputs = {
        name: random_batch()[name]
        for name in ("token_ids", "segment_ids", "padding_mask")
    }
    logits = model(inputs)
    states = model.encoder(inputs, return_hidden_states=True)["hidden_states"]
    features = compare_texts([states[0], states[-1]], inputs)
    assert np.abs(features).max() > 1
    kernel = model.comparison.kernel
    rest = logits - tf.matmul(features, kernel)
    kernel.assign(tf.zeros_like(kernel))
    np.testing.assert_allclose(model(inputs), rest, rtol=1e-5, atol=1e-5)

    copy = BertClassifier.from_config(model.get_config())
    copy.set_weights(model.get_weights())
    np.testing.assert_allclose(copy(inputs), rest, rtol=1e-5, atol=1e-5)


def cross_entropy_of_all(logits):
    labels = [np.full(len(logits), index) for index in range(logits.shape[1])]
    return np.stack([cross_entropy(logits, label) for label in labels], axis=1)


@pytest.mark.slow
def test_learns_with_compile_and_fit_on_packed_rows():
    """Whether a text has the word cat."""
    generator = np.random.default_rng(0)
    words = ["the", "cat", "dog", "sat", "on", "mat", "a"]
    texts = [
        " ".join(generator.choice(words, generator.integers(1, 9))) for _ in range(200)
    ]
    encoding = ClassificationEncoding(WordPieceTokenizer(VOCABULARY), 12, ("no", "yes"))
    features = encode_all(
        encoding,
        [
            TextExample("", t, None, "yes" if "cat" in t.split() else "no")
            for t in texts
        ],
    )
    batches = training_batches(
        features, VOCABULARY, batch_size=16, row_length=12, seed=0
    ).take(120)
    set_seed(0)
    model = BertClassifier(small_config(num_hidden_layers=1), num_outputs=2)
    model.compile(
        AdamW(1e-2, bias_correction=True),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        jit_compile=False,
    )
    history = model.fit(batches.map(as_fit_inputs), verbose=0, shuffle=False)
    assert history.history["accuracy"][0] > 0.8
    found = model.evaluate(batches.map(as_fit_inputs).take(20), verbose=0)
    assert found[1] > 0.97


def test_means_over_the_windows_of_each_text():
    values = np.array([[1.0, 0], [3, 2], [5, 5], [0, 1], [0, 2], [0, 6]])
    origin = {"example": tf.constant([0, 0, 1, 2, 2, 2]), "truncated": [False] * 6}
    encoding = ClassificationEncoding(WordPieceTokenizer(VOCABULARY), 12, ("no", "yes"))
    found = class_tensors({"probabilities": tf.constant(values)}, origin, encoding)
    np.testing.assert_allclose(found["probabilities"], [[2, 1], [5, 5], [0, 3]])
    np.testing.assert_allclose(found["probability"], [2, 5, 3])
    assert found["label"].numpy().tolist() == [b"no", b"no", b"yes"]
    origin["example"] = tf.range(6)
    found = score_tensors({"score": tf.constant(values[:, 0])}, origin, encoding)
    np.testing.assert_array_equal(found["score"], values[:, 0])


def test_scores_go_through_the_activation(tmp_path):
    description = Description(
        "regression",
        head={"num_outputs": 1, "output_activation": "sigmoid"},
        encoding={"max_length": 12, "stride": None},
    )
    checkpoint_of(description, tmp_path / "ours")
    model = model_dir.load(str(tmp_path / "ours")).model
    inputs = {
        "token_ids": tf.constant([[2, 5, 6, 3], [2, 7, 3, 0]]),
        "padding_mask": tf.constant([[True] * 4, [True] * 3 + [False]]),
    }
    scores = model(inputs)
    model.output_activation = None
    np.testing.assert_allclose(scores, tf.sigmoid(model(inputs)), atol=1e-6)
    assert float(tf.reduce_max(tf.abs(model(inputs)))) > 0
