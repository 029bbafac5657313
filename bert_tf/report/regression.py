"""Report values for regression: gold and predicted scores, the largest errors."""

from typing import Any

import matplotlib.figure
import numpy as np

from bert_tf.report.evaluation import Evaluation
from bert_tf.report.plots import BLUE, GREY, new_figure

_NUM_SHOWN = 25
_NUM_RANGES = 5


def values(evaluation: Evaluation) -> dict[str, Any]:
    """The values that `regression.html` shows."""
    gold = np.array([example.label for example in evaluation.examples], np.float64)
    given = np.array([answer.score for answer in evaluation.answers], np.float64)
    errors = given - gold
    edges = np.linspace(gold.min(), gold.max(), _NUM_RANGES + 1)
    places = np.clip(np.searchsorted(edges, gold, "right") - 1, 0, _NUM_RANGES - 1)
    return {
        "mean_distance": np.abs(errors).mean(),
        "mean_error": errors.mean(),
        "scatter": scatter(gold, given),
        "ranges": [
            {
                "low": edges[place],
                "high": edges[place + 1],
                "count": int(np.sum(places == place)),
                "mean_distance": np.abs(errors[places == place]).mean(),
                "mean_error": errors[places == place].mean(),
            }
            for place in np.unique(places)
        ],
        "largest": [
            (evaluation.examples[place], gold[place], given[place])
            for place in np.argsort(-np.abs(errors), kind="stable")[:_NUM_SHOWN]
        ],
    }


def scatter(gold: np.ndarray, given: np.ndarray) -> matplotlib.figure.Figure:
    """Draws a dot for each example."""
    figure = new_figure(6.4, 6)
    axis = figure.subplots()
    low, high = min(gold.min(), given.min()), max(gold.max(), given.max())
    axis.plot([low, high], [low, high], color=GREY, linestyle="--", label="no error")
    alpha, size = (0.35, 6) if len(gold) <= 2000 else (0.12, 3)
    look: dict[str, Any] = {"alpha": alpha, "ms": size, "mew": 0}
    axis.plot(gold, given, ".", color=BLUE, label="example", **look)
    axis.set(xlabel="gold", ylabel="predicted")
    axis.grid(alpha=0.3)
    axis.legend(frameon=False)
    return figure
