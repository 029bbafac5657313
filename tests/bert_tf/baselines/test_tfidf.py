import dataclasses
import random

import numpy as np
import pytest

from bert_tf.baselines import tfidf
from bert_tf.metrics.classification import prediction_scores
from data_pipelines.datasets.catalog import DATASETS
from data_pipelines.datasets.examples import ChoiceExample, TextExample
from tests.shared import SHARED

GLUE = SHARED / "glue"


def lines(path):
    if not path.exists():
        pytest.skip(f"the data is not there: {path}")
    return path.read_text(encoding="utf-8-sig").rstrip("\n").split("\n")[1:]


def dataset(kind, **changes):
    name = {"classification": "glue/sst2", "regression": "glue/stsb"}.get(kind, "swag")
    return dataclasses.replace(DATASETS[name], **changes)


def text_examples(texts, labels):
    """Single texts or pairs, with class ids or scores."""
    parts = [(text, None) if isinstance(text, str) else text for text in texts]
    return [
        TextExample(str(number), *part, label)
        for number, (part, label) in enumerate(zip(parts, labels, strict=True))
    ]


def classify(train, labels, texts, num_classes=2, metric="accuracy"):
    """Class ids and probabilities, as arrays."""
    names = tuple(map(str, range(num_classes)))
    answers = tfidf.classify(
        dataset("classification", labels=names, metrics=(metric,)),
        text_examples(train, map(str, labels)),
        text_examples(texts, [None] * len(texts)),
    )
    predictions = np.array([int(answer.label) for answer in answers])
    return predictions, np.stack([answer.probabilities for answer in answers])


def texts(number, seed=0, good=("good", "fine"), bad=("bad", "poor"), gap=" "):
    rng = random.Random(seed)
    made, labels = [], []
    for _ in range(number):
        label = rng.randrange(2)
        word = rng.choice((bad, good)[label])
        others = rng.choices(["film", "plot", "it", "is", "."], k=4)
        made.append(gap.join([*others[:2], word, *others[2:]]))
        labels.append(label)
    return made, labels


def test_words_are_learnt():
    dev, labels = texts(50, seed=1)
    predictions, probabilities = classify(*texts(100), dev)
    assert predictions.tolist() == labels
    assert probabilities.shape == (50, 2)
    assert np.allclose(probabilities.sum(axis=1), 1)
    assert (probabilities.argmax(axis=1) == predictions).all()


# Chinese titles have some spaces, too.
@pytest.mark.parametrize("gap", ["店", "電 "])
def test_characters_are_learnt_where_words_have_no_spaces(gap):
    # Neither character alone tells the classes apart, only the two together.
    words = {"good": ("好不", "電影好不"), "bad": ("不好", "電不好影"), "gap": gap}
    train, labels = texts(100, **words)
    dev, dev_labels = texts(50, seed=1, **words)
    assert classify(train, labels, dev)[0].tolist() == dev_labels


def test_same_input_same_output():
    train, dev = texts(60), texts(20, seed=1)[0]
    _, first = classify(*train, dev)
    _, second = classify(*train, dev)
    assert (first == second).all()


def test_classes_that_are_not_in_training():
    predictions, probabilities = classify(
        ["good", "bad", "so"] * 4, [1, 3, 1] * 4, ["bad"], num_classes=5
    )
    assert predictions.tolist() == [3]
    assert probabilities.shape == (1, 5)
    assert probabilities[0, [0, 2, 4]].tolist() == [0, 0, 0]


def test_one_class_or_few_examples():
    assert classify(["a b", "c"], [1, 1], ["c"])[0].tolist() == [1]
    assert classify(["a b", "c d"], [1, 0], ["d"])[0].tolist() == [0]


def pairs(number, seed=0):
    """Pairs that share all words but one, or one alone, and how alike they are."""
    rng = random.Random(seed)
    made, labels = [], []
    for _ in range(number):
        words = rng.sample([f"w{i}" for i in range(200)], 8)
        label = rng.randrange(2)
        second = words[:4] if label else [words[0], *words[4:7]]
        made.append((" ".join(words[:4]), " ".join(rng.sample(second, 4))))
        labels.append(label)
    return made, labels


def test_pairs_are_compared():
    dev, labels = pairs(40, seed=1)
    predictions, _ = classify(*pairs(100), dev, metric="f1")
    assert np.mean(predictions == labels) > 0.95


def test_scores_of_pairs():
    train, labels = pairs(100)
    dev, dev_labels = pairs(40, seed=1)
    answers = tfidf.regress(
        dataset("regression"),
        text_examples(train, [5.0 * label for label in labels]),
        text_examples(dev, dev_labels),
    )
    found = [answer.score for answer in answers]
    assert prediction_scores(["pearson"], dev_labels, found)["pearson"] > 0.95


def choices(number, seed=0):
    rng = random.Random(seed)
    made = []
    for _ in range(number):
        words = rng.sample([f"w{i}" for i in range(100)], 12)
        options = [" ".join(words[i : i + 3]) for i in (3, 6, 9)]
        label = rng.randrange(3)
        options[label] = f"so {words[0]} {words[1]}"
        made.append(ChoiceExample("", " ".join(words[:3]), tuple(options), label))
    return made


def test_choices():
    dev = choices(20, seed=1)
    dev.append(ChoiceExample("", "w1 w2 w3", ("w5 w9", "so w2 w3"), 1))
    answers = tfidf.choose(dataset("multiple_choice"), choices(60), dev)
    assert [answer.choice for answer in answers] == [example.label for example in dev]
    probabilities = np.stack([answer.probabilities for answer in answers])
    assert probabilities.shape == (21, 3)
    assert probabilities[-1, 2] == 0
    assert np.allclose(probabilities.sum(axis=1), 1)


@pytest.mark.slow
def test_sst2():
    train, dev = (
        [line.split("\t", 1) for line in lines(GLUE / "SST-2" / f"{split}.tsv")]
        for split in ("train", "dev")
    )
    predictions, _ = classify(
        [text for _, text in train], [label for label, _ in train], [t for _, t in dev]
    )
    assert 0.80 < np.mean(predictions == [int(label) for label, _ in dev]) < 0.85


@pytest.mark.long
@pytest.mark.slow
def test_mrpc():
    train, test = (
        [
            line.split("\t")
            for line in lines(GLUE / "MRPC" / f"msr_paraphrase_{split}.txt")
        ]
        for split in ("train", "test")
    )
    labels = [int(row[0]) for row in test]
    predictions, _ = classify(
        [(row[3], row[4]) for row in train],
        [row[0] for row in train],
        [(row[3], row[4]) for row in test],
    )
    found = prediction_scores(["accuracy", "f1"], labels, predictions)
    assert np.mean(labels) < 0.67
    assert 0.73 < found["accuracy"] < 0.79
    assert 0.80 < found["f1"] < 0.85
