"""The accuracy on minimal pairs, computed by hand."""

import numpy as np

from bert_tf.metrics.minimal_pairs import minimal_pair_accuracy
from data_pipelines.datasets.minimal_pairs import MinimalPair


def pair(set_name, phenomenon, field):
    return MinimalPair("good", "bad", set_name, phenomenon, field)


def test_groups_and_ties():
    pairs = [
        pair("gender", "anaphora", "morphology"),
        pair("gender", "anaphora", "morphology"),
        pair("number", "anaphora", "morphology"),
        pair("islands", "islands", "syntax"),
    ]
    good, bad = np.array([-3.0, -5.0, -2.0, -1.0]), np.array([-4.0, -4.0, -2.0, -9.0])
    assert minimal_pair_accuracy(pairs, good, bad) == {
        "accuracy": 2.5 / 4,
        "field/morphology": 1.5 / 3,
        "field/syntax": 1.0,
        "phenomenon/anaphora": 1.5 / 3,
        "phenomenon/islands": 1.0,
        "set/gender": 0.5,
        "set/islands": 1.0,
        "set/number": 0.5,
    }
