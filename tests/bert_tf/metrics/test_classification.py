import math

import numpy as np
import pytest

from bert_tf.metrics.classification import (
    CalibrationBin,
    LabelScores,
    calibration,
    confusion_matrix,
    label_scores,
    prediction_scores,
)

LABELS = [1, 1, 1, 0, 0, 1]
PREDICTIONS = [1, 0, 1, 1, 0, 1]


def test_binary_by_hand():
    # 3 true positives, 1 false one, 1 missed, 1 true negative.
    values = prediction_scores(["accuracy", "f1", "matthews"], LABELS, PREDICTIONS)
    assert values == pytest.approx(
        {
            "accuracy": 4 / 6,
            "f1": 6 / 8,
            "matthews": (3 * 1 - 1 * 1) / math.sqrt(4 * 4 * 2 * 2),
        }
    )


def test_f1_of_several_classes_is_their_mean():
    labels, predictions = [0, 0, 1, 2], [0, 1, 1, 0]
    # F1 of the classes: 2/4, 2/3, 0.
    assert prediction_scores(["f1"], labels, predictions)["f1"] == pytest.approx(7 / 18)
    # That a third class exists, though it does not occur here.
    binary, macro = ([1, 1, 0], [1, 0, 0]), (2 / 3 + 2 / 3) / 2
    assert prediction_scores(["f1"], *binary, num_classes=3)["f1"] == pytest.approx(
        macro
    )


def test_nothing_right():
    values = prediction_scores(["accuracy", "f1", "matthews"], [0, 0, 0], [0, 0, 0])
    assert values == {"accuracy": 1.0, "f1": 0.0, "matthews": 0.0}


def test_correlations_by_hand():
    values = prediction_scores(["pearson", "spearman"], [1.0, 2, 3, 10], [1.0, 3, 2, 4])
    x, y = np.array([1.0, 2, 3, 10]) - 4, np.array([1.0, 3, 2, 4]) - 2.5
    pearson = (x * y).sum() / math.sqrt((x * x).sum() * (y * y).sum())
    # Ranks 1 2 3 4 and 1 3 2 4: 1 - 6 * 2 / (4 * 15).
    assert values == pytest.approx({"pearson": pearson, "spearman": 0.8})


@pytest.mark.parametrize("constant", [2.5, 0.1])
def test_correlation_with_a_constant_is_zero(constant):
    for pair in (([1.0, 2, 3], [constant] * 3), ([constant] * 3, [1.0, 2, 3])):
        assert prediction_scores(["pearson", "spearman"], *pair) == {
            "pearson": 0,
            "spearman": 0,
        }
    assert prediction_scores(["pearson"], [1.0], [1.0]) == {"pearson": 0}


def test_confusion_matrix():
    found = confusion_matrix([0, 0, 1, 2], [0, 1, 1, 0], num_classes=4)
    expected = [[1, 1, 0, 0], [0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0]]
    assert found.tolist() == expected
    assert confusion_matrix([0], [0]).tolist() == [[1, 0], [0, 0]]


def test_label_scores():
    found = label_scores([0, 0, 1, 2], [0, 1, 1, 0], ["a", "b", "c"])
    assert found == {
        "a": LabelScores(0.5, 0.5, 0.5, 2),
        "b": LabelScores(0.5, 1.0, pytest.approx(2 / 3), 1),
        "c": LabelScores(0.0, 0.0, 0.0, 1),
    }


def test_calibration_by_hand():
    probabilities = np.array([[0.9, 0.1], [0.25, 0.75], [0.3, 0.7], [0.0, 1.0]])
    assert calibration(probabilities, [0, 1, 0, 1], num_bins=4) == [
        CalibrationBin(0.5, 0.75, pytest.approx(0.725), 0.5, 2),
        CalibrationBin(0.75, 1.0, pytest.approx(0.95), 1.0, 2),
    ]


def test_calibration_of_honest_probabilities_has_little_error():
    rng = np.random.default_rng(0)
    positive = rng.random(20_000)
    labels = (rng.random(20_000) < positive).astype(int)
    bins = calibration(np.stack([1 - positive, positive], 1), labels)
    errors = [abs(part.accuracy - part.confidence) for part in bins]
    counts = [part.count for part in bins]
    assert np.average(errors, weights=counts) < 0.02
    assert sum(counts) == 20_000
    for part in bins:
        assert part.low < part.confidence <= part.high


@pytest.mark.parametrize(
    ("labels", "predictions", "num_classes", "message"),
    [
        ([0, 1], [0], None, r"shape \(2,\) and predictions of shape \(1,\)"),
        ([[0], [1]], [[0], [1]], None, r"shape \(2, 1\)"),
        ([], [], None, "no examples"),
        ([0, -1], [0, 1], None, r"labels such as \[-1, 0\]"),
        ([0, 1], [0.5, 1], None, r"predictions such as \[0.5, 1.0\]"),
        (["a", "b"], [0, 1], None, "labels such as"),
        ([0, 1], [0, 3], 2, "class id 3 with num_classes=2"),
    ],
)
def test_wrong_classes(labels, predictions, num_classes, message):
    for name in ("accuracy", "f1", "matthews"):
        with pytest.raises(ValueError, match=message):
            prediction_scores([name], labels, predictions, num_classes=num_classes)


def test_other_errors():
    with pytest.raises(ValueError, match=r"\['bleu'\]. Expected some of \['accuracy'"):
        prediction_scores(["accuracy", "bleu"], [0], [0])
    with pytest.raises(ValueError, match="1 of 2 predictions that are NaN"):
        prediction_scores(["pearson"], [0.0, 1.0], [0.0, math.nan])
    with pytest.raises(ValueError, match=r"shape \(2,\)"):
        calibration(np.array([0.2, 0.8]), [0, 1])
    with pytest.raises(ValueError, match="apply softmax"):
        calibration(np.array([[2.0, -1.0]]), [0])
    with pytest.raises(ValueError, match="num_bins=0"):
        calibration(np.array([[0.5, 0.5]]), [0], num_bins=0)
