"""What runs with several settings and seeds came to."""

from collections.abc import Sequence

import matplotlib.figure

from bert_tf.finetuning.results import RunResult, RunSettings, summaries
from bert_tf.report.metric_names import name_of, text_of
from bert_tf.report.page import Html, join, note, picture, table, tag
from bert_tf.report.plots import BLUE, PALE_BLUE, RED, new_figure


def runs(results: Sequence[RunResult], best: RunResult, metric: str) -> Html:
    """Table and picture of the runs, and which is the best.

    Args:
        results: of all runs.
        best: the one whose weights were taken.
        metric: that they are compared by.
    """
    if len(results) == 1:
        return _best(best)
    rows = []
    for summary in summaries(results, metric):
        settings, several = summary.settings, summary.num_runs > 1
        deviation = text_of(metric, summary.deviation)
        rows.append(
            [
                f"{settings.learning_rate:g}",
                f"{settings.batch_size}",
                f"{settings.num_epochs:g}",
                f"{summary.num_runs}",
                text_of(metric, summary.mean) + (f" ± {deviation}" if several else ""),
                text_of(metric, summary.best),
                _collapsed(summary.num_collapsed, summary.num_runs),
            ]
        )
    head = ["learning rate", "batch", "epochs", "runs", name_of(metric), "best", ""]
    explanation = note(
        "Means ± standard deviations over the seeds, on the development set. The best "
        "of many runs is a little better there than it will be on new data."
    )
    shown = picture(strip_plot(results, metric), "the metric of each run")
    table_of_runs = table(head, rows, numbers=range(6))
    return join([_best(best), table_of_runs, explanation, shown])


def strip_plot(results: Sequence[RunResult], metric: str) -> matplotlib.figure.Figure:
    """A dot for each run, in one line those that differ in their seed alone."""
    ranked = summaries(results, metric)
    lines = {_name(summary.settings): -i for i, summary in enumerate(ranked)}
    figure = new_figure(9, 1.3 + 0.32 * len(ranked))
    axis = figure.subplots()
    for collapsed in (False, True):
        chosen = [result for result in results if result.collapsed == collapsed]
        if chosen:
            axis.plot(
                [result.metrics[metric] for result in chosen],
                [lines[_name(result.settings)] for result in chosen],
                "x" if collapsed else "o",
                color=RED if collapsed else BLUE,
                alpha=0.6,
                label="collapsed to one class" if collapsed else "a run",
            )
    means = [summary.mean for summary in ranked]
    ticks = list(lines.values())
    axis.plot(means, ticks, "|", color=PALE_BLUE, ms=18, mew=2, zorder=0, label="mean")
    axis.set_yticks(ticks, list(lines))
    axis.set_ylim(-len(ranked) + 0.4, 0.6)
    axis.set_xlabel(name_of(metric))
    axis.grid(alpha=0.3)
    axis.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def _name(settings: RunSettings) -> str:
    return (
        f"{settings.learning_rate:g}, batch {settings.batch_size}, "
        f"{settings.num_epochs:g} epochs"
    )


def _collapsed(count: int, total: int) -> Html:
    if not count:
        return Html("")
    words = f"{count} of {total} collapsed to one class"
    return tag("span", words, kind="wrong")


def _best(best: RunResult) -> Html:
    settings = best.settings
    words = (
        f"This model: learning rate {settings.learning_rate:g}, batches of "
        f"{settings.batch_size}, {settings.num_epochs:g} epochs, seed {settings.seed}; "
        f"its weights are those of step {best.best_step:,}, the best of the run, which "
        f"took {_duration(best.seconds)}."
    )
    if not best.collapsed:
        return tag("p", words)
    warning = (
        "It has collapsed to one class, which it gives every example. A lower learning "
        "rate or another seed may help."
    )
    return join([tag("p", words), tag("p", warning, kind="wrong")])


def _duration(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes / 60:.1f} hours"
