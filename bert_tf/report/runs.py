"""Report values for the runs of a fine-tuning, with several settings and seeds."""

from collections.abc import Sequence
from typing import Any

import matplotlib.figure

from bert_tf.finetuning.results import RunResult, RunSettings, best_result, summaries
from bert_tf.report.metric_names import name_of
from bert_tf.report.plots import BLUE, PALE_BLUE, RED, new_figure


def values(results: Sequence[RunResult], metric: str) -> dict[str, Any]:
    """The values that `runs.html` shows; runs are compared by the metric."""
    best = best_result(results, metric)
    several = len(results) > 1
    return {
        "best": best,
        "time": _duration(best.seconds),
        "metric": metric,
        "summaries": summaries(results, metric) if several else (),
        "figure": strip_plot(results, metric) if several else None,
    }


def strip_plot(results: Sequence[RunResult], metric: str) -> matplotlib.figure.Figure:
    """Draws a dot for each run; runs that differ only in their seed share a line."""
    ranked = summaries(results, metric)
    heights = {_name(summary.settings): -i for i, summary in enumerate(ranked)}
    figure = new_figure(9, 1.3 + 0.32 * len(ranked))
    axis = figure.subplots()
    for collapsed, marker, color, label in (
        (False, "o", BLUE, "run"),
        (True, "x", RED, "collapsed to one class"),
    ):
        chosen = [result for result in results if result.collapsed == collapsed]
        if chosen:
            axis.plot(
                [result.metrics[metric] for result in chosen],
                [heights[_name(result.settings)] for result in chosen],
                marker,
                color=color,
                alpha=0.6,
                label=label,
            )
    means, ticks = [summary.mean for summary in ranked], list(heights.values())
    axis.plot(means, ticks, "|", color=PALE_BLUE, ms=18, mew=2, zorder=0, label="mean")
    axis.set_yticks(ticks, list(heights))
    axis.set(xlabel=name_of(metric), ylim=(-len(ranked) + 0.4, 0.6))
    axis.grid(alpha=0.3)
    axis.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def _name(settings: RunSettings) -> str:
    return (
        f"{settings.learning_rate:g}, batch {settings.batch_size}, "
        f"{settings.num_epochs:g} epochs"
    )


def _duration(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes / 60:.1f} hours"
