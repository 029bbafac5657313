"""Report values for classification: classes, calibration, the hardest examples."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from bert_tf.metrics import classification
from bert_tf.metrics.classification import confusion_matrix, label_scores
from bert_tf.report.evaluation import Evaluation
from bert_tf.report.excerpts import hardest
from bert_tf.report.plots import calibration_figure, confusion_figure, names_for_picture

# With more classes, the picture is illegible.
_MAX_SHOWN = 50
_MAX_PAIRS = 12


def values(evaluation: Evaluation) -> dict[str, Any]:
    """The values that `classification.html` shows."""
    names = tuple(evaluation.labels or ())
    ids = {label: place for place, label in enumerate(names)}
    examples, answers = evaluation.examples, evaluation.answers
    gold = np.array([ids[str(example.label)] for example in examples])
    given = np.array([ids[answer.label] for answer in answers])
    probabilities = np.array([answer.probabilities for answer in answers], np.float64)
    right = gold == given
    confidences = probabilities[np.arange(len(gold)), given]
    return {
        "scores": label_scores(gold, given, names),
        "confusion": confusion(confusion_matrix(gold, given, len(names)), names),
        "calibration": calibration(probabilities, gold.tolist()),
        "num_wrong": int(np.sum(~right)),
        "num_examples": len(gold),
        "hardest": [
            {
                "example": examples[place],
                "is_right": bool(right[place]),
                "classes": [
                    (names[id_], probabilities[place, id_])
                    for id_ in (gold[place], given[place])
                ],
            }
            for place in hardest(right, confidences)
        ],
    }


def confusion(
    counts: np.ndarray, names: tuple[str, ...], most: int = _MAX_SHOWN
) -> dict[str, Any]:
    """The values that `confusion.html` shows: a picture, and the most frequent pairs.

    Args:
        counts: int (classes, classes), row = label, column = prediction.
        names: the names of the classes.
        most: the maximum number of classes shown, those that are confused most.
    """
    wrong = counts * ~np.eye(len(names), dtype=bool)
    order = np.argsort(-(wrong.sum(axis=0) + wrong.sum(axis=1)), kind="stable")
    shown = np.sort(order[:most])
    chosen = [names[place] for place in shown]
    short = names_for_picture(chosen)
    both = list(zip(short, chosen, strict=True))
    has_numbers = any(name.isdigit() and name != own for name, own in both)
    pairs = []
    for place in np.argsort(-wrong, axis=None, kind="stable")[:_MAX_PAIRS]:
        label, prediction = divmod(int(place), len(names))
        count = int(wrong[label, prediction])
        if count:
            share = count / counts[label].sum()
            pairs.append((names[label], names[prediction], count, share))
    return {
        "num_shown": len(shown),
        "num_classes": len(names),
        "legend": both if has_numbers else (),
        "figure": confusion_figure(counts[np.ix_(shown, shown)], short),
        "pairs": pairs,
    }


def calibration(probabilities: np.ndarray, labels: Sequence[int]) -> dict[str, Any]:
    """The values that `calibration.html` shows.

    Args:
        probabilities: float (examples, classes).
        labels: int (examples,).
    """
    bins = classification.calibration(probabilities, labels)
    columns = np.array([(b.count, b.confidence, b.accuracy) for b in bins])
    count, confidence, accuracy = columns.T
    return {
        "confidence": np.average(confidence, weights=count),
        "accuracy": np.average(accuracy, weights=count),
        "expected_error": np.average(np.abs(accuracy - confidence), weights=count),
        "figure": calibration_figure(bins),
    }
