import math

import numpy as np
import pytest
import tensorflow as tf

from data_pipelines.datasets.examples import TextExample
from data_pipelines.finetuning.classification import ClassificationEncoding
from tests.data_pipelines.finetuning.texts import TOKENIZER, values, written

LABELS = ("no", "yes")


def encode(*texts, max_length=8, stride=None, labels=LABELS, label=None):
    """Sequences as text, and the rest as lists, of single texts or pairs."""
    encoding = ClassificationEncoding(TOKENIZER, max_length, labels, stride)
    pairs = [text if isinstance(text, tuple) else (text, None) for text in texts]
    examples = [TextExample(str(i), *pair, label) for i, pair in enumerate(pairs)]
    features, origin = encoding.encode(encoding.columns(examples))
    assert features["token_ids"].dtype == tf.int32
    return written(features["token_ids"]), {**values(features), **values(origin)}


def test_single_texts():
    sequences, rest = encode("A b", "", "c", label="yes")
    assert sequences == ["CLS a b SEP", "CLS SEP", "CLS c SEP"]
    assert rest["second_starts"] == [4, 2, 3]
    assert rest["label"] == [1, 1, 1]
    assert rest["example"] == [0, 1, 2]
    assert rest["truncated"] == [False] * 3


def test_pairs():
    sequences, rest = encode(("a b", "c"), ("d", ""), ("", "e"))
    assert sequences == ["CLS a b SEP c SEP", "CLS d SEP SEP", "CLS SEP e SEP"]
    assert rest["second_starts"] == [4, 3, 2]
    assert rest["label"] == [-1] * 3


def test_single_texts_among_pairs_are_refused():
    with pytest.raises(ValueError, match="pairs of texts, but a single text in exam"):
        encode(("a b", "c"), ("d", None))


def test_long_texts_are_cut_off():
    sequences, rest = encode("a b c d e f", "a b c d e f g")
    assert sequences == ["CLS a b c d e f SEP"] * 2
    assert rest["truncated"] == [False, True]


def test_the_longer_of_a_pair_is_cut():
    sequences, rest = encode(
        ("a b c d e f", "x"), ("a", "u v w x y z"), ("a b c d", "w x y z"), ("a b", "x")
    )
    assert sequences == [
        "CLS a b c d SEP x SEP",
        "CLS a SEP u v w x SEP",
        "CLS a b c SEP w x SEP",
        "CLS a b SEP x SEP",
    ]
    assert rest["truncated"] == [True, True, True, False]
    assert rest["second_starts"] == [6, 3, 5, 4]


def test_windows_of_single_texts():
    sequences, rest = encode("a b c d e f g h", "x", "", max_length=6, stride=3)
    assert sequences == [
        "CLS a b c d SEP",
        "CLS d e f g SEP",
        "CLS g h SEP",
        "CLS x SEP",
        "CLS SEP",
    ]
    assert rest["example"] == [0, 0, 0, 1, 2]
    assert rest["truncated"] == [False] * 5
    assert rest["second_starts"] == [6, 6, 4, 3, 2]


def test_windows_of_pairs():
    sequences, rest = encode(
        ("a b c d e", "u v w x y z"), ("a", "u v"), max_length=9, stride=2, label="no"
    )
    assert sequences == [
        "CLS a b c SEP u v w SEP",
        "CLS a b c SEP w x y SEP",
        "CLS a b c SEP y z SEP",
        "CLS a SEP u v SEP",
    ]
    assert rest["example"] == [0, 0, 0, 1]
    assert rest["label"] == [0] * 4


@pytest.mark.parametrize("stride", [1, 4, 5, 6, 7])
def test_no_token_of_a_second_text_is_in_no_window(stride):
    # With a long first text, half of the room is less than the largest strides.
    letters = "a b c d e f g h i j k l m n o p"
    sequences, _ = encode((letters, letters), max_length=10, stride=stride)
    assert all(len(sequence.split()) <= 10 for sequence in sequences)
    seconds = [sequence.split(" SEP")[1].split() for sequence in sequences]
    assert {letter for second in seconds for letter in second} == set(letters.split())


@pytest.mark.parametrize("stride", [0, 6])
def test_windows_with_gaps_are_refused(stride):
    with pytest.raises(ValueError, match=f"stride={stride} .* between 1 and 5"):
        ClassificationEncoding(TOKENIZER, 8, LABELS, stride)


def test_scores():
    _, rest = encode("a", labels=None, label=2.5)
    assert rest["label"] == [2.5]
    _, rest = encode("a", labels=None)
    assert math.isnan(rest["label"][0])


def test_labels_that_are_not_known():
    with pytest.raises(ValueError, match=r"label 'maybe' \(example 0\).*'no', 'yes'"):
        encode("a", label="maybe")


def test_columns_without_labels():
    encoding = ClassificationEncoding(TOKENIZER, 8, LABELS)
    features, _ = encoding.encode({"first": tf.constant(["a"])})
    assert set(features) == {"token_ids", "second_starts"}


def test_random_windows_have_every_token():
    generator = np.random.default_rng(0)
    for _ in range(20):
        count, max_length = generator.integers(0, 30), generator.integers(6, 16)
        stride = int(generator.integers(1, max_length - 2))
        text = " ".join(generator.choice(list("abcdefgh"), count))
        sequences, rest = encode(text, max_length=int(max_length), stride=stride)
        starts = stride * np.arange(len(sequences))
        for start, sequence in zip(starts, sequences, strict=True):
            window = text.split()[start : start + max_length - 2]
            assert sequence == " ".join(["CLS", *window, "SEP"])
        assert set(rest["example"]) == {0}
