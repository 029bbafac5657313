import numpy as np
import pytest
import tensorflow as tf

from bert_tf.api.inputs import Inputs, read_inputs


class Column:
    """A column of pandas, of which only `to_numpy` is used."""

    def __init__(self, values):
        self.values = values

    def to_numpy(self):
        return np.array(self.values, object)

    def __len__(self):
        return len(self.values)

    def __iter__(self):
        return iter(self.values)


TEXTS = ["a b", "ç"]
PAIRS = [("a", "b"), ("c", "d")]


@pytest.mark.parametrize(
    ("given", "paired", "expected"),
    [
        (TEXTS, False, TEXTS),
        (tuple(TEXTS), False, TEXTS),
        ([text.encode() for text in TEXTS], False, TEXTS),
        (np.array(TEXTS), False, TEXTS),
        (np.array(TEXTS, object), False, TEXTS),
        (tf.constant(TEXTS), False, TEXTS),
        (Column(TEXTS), False, TEXTS),
        ((text for text in TEXTS), False, TEXTS),
        (PAIRS, True, PAIRS),
        ((["a", "c"], ["b", "d"]), True, PAIRS),
        ((Column(["a", "c"]), Column(["b", "d"])), True, PAIRS),
        ((np.array(["a", "c"]), np.array(["b", "d"])), True, PAIRS),
        (np.array(PAIRS), True, [["a", "b"], ["c", "d"]]),
        # A tuple of two texts is two texts, and one of two pairs two pairs.
        (("a", "b"), True, ["a", "b"]),
        ((("a", "b"), ("c", "d")), False, [("a", "b"), ("c", "d")]),
        # Pairs in a tuple are pairs, not columns.
        ((("a", "b"), ("c", "d")), True, PAIRS),
        ([], False, []),
    ],
)
def test_sequences(given, paired, expected):
    assert read_inputs(given, paired=paired).x == expected


def test_targets_and_weights():
    found = read_inputs(TEXTS, np.array([1, 0]), Column([np.float32(0.5), 2]))
    assert found == Inputs(TEXTS, [1, 0], [0.5, 2])
    assert [type(value) for value in found.y] == [int, int]
    first, last = found.split(0.5)
    assert first == Inputs(TEXTS[:1], [1], [0.5])
    assert last == Inputs(TEXTS[1:], [0], [2])


def of(*columns):
    return tf.data.Dataset.from_tensor_slices(columns)


ALONE = Inputs(TEXTS, None, None)
WEIGHTED = Inputs(TEXTS, ["x", "y"], [1, 2])
WORDS = tf.ragged.constant([["a", "b"], ["c"]])
TAGS = tf.ragged.constant([["O", "B"], ["O"]])
TAGGED = Inputs([["a", "b"], ["c"]], [["O", "B"], ["O"]], None)


@pytest.mark.parametrize(
    ("dataset", "rank", "expected"),
    [
        (of(TEXTS, [1, 0]), 0, Inputs(TEXTS, [1, 0], None)),
        (of(TEXTS, [1, 0]).batch(2), 0, Inputs(TEXTS, [1, 0], None)),
        (of(TEXTS, ["x", "y"], [1.0, 2.0]).batch(1), 0, WEIGHTED),
        (tf.data.Dataset.from_tensor_slices(TEXTS), 0, ALONE),
        (tf.data.Dataset.from_tensor_slices(TEXTS).batch(3), 0, ALONE),
        (of((["a", "c"], ["b", "d"]), [1, 0]).batch(2), 0, Inputs(PAIRS, [1, 0], None)),
        (
            of({"one": ["a", "c"], "two": ["b", "d"]}, [1, 0]),
            0,
            Inputs(PAIRS, [1, 0], None),
        ),
        (of(WORDS, TAGS), 1, TAGGED),
        (of(WORDS, TAGS).batch(2), 1, TAGGED),
    ],
)
def test_datasets(dataset, rank, expected):
    assert read_inputs(dataset, rank=rank) == expected


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("a text",), r"Received the text 'a text' for x\. Expected a list, such as"),
        ((tf.constant("a text"),), "Received the text 'a text'"),
        ((np.array("a text"),), "Received the text 'a text'"),
        ((3,), "Received int for x"),
        (({"a": 1},), "Received dict for x"),
        ((TEXTS, "ab"), "Received the text 'ab' for y"),
        ((TEXTS, [1]), "Received 2 inputs and 1 targets"),
        ((TEXTS, [1, 0], [1.0]), "Received 2 inputs and 1 weights"),
        ((TEXTS, [1, 0], [1.0, -1]), r"Received the weight -1 for input 1"),
        ((TEXTS, [1, 0], [1.0, np.nan]), "Received the weight nan for input 1"),
        ((of(TEXTS, [1, 0]), [1, 0]), "targets or weights beside it"),
        ((of(TEXTS, [1, 0]).repeat(),), "a dataset without end"),
    ],
)
def test_errors(arguments, message):
    with pytest.raises(ValueError, match=message):
        read_inputs(*arguments)


@pytest.mark.parametrize("share", [0.2, 1.0, -1])
def test_a_split_leaves_some_on_both_sides(share):
    with pytest.raises(ValueError, match="Expected a share between 0 and 1"):
        read_inputs(TEXTS, [1, 0]).split(share)
