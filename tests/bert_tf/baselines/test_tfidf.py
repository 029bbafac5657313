import random

import numpy as np
import pytest

from bert_tf.baselines.tfidf import (
    frequent_replacements,
    frequent_tags,
    majority,
    mean_score,
    tfidf_choice,
    tfidf_linear,
)
from bert_tf.metrics.classification import prediction_scores
from tests.shared import SHARED

GLUE = SHARED / "glue"


def lines(path):
    if not path.exists():
        pytest.skip(f"the data is not there: {path}")
    return path.read_text(encoding="utf-8-sig").rstrip("\n").split("\n")[1:]


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


def test_majority():
    guesses = majority([2, 0, 2, 1], num_examples=2, num_classes=4)
    assert guesses.predictions.tolist() == [2, 2]
    assert guesses.probabilities.tolist() == [[0.25, 0.25, 0.5, 0]] * 2


def test_mean_score():
    guesses = mean_score([1.0, 2.0, 6.0], num_examples=2)
    assert guesses.predictions.tolist() == [3.0, 3.0]
    assert guesses.probabilities is None


def test_frequent_replacements():
    pairs = [
        ("Teh cat, teh dog", "The cat, the dog"),
        ("teh end", "the end"),
        # As often right as wrong: it stays.
        ("its fine", "it is fine"),
        ("its end", "its end"),
        ("of of it", "of it"),
    ]
    texts = ["teh end of  teh", "its (teh)", "Teh of"]
    expected = ["the end of  the", "its (the)", "The of"]
    assert frequent_replacements(pairs, texts) == expected
    assert frequent_replacements([("措折", "挫折")], ["不怕措折"]) == ["不怕挫折"]
    assert frequent_replacements([], ["a"]) == ["a"]


def test_words_are_learnt():
    dev, labels = texts(50, seed=1)
    guesses = tfidf_linear(*texts(100), dev)
    assert prediction_scores(["accuracy"], labels, guesses.predictions) == {
        "accuracy": 1.0
    }
    assert guesses.probabilities.shape == (50, 2)
    assert np.allclose(guesses.probabilities.sum(axis=1), 1)
    assert (guesses.probabilities.argmax(axis=1) == guesses.predictions).all()


# Chinese titles have some spaces, too.
@pytest.mark.parametrize("gap", ["店", "電 "])
def test_characters_are_learnt_where_words_have_no_spaces(gap):
    # Neither character alone tells the classes apart, only the two together.
    words = {"good": ("好不", "電影好不"), "bad": ("不好", "電不好影"), "gap": gap}
    train, labels = texts(100, **words)
    dev, dev_labels = texts(50, seed=1, **words)
    guesses = tfidf_linear(train, labels, dev)
    assert (
        prediction_scores(["accuracy"], dev_labels, guesses.predictions)["accuracy"]
        == 1
    )


def test_same_input_same_output():
    train, dev = texts(60), texts(20, seed=1)[0]
    first, second = tfidf_linear(*train, dev), tfidf_linear(*train, dev)
    assert (first.probabilities == second.probabilities).all()


def test_classes_that_are_not_in_training():
    guesses = tfidf_linear(
        ["good", "bad", "so"] * 4, [1, 3, 1] * 4, ["bad"], num_classes=5
    )
    assert guesses.predictions.tolist() == [3]
    assert guesses.probabilities.shape == (1, 5)
    assert guesses.probabilities[0, [0, 2, 4]].tolist() == [0, 0, 0]


def test_one_class_or_few_examples():
    assert tfidf_linear(["a b", "c"], [1, 1], ["c"]).predictions.tolist() == [1]
    assert tfidf_linear(["a b", "c d"], [1, 0], ["d"]).predictions.tolist() == [0]


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
    guesses = tfidf_linear(*pairs(100), dev, metric="f1")
    assert (
        prediction_scores(["accuracy"], labels, guesses.predictions)["accuracy"] > 0.95
    )


def test_scores_of_pairs():
    train, labels = pairs(100)
    dev, dev_labels = pairs(40, seed=1)
    numbers = [5.0 * label for label in labels]
    guesses = tfidf_linear(train, numbers, dev, regression=True)
    assert guesses.probabilities is None
    assert guesses.predictions.dtype == np.float64
    assert (
        prediction_scores(["pearson"], dev_labels, guesses.predictions)["pearson"]
        > 0.95
    )


