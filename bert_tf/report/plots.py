"""The figures of reports."""

from collections.abc import Sequence
from typing import Any

import matplotlib.figure
import numpy as np
from matplotlib.font_manager import FontProperties, findfont, get_font

from bert_tf.metrics.classification import CalibrationBin
from bert_tf.metrics.squad import scores_by_threshold
from bert_tf.training.run_log import Record

BLUE = "#2563a8"
PALE_BLUE = "#9db8d9"
RED = "#d1495b"
GREY = "#777"

# Longer names of classes are truncated.
_MAX_NAME = 22
# With more classes, the cells have no room for counts.
_MAX_WITH_COUNTS = 24


def new_figure(width: float, height: float) -> matplotlib.figure.Figure:
    """Makes an empty figure; sizes are in inches."""
    # Not pyplot, which keeps figures in memory and may need a display.
    return matplotlib.figure.Figure(figsize=(width, height), layout="constrained")


def panels(
    count: int, height: float = 3.2, columns: int = 2
) -> tuple[matplotlib.figure.Figure, list[Any]]:
    """Makes a figure with `count` axes in rows, each `height` inches high."""
    rows = -(-count // columns)
    figure = new_figure(11, rows * height)
    axes = list(figure.subplots(rows, columns, squeeze=False).flat)
    for axis in axes[count:]:
        axis.set_visible(False)
    return figure, axes[:count]


def label_steps(axes: Sequence[Any]) -> None:
    """Adds a grid to each of the `panels`, and labels the steps below the last ones."""
    for axis in axes:
        axis.grid(visible=True, alpha=0.3)
    for axis in axes[-2:]:
        axis.set_xlabel("step")


def series(
    records: Sequence[Record], split: str, metric: str
) -> tuple[np.ndarray, np.ndarray]:
    """The steps at which a metric was logged, and its values."""
    points = [
        (record["step"], record[metric])
        for record in records
        if record["split"] == split and metric in record
    ]
    steps, values = zip(*points, strict=True) if points else ((), ())
    return np.array(steps), np.array(values)


def draw_training(axis: Any, records: Sequence[Record], metric: str) -> None:
    """Draws a metric of the training data, and its running mean if it is long."""
    steps, values = series(records, "train", metric)
    axis.plot(steps, values, color=PALE_BLUE, linewidth=0.8, label="training")
    if len(values) >= 20:
        width = max(5, len(values) // 40)
        smooth = np.convolve(values, np.ones(width) / width, mode="valid")
        middle = steps[(width - 1) // 2 :][: len(smooth)]
        axis.plot(middle, smooth, color=BLUE, label="training, mean")


def draw_plain(axis: Any, records: Sequence[Record], metric: str, title: str) -> None:
    """Draws a quantity of training, such as its speed."""
    axis.plot(*series(records, "train", metric), color=BLUE, linewidth=0.9)
    axis.set_title(title)
    if metric.endswith("_per_second"):
        axis.set_ylim(bottom=0)


def names_for_picture(names: Sequence[str]) -> list[str]:
    """The names, truncated; or numbers from 1 if the font lacks one of their letters.

    matplotlib would draw boxes for missing letters.
    """
    font = get_font(findfont(FontProperties()))
    letters = font.get_charmap()
    if any(ord(letter) not in letters for name in names for letter in name):
        return [str(number) for number in range(1, len(names) + 1)]
    return [n if len(n) <= _MAX_NAME else n[: _MAX_NAME - 1] + "…" for n in names]


def confusion_figure(
    counts: np.ndarray, names: Sequence[str]
) -> matplotlib.figure.Figure:
    """Draws a confusion matrix, with a row for each class and predictions as columns.

    The shade is the square root of the share of the row, so that rare classes and rare
    mistakes are visible.

    Args:
        counts: int (classes, classes).
        names: the result of `names_for_picture`.
    """
    size, longest = len(names), max(map(len, names))
    side = float(np.clip(0.75 * size, 2.2, 8.4 - 0.06 * longest))
    figure = new_figure(side + 0.06 * longest + 0.8, side + 0.06 * longest + 0.6)
    axis = figure.subplots()
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axis.imshow(np.sqrt(shares), cmap="Blues", vmin=0, vmax=1)
    # Thin white lines separate the cells.
    axis.set_xticks(np.arange(size + 1) - 0.5, minor=True)
    axis.set_yticks(np.arange(size + 1) - 0.5, minor=True)
    axis.grid(which="minor", color="white", linewidth=1.5 if size <= 24 else 0.5)
    axis.tick_params(which="both", length=0)
    axis.spines[:].set_visible(False)
    turn: dict[str, Any] = {}
    if size > 12:
        turn = {"rotation": 90, "ha": "center"}
    elif longest > 6:
        turn = {"rotation": 45, "ha": "right"}
    # Names with dollar signs are not formulas.
    look: dict[str, Any] = {
        "fontsize": max(7.0, 10 - max(size - 12, 0) / 6),
        "parse_math": False,
    }
    axis.set_xticks(range(size), names, **look, **turn)
    axis.set_yticks(range(size), names, **look)
    axis.set(xlabel="predicted", ylabel="gold")
    if size <= _MAX_WITH_COUNTS:
        for row, column in zip(*np.nonzero(counts), strict=True):
            axis.text(
                column,
                row,
                f"{counts[row, column]}",
                ha="center",
                va="center",
                fontsize=9 if size <= 12 else 6.5,
                color="white" if shares[row, column] > 0.35 else "#222",
            )
    return figure


def calibration_figure(bins: Sequence[CalibrationBin]) -> matplotlib.figure.Figure:
    """Draws the accuracy of answers over their probability, and their number."""
    figure = new_figure(5.6, 5.2)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    centers = [(b.low + b.high) / 2 for b in bins]
    width = min(b.high - b.low for b in bins) * 0.92
    accuracy, confidence = [b.accuracy for b in bins], [b.confidence for b in bins]
    above.bar(centers, accuracy, width=width, color=PALE_BLUE, label="this model")
    above.plot(confidence, accuracy, "o-", color=BLUE, markersize=4)
    above.plot([0, 1], [0, 1], color=GREY, linestyle="--", label="perfect calibration")
    above.set(ylabel="accuracy", ylim=(0, 1.02))
    above.legend(frameon=False, loc="upper left")
    below.bar(centers, [b.count for b in bins], width=width, color=GREY)
    below.set(ylabel="examples", xlabel="probability of the answer", xlim=(0, 1))
    for axis in (above, below):
        axis.grid(alpha=0.3)
        axis.set_axisbelow(True)
    return figure


def threshold_figure(
    no_answer: np.ndarray,
    spans: np.ndarray,
    none: np.ndarray,
    impossible: np.ndarray,
    threshold: float,
) -> matplotlib.figure.Figure:
    """Draws exact match and F1 over the no-answer thresholds of SQuAD 2.0.

    Args:
        no_answer: float (questions,), the no-answer scores.
        spans, none: float (questions, 2), exact match and F1 of the best spans, and of
            the empty answer.
        impossible: bool (questions,), whether the question has no answer.
        threshold: the threshold that was chosen.
    """
    # Scores of texts without any possible span are outliers.
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
        if inside.any():
            steps, means = scores_by_threshold(
                no_answer[inside], spans[inside, column], none[inside, column]
            )
            # The line extends to both edges of the picture.
            steps = np.append(steps, max(high + room, steps[-1]))
            steps[0] = min(low - room, steps[0])
            means = np.append(means, means[-1])
            axis.plot(steps, means, drawstyle="steps-post", label=name, **look)
    axis.axvline(threshold, color=GREY, linestyle="--", label="chosen")
    axis.set(xlabel="no-answer threshold", ylim=(0, 1.02))
    axis.set_xlim(low - room, high + room)
    axis.grid(alpha=0.3)
    axis.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    return figure
