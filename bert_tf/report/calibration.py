"""Whether a model is right as often as it believes: picture and words."""

from collections.abc import Sequence

import numpy as np

from bert_tf.metrics import classification
from bert_tf.report.page import Html, join, note, picture, tag
from bert_tf.report.plots import calibration_figure


def calibration(probabilities: np.ndarray, labels: Sequence[int]) -> Html:
    """See the file.

    Args:
        probabilities: float (examples, classes).
        labels: int (examples,).
    """
    found = classification.calibration(probabilities, labels)
    total = sum(b.count for b in found.bins)
    belief = sum(b.count * b.confidence for b in found.bins) / total
    truth = sum(b.count * b.accuracy for b in found.bins) / total
    words = tag(
        "p",
        f"On average an answer has a probability of {belief:.1%}, and {truth:.1%} are "
        f"right. Expected error: {found.expected_error:.1%}.",
    )
    explanation = note(
        "Each bar is of the answers whose probability is in its range: where it ends "
        "below the dashed line, the model is too sure of itself. The expected error is "
        "the mean distance of bars and line, weighted by the examples (Guo et al. "
        "2017)."
    )
    shown = picture(
        calibration_figure(found), "probability of answers and how many are right"
    )
    return join([words, shown, explanation])
