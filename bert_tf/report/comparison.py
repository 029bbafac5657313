"""The `report.html` of a comparison: tables and pictures."""

from collections.abc import Callable, Mapping, Sequence

import matplotlib.figure
import numpy as np

from bert_tf.comparison.outcome import Outcome
from bert_tf.report.page import page
from bert_tf.report.plots import BLUE, GREY, PALE_BLUE, panels

# The header and the rows; the first column names the systems.
Table = tuple[list[str], list[list[str]]]
# The value and the standard deviation of each system.
_Figures = dict[str, tuple[float, float]]


def comparison_report(
    title: str,
    *,
    facts: Mapping[str, str],
    outcomes: Sequence[Outcome],
    baselines: Mapping[str, tuple[str, float]],
    commands: str,
) -> str:
    """Renders the report as one self-contained HTML page.

    Args:
        title: the title of the page.
        facts: the rows of the first table.
        outcomes: the outcomes of all systems, in order.
        baselines: the name and the score of the best baseline of each dataset.
        commands: the commands that were run, one per line.
    """
    cloze = {
        o.title: (o.heldout["cloze_accuracy"] * 100, 0.0)
        for o in outcomes
        if "cloze_accuracy" in o.heldout
    }
    similarities: dict[str, _Figures] = {}
    tasks: dict[str, _Figures] = {}
    levels = {}
    for outcome in outcomes:
        for name, value in outcome.similarities.items():
            similarities.setdefault(name, {})[outcome.title] = value, 0.0
        for name, score in outcome.tasks.items():
            title_of_task = f"{name}: {score.metric} × 100"
            figures = score.mean * 100, score.deviation * 100
            tasks.setdefault(title_of_task, {})[outcome.title] = figures
            if name in baselines:
                levels[title_of_task] = baselines[name]
    values = {
        "facts": facts,
        "training": _table(outcomes, _training),
        "cloze": _bars({"masked pieces predicted correctly, %": cloze}, columns=1),
        "similarity": _table(outcomes, _similarity),
        "similarities": _bars(similarities, form="{:.2f}"),
        "scores": _table(outcomes, _scores),
        "tasks": _bars(tasks, levels),
        "baselines": baselines,
        "failures": [(o.title, line) for o in outcomes for line in o.failures],
        "commands": commands,
    }
    return page(title, "comparison.html", values)


def text_table(outcomes: Sequence[Outcome]) -> str:
    """All results as a Markdown table."""
    head = ["system"]
    rows = [[outcome.title] for outcome in outcomes]
    for cells in (_training, _similarity, _scores):
        more, columns = _table(outcomes, cells)
        head += more[1:]
        rows = [row + new[1:] for row, new in zip(rows, columns, strict=True)]
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _table(
    outcomes: Sequence[Outcome], cells: Callable[[Outcome], dict[str, str]]
) -> Table:
    """A table of the columns that are not empty; `cells` are by name of the column."""
    found = [cells(outcome) for outcome in outcomes]
    # In order of first occurrence.
    every = dict.fromkeys(name for by_name in found for name in by_name)
    names = [name for name in every if any(c.get(name) for c in found)]
    rows = [
        [outcome.title, *(by_name.get(name, "") for name in names)]
        for outcome, by_name in zip(outcomes, found, strict=True)
    ]
    return ["system", *names], rows


def _training(outcome: Outcome) -> dict[str, str]:
    trained, heldout = outcome.trained, outcome.heldout
    cells = {
        "trained": ("{}", trained and trained.amount),
        "seconds": ("{:,.0f}", trained and trained.seconds),
        "weights": ("{:,}", outcome.num_weights),
        "MB": ("{:,.1f}", outcome.num_bytes and outcome.num_bytes / 1e6),
        "cloze": ("{:.1%}", heldout.get("cloze_accuracy")),
        "perplexity": ("{:.1f}", heldout.get("perplexity")),
        "texts/s": ("{:,.0f}", outcome.texts_per_second),
    }
    return {
        name: "" if value is None else form.format(value)
        for name, (form, value) in cells.items()
    }


def _similarity(outcome: Outcome) -> dict[str, str]:
    return {name: f"{value:.3f}" for name, value in outcome.similarities.items()}


def _scores(outcome: Outcome) -> dict[str, str]:
    return {
        name: f"{score.mean * 100:.1f} ± {score.deviation * 100:.1f}"
        for name, score in outcome.tasks.items()
    }


def _bars(
    groups: Mapping[str, _Figures],
    baselines: Mapping[str, tuple[str, float]] | None = None,
    *,
    form: str = "{:.1f}",
    columns: int = 2,
) -> matplotlib.figure.Figure | None:
    """Draws a bar with its value for each system; the best of a group is dark.

    Args:
        groups: values by title; None is returned if there are none.
        baselines: the name and the score of a baseline, by title; drawn as a line.
        form: the format of values.
        columns: the number of groups in a row.
    """
    most = max(map(len, groups.values()), default=0)
    if not most:
        return None
    figure, axes = panels(len(groups), height=1.1 + 0.33 * most, columns=columns)
    for axis, (title, found) in zip(axes, groups.items(), strict=True):
        if baselines and title in baselines:
            baseline, score = baselines[title]
            axis.axvline(score * 100, color=GREY, ls="--", lw=1)
            title += f"\ndashed: {baseline}"
        values, deviations = np.array(list(found.values())).T
        places = np.arange(len(found))
        colors = [BLUE if value == values.max() else PALE_BLUE for value in values]
        axis.barh(places, values, xerr=deviations, color=colors, ecolor=GREY)
        for place, value, deviation in zip(places, values, deviations, strict=True):
            axis.text(
                max(value, 0) + deviation + values.max() * 0.01,
                place,
                form.format(value),
                va="center",
                fontsize=8,
                # Covers the line of the baseline.
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5},
            )
        axis.set_yticks(places, list(found))
        axis.invert_yaxis()
        axis.set_title(title, fontsize=10)
        axis.margins(x=0.12)
    return figure
