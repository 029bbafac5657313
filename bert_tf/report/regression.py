"""What a model of scores makes of the development set."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from bert_tf.report.classification import texts_of
from bert_tf.report.page import Html, Section, join, picture, table, tag
from bert_tf.report.plots import BLUE, GREY, new_figure
from bert_tf.tasks.classification import ScoreAnswer
from data_pipelines.datasets.examples import TextExample

_NUM_SHOWN = 25
_NUM_RANGES = 5


def sections(
    examples: Sequence[TextExample], answers: Sequence[ScoreAnswer]
) -> list[Section]:
    """Gold and predicted scores, and the largest errors.

    Args:
        examples: with scores.
        answers: one for each.
    """
    gold = np.array([example.label for example in examples], np.float64)
    given = np.array([answer.score for answer in answers], np.float64)
    errors = given - gold
    words = tag(
        "p",
        f"A score is off by {np.abs(errors).mean():.3f} on average; the mean error is "
        f"{_signed(errors.mean())}.",
    )
    shown = picture(scatter(gold, given), "gold scores and predicted scores")
    return [
        Section("Scores", join([words, shown, _ranges(gold, errors)])),
        Section("The largest errors", _largest(examples, gold, given)),
    ]


def scatter(gold: np.ndarray, given: np.ndarray) -> Any:
    """A dot for each example."""
    figure = new_figure(6.4, 6)
    axis = figure.subplots()
    low, high = min(gold.min(), given.min()), max(gold.max(), given.max())
    axis.plot([low, high], [low, high], color=GREY, linestyle="--", label="right")
    few = len(gold) <= 2000
    axis.plot(
        gold,
        given,
        ".",
        color=BLUE,
        alpha=0.35 if few else 0.12,
        markersize=6 if few else 3,
        markeredgewidth=0,
        label="an example",
    )
    axis.set_xlabel("gold")
    axis.set_ylabel("predicted")
    axis.grid(alpha=0.3)
    axis.legend(frameon=False)
    return figure


def _signed(value: float) -> str:
    # Adding 0 makes a rounded "-0.000" one without a minus.
    return f"{round(value, 3) + 0.0:+.3f}"


def _ranges(gold: np.ndarray, errors: np.ndarray) -> Html:
    edges = np.linspace(gold.min(), gold.max(), _NUM_RANGES + 1)
    places = np.clip(np.searchsorted(edges, gold, "right") - 1, 0, _NUM_RANGES - 1)
    rows = []
    for place in np.unique(places):
        inside = errors[places == place]
        rows.append(
            [
                f"{edges[place]:.2f} to {edges[place + 1]:.2f}",
                f"{len(inside):,}",
                f"{np.abs(inside).mean():.3f}",
                _signed(inside.mean()),
            ]
        )
    head = ["gold", "examples", "off by", "mean error"]
    return table(head, rows, numbers=(1, 2, 3))


def _largest(
    examples: Sequence[TextExample], gold: np.ndarray, given: np.ndarray
) -> Html:
    order = np.argsort(-np.abs(given - gold), kind="stable")[:_NUM_SHOWN]
    rows = [
        [
            texts_of(examples[place]),
            f"{gold[place]:.2f}",
            f"{given[place]:.2f}",
            f"{given[place] - gold[place]:+.2f}",
        ]
        for place in order
    ]
    return table(["text", "gold", "predicted", "error"], rows, numbers=(1, 2, 3))
