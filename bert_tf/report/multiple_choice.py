"""Report values for multiple choice: positions, calibration, the hardest examples."""

from typing import Any

import numpy as np

from bert_tf.report.classification import calibration
from bert_tf.report.evaluation import Evaluation
from bert_tf.report.excerpts import hardest


def values(evaluation: Evaluation) -> dict[str, Any]:
    """The values that `multiple_choice.html` shows."""
    examples, answers = evaluation.examples, evaluation.answers
    gold = np.array([example.label for example in examples])
    given = np.array([answer.choice for answer in answers])
    probabilities = np.array([answer.probabilities for answer in answers], np.float64)
    right = gold == given
    confidences = probabilities[np.arange(len(gold)), given]
    places = []
    for place in range(probabilities.shape[1]):
        inside = gold == place
        found = float(np.mean(given[inside] == place)) if inside.any() else None
        places.append((int(inside.sum()), int(np.sum(given == place)), found))
    return {
        "places": places,
        "calibration": calibration(probabilities, gold.tolist()),
        "num_wrong": int(np.sum(~right)),
        "num_examples": len(gold),
        "hardest": [
            (examples[place], answers[place]) for place in hardest(right, confidences)
        ],
    }
