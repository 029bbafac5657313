"""What SQuAD 2.0's no-answer threshold does to the scores."""

from typing import Any

import matplotlib.figure
import numpy as np

from bert_tf.report.plots import BLUE, GREY, PALE_BLUE, RED, new_figure


def threshold_scores(
    no_answer: np.ndarray, spans: np.ndarray, none: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The mean score at each threshold that makes a difference.

    Args:
        no_answer: float (questions,), the no-answer scores.
        spans: float (questions,), scores of the best spans.
        none: float (questions,), scores of no answer.

    Returns:
        Thresholds, ascending, and the mean score of each.
    """
    order = np.argsort(no_answer, kind="stable")
    gains = np.cumsum((spans - none)[order])
    means = (none.sum() + gains) / len(none)
    thresholds = no_answer[order]
    # Equal no-answer scores are on the same side of any threshold.
    last = np.append(np.diff(thresholds) > 0, True)
    return thresholds[last], means[last]


def threshold_figure(
    no_answer: np.ndarray,
    spans: np.ndarray,
    none: np.ndarray,
    impossible: np.ndarray,
    threshold: float,
) -> matplotlib.figure.Figure:
    """Exact match and F1 over the thresholds, and F1 of both sorts of questions.

    Args:
        no_answer: float (questions,).
        spans, none: float (questions, 2), exact match and F1.
        impossible: bool (questions,), whether there is no answer.
        threshold: the chosen one.
    """
    # Some scores are far out: those of texts in which no span was possible.
    low, high = np.quantile(no_answer, [0.005, 0.995])
    low, high = min(low, threshold), max(high, threshold)
    room = 0.05 * (high - low) or 1.0
    figure = new_figure(9, 4.2)
    axis = figure.subplots()
    every = np.ones(len(impossible), bool)
    lines: list[tuple[str, np.ndarray, int, dict[str, Any]]] = [
        ("F1", every, 1, {"color": BLUE, "linewidth": 2}),
        ("exact match", every, 0, {"color": BLUE, "linestyle": ":"}),
        ("F1, with an answer", ~impossible, 1, {"color": PALE_BLUE}),
        ("F1, without an answer", impossible, 1, {"color": RED, "alpha": 0.6}),
    ]
    for name, inside, column, look in lines:
        if not inside.any():
            continue
        spans_inside, none_inside = spans[inside, column], none[inside, column]
        steps, means = threshold_scores(no_answer[inside], spans_inside, none_inside)
        # To both edges of the picture.
        steps = np.concatenate(
            [[min(low - room, steps[0])], steps, [max(high + room, steps[-1])]]
        )
        means = np.concatenate([[none_inside.mean()], means, means[-1:]])
        axis.plot(steps, means, drawstyle="steps-post", label=name, **look)
    axis.axvline(threshold, color=GREY, linestyle="--", label="chosen")
    axis.set_xlim(low - room, high + room)
    axis.set_ylim(0, 1.02)
    axis.set_xlabel("no-answer threshold")
    axis.grid(alpha=0.3)
    axis.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    return figure
