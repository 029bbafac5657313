import numpy as np
import pytest

from bert_tf.metrics.correction import (
    best_edit_threshold,
    character_changes,
    correction_scores,
    f_beta,
    nearest,
    word_changes,
    words_of,
)
from data_pipelines.datasets import catalog
from data_pipelines.datasets.read_log import ReadLog
from tests.shared import SHARED, needs_shared


def replaced(text, *pairs):
    characters = list(text)
    for place, character in pairs:
        characters[place - 1] = character
    return "".join(characters)


def test_example_of_the_bake_off():
    # Tseng et al. 2015, section 4: five texts of which only the places matter.
    text = "一" * 50
    golds = [(), ((3, "健"), (4, "康")), ((8, "誤"), (41, "情")), (), ((11, "觀"),)]
    given = [
        ((5, "玩"),),
        ((3, "件"), (4, "康")),
        ((8, "誤"), (41, "情")),
        (),
        ((11, "觀"),),
    ]
    found = correction_scores(
        [text] * 5,
        [replaced(text, *pairs) for pairs in given],
        [[replaced(text, *pairs)] for pairs in golds],
    )
    expected = {
        "false_positive_rate": 1 / 2,
        "detection_accuracy": 4 / 5,
        "detection_precision": 3 / 4,
        "detection_recall": 3 / 3,
        "detection_f1": 6 / 7,
        "correction_accuracy": 3 / 5,
        "correction_precision": 2 / 4,
        "correction_recall": 2 / 3,
        "correction_f1": 4 / 7,
        # Five wrong characters, six changed ones.
        "character_detection_precision": 5 / 6,
        "character_detection_recall": 5 / 5,
        "character_correction_precision": 4 / 6,
        "character_correction_recall": 4 / 5,
    }
    assert {name: found[name] for name in expected} == pytest.approx(expected)


def test_edits_of_words():
    texts = ["He go to to school", "Fine .", "a cat sat mat"]
    golds = [["He goes to school"], ["Fine ."], ["a cat sat on the mat"]]
    given = ["He goes to to school", "Fine !", "a cat sat on a mat"]
    found = correction_scores(texts, given, golds)
    # Right: goes, on. Wrong: !, a. Missed: a lost `to`, `the`.
    assert found["edit_precision"] == pytest.approx(2 / 4)
    assert found["edit_recall"] == pytest.approx(2 / 4)
    assert found["edit_f05"] == pytest.approx(0.5)
    assert found["false_positive_rate"] == 1
    assert found["correction_accuracy"] == found["correction_f1"] == 0


def test_changes():
    assert words_of("Don't, 中国 x1!") == ["Don", "'", "t", ",", "中", "国", "x1", "!"]
    assert word_changes("a b c", "a x  c d") == {(1, 0, "x"), (3, 1, "d")}
    assert word_changes("a b", "b") == {(0, 0, None)}
    assert word_changes("a", "a b b") == {(1, 1, "b"), (1, 2, "b")}
    # Where lengths are equal, places are compared; else there are insertions.
    assert character_changes("abcd", "bcda") == {
        *((0, 0, "b"), (1, 0, "c"), (2, 0, "d"), (3, 0, "a"))
    }
    assert character_changes("abc", "axbc") == {(1, 1, "x")}


def test_the_nearest_of_several_corrections():
    text = "a b c"
    golds = ["x b c", "x y c", "a b c"]
    assert nearest(text, "x y z", golds) == "x y c"
    assert nearest(text, "x b c", golds) == "x b c"
    assert nearest(text, "a b z", golds) == "a b c"
    assert correction_scores([text], ["x b c"], [golds])["edit_f05"] == 1


def test_nothing_to_find_and_nothing_found():
    found = correction_scores(["a"], ["a"], [["a"]])
    assert found["detection_accuracy"] == found["correction_accuracy"] == 1
    others = set(found) - {"detection_accuracy", "correction_accuracy"}
    assert {found[name] for name in others} == {0}


def test_f_beta():
    # Precision 1/2, recall 1/4.
    assert f_beta(1, 2, 4, beta=1.0) == pytest.approx(1 / 3)
    assert f_beta(1, 2, 4, beta=0.5) == pytest.approx(1.25 / (0.25 * 4 + 2))
    assert f_beta(0, 0, 0, beta=1.0) == 0


def test_best_threshold_equals_trying_all():
    generator = np.random.default_rng(0)
    for _ in range(50):
        count = int(generator.integers(0, 12))
        probabilities = generator.choice([0.2, 0.4, 0.5, 0.7, 0.9], count)
        sizes = generator.integers(1, 3, count)
        right = np.minimum(sizes, generator.integers(0, 3, count))
        num_gold = int(right.sum() + generator.integers(0, 5))

        def score(threshold, p=probabilities, r=right, s=sizes, gold=num_gold):
            kept = p >= threshold
            return f_beta(r[kept].sum(), s[kept].sum(), gold, 0.5)

        found = best_edit_threshold(
            probabilities.tolist(), right.tolist(), sizes.tolist(), num_gold
        )
        every = [0.0, 0.3, 0.45, 0.6, 0.8, 1.01]
        assert score(found) == max(map(score, every))
    assert best_edit_threshold([0.9], [0], [1], 3) > 1


@needs_shared
def test_gold_and_no_change_on_real_data():
    log = ReadLog("test")
    examples = list(catalog.read(catalog.find("sighan15"), "test", str(SHARED), log))
    texts = [example.text for example in examples]
    golds = [example.corrected for example in examples]
    best = correction_scores(texts, [gold[0] for gold in golds], golds)
    assert best["correction_f1"] == best["character_correction_f1"] == 1
    assert best["false_positive_rate"] == 0 and best["edit_f05"] == 1
    none = correction_scores(texts, texts, golds)
    assert none["correction_accuracy"] == pytest.approx(558 / 1100)
    assert none["correction_f1"] == none["false_positive_rate"] == 0