def choices(number, seed=0):
    rng = random.Random(seed)
    made, labels = [], []
    for _ in range(number):
        words = rng.sample([f"w{i}" for i in range(100)], 12)
        options = [" ".join(words[i : i + 3]) for i in (3, 6, 9)]
        label = rng.randrange(3)
        options[label] = f"so {words[0]} {words[1]}"
        made.append((" ".join(words[:3]), options))
        labels.append(label)
    return made, labels


def test_choices():
    dev, labels = choices(20, seed=1)
    dev.append(("w1 w2 w3", ("w5 w9", "so w2 w3")))
    guesses = tfidf_choice(*choices(60), dev)
    assert guesses.predictions.tolist() == [*labels, 1]
    assert guesses.probabilities.shape == (21, 3)
    assert guesses.probabilities[-1, 2] == 0
    assert np.allclose(guesses.probabilities.sum(axis=1), 1)


def test_tags():
    words = [["Rome", "is", "old"], ["Rome", "is"], ["Rome"]]
    tags = [["B-LOC", "O", "O"], ["B-LOC", "O"], ["B-ORG"]]
    found = frequent_tags(words, tags, [["Rome", "was", "old"], []])
    assert found == [["B-LOC", "O", "O"], []]
    # Equally frequent: by the alphabet, whatever comes first.
    assert frequent_tags([["a", "a"]], [["Y", "X"]], [["a", "b"]]) == [["X", "X"]]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: majority([], 1), r"Received the training labels \[\]"),
        (lambda: majority([-1, 0], 1), "leave out examples without a label"),
        (lambda: majority(["a"], 1), r"training labels \['a'\]"),
        (lambda: majority([0, 2], 1, num_classes=2), "class id 2 with num_classes=2"),
        (lambda: mean_score([float("nan")], 1), r"training scores \[nan\]"),
        (lambda: tfidf_linear(["a"], [0], ["b"], metric="pearson"), "metric='pearson'"),
        (lambda: tfidf_linear(["a"], [0, 1], ["b"]), "1 texts and labels for 2"),
        (lambda: tfidf_linear(["a"], [0], []), "nothing to guess"),
        (lambda: tfidf_linear(["a"], [0], [("a", "b")]), r"texts with \[1, 2\] parts"),
        (lambda: tfidf_choice([("a", ["b"])], [0], []), "nothing to guess"),
        (lambda: tfidf_choice([("a", [])], [0], [("a", ["b"])]), "has no choices"),
        (
            lambda: tfidf_choice([("a", ["b"])], [1], [("a", ["b"])]),
            "label 1 for 1 choices",
        ),
        (
            lambda: tfidf_choice([("a", ["b"])], [0], [("a", ["b"])]),
            "one choice each",
        ),
        (lambda: frequent_tags([], [], [["a"]]), "no words"),
        (lambda: frequent_tags([["a"]], [[]], []), "1 words and labels for 0"),
    ],
)
def test_errors(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.slow
def test_sst2():
    train, dev = (
        [line.split("\t", 1) for line in lines(GLUE / "SST-2" / f"{split}.tsv")]
        for split in ("train", "dev")
    )
    guesses = tfidf_linear(
        [text for _, text in train], [int(y) for y, _ in train], [t for _, t in dev]
    )
    found = prediction_scores(
        ["accuracy"], [int(label) for label, _ in dev], guesses.predictions
    )
    assert 0.80 < found["accuracy"] < 0.85


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
    guesses = tfidf_linear(
        [(row[3], row[4]) for row in train],
        [int(row[0]) for row in train],
        [(row[3], row[4]) for row in test],
    )
    found = prediction_scores(["accuracy", "f1"], labels, guesses.predictions)
    trivial = majority([int(row[0]) for row in train], len(test))
    assert (
        prediction_scores(["accuracy"], labels, trivial.predictions)["accuracy"] < 0.67
    )
    assert 0.73 < found["accuracy"] < 0.79
    assert 0.80 < found["f1"] < 0.85
