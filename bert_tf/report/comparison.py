"""`report.html` of a comparison: tables, and pictures of what can be compared."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import matplotlib.figure
import numpy as np

from bert_tf.comparison.outcome import Outcome
from bert_tf.report.page import page
from bert_tf.report.plots import BLUE, GREY, PALE_BLUE, new_figure, panels

# Head and rows; the first column names the systems.
Table = tuple[list[str], list[list[str]]]


def comparison_report(
    title: str,
    *,
    facts: Mapping[str, str],
    outcomes: Sequence[Outcome],
    simple_guesses: Mapping[str, tuple[str, float]],
    commands: str,
) -> str:
    """The page.

    Args:
        title: at its top.
        facts: what was compared, and where.
        outcomes: of all systems, in their order.
        simple_guesses: by dataset the name and the score of the best guess without a
            model.
        commands: that were run, one a line.
    """
    values = {
        "facts": facts,
        "training": _table(outcomes, _training),
        "cloze": _cloze(outcomes),
        "similarity": _table(outcomes, _similarity),
        "similarities": _similarities(outcomes),
        "scores": _table(outcomes, _scores),
        "tasks": _tasks(outcomes, simple_guesses),
        "simple_guesses": simple_guesses,
        "failures": [(o.title, line) for o in outcomes for line in o.failures],
        "commands": commands,
    }
    return page(title, "comparison.html", values)


def text_table(outcomes: Sequence[Outcome]) -> str:
    """All figures as a table in Markdown."""
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
    """The columns that are not empty, from the cells of each system by column."""
    found = [cells(outcome) for outcome in outcomes]
    names = [name for name in _names(found) if any(c.get(name) for c in found)]
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


def _names(mappings: Iterable[Mapping[str, Any]]) -> list[str]:
    """The keys of all, in the order in which they come."""
    return list(dict.fromkeys(name for mapping in mappings for name in mapping))


def _cloze(outcomes: Sequence[Outcome]) -> matplotlib.figure.Figure | None:
    found = {
        o.title: (o.heldout["cloze_accuracy"] * 100, 0.0)
        for o in outcomes
        if "cloze_accuracy" in o.heldout
    }
    if not found:
        return None
    figure = new_figure(9, 0.6 + 0.35 * len(found))
    _bars(figure.subplots(), found, "masked pieces that were guessed, %")
    return figure


def _similarities(outcomes: Sequence[Outcome]) -> matplotlib.figure.Figure | None:
    names = _names(o.similarities for o in outcomes)
    if not names:
        return None
    figure = new_figure(3.6 * len(names), 2.4)
    axes = figure.subplots(1, len(names), squeeze=False)[0]
    for axis, name in zip(axes, names, strict=True):
        found = {
            o.title: (o.similarities[name], 0.0)
            for o in outcomes
            if name in o.similarities
        }
        _bars(axis, found, name, form="{:.2f}")
    return figure


def _tasks(
    outcomes: Sequence[Outcome], simple_guesses: Mapping[str, tuple[str, float]]
) -> matplotlib.figure.Figure | None:
    names = _names(o.tasks for o in outcomes)
    if not names:
        return None
    most = max(sum(name in o.tasks for o in outcomes) for name in names)
    figure, axes = panels(len(names), height=1.1 + 0.33 * most)
    for axis, name in zip(axes, names, strict=True):
        scores = {o.title: o.tasks[name] for o in outcomes if name in o.tasks}
        found = {t: (s.mean * 100, s.deviation * 100) for t, s in scores.items()}
        metric = next(iter(scores.values())).metric
        title = f"{name}: {metric} times 100"
        if name in simple_guesses:
            guess, score = simple_guesses[name]
            axis.axvline(score * 100, color=GREY, ls="--", lw=1)
            title += f"\ndashed: {guess}"
        _bars(axis, found, title)
    return figure


def _bars(
    axis: Any,
    found: Mapping[str, tuple[float, float]],
    title: str,
    form: str = "{:.1f}",
) -> None:
    """A bar for each system, its figure beside it; the best one dark."""
    values = np.array([value for value, _ in found.values()])
    deviations = [deviation for _, deviation in found.values()]
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
            # Not crossed by the line of the simple guess.
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5},
        )
    axis.set_yticks(places, list(found))
    axis.invert_yaxis()
    axis.set_title(title, fontsize=10)
    axis.margins(x=0.12)
