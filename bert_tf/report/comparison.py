"""`report.html` of a comparison: one table, and pictures of what can be compared."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import matplotlib.figure
import numpy as np

from bert_tf.comparison.outcome import Outcome
from bert_tf.report.page import Html, Section, join, note, page, picture, table, tag
from bert_tf.report.plots import BLUE, GREY, PALE_BLUE, new_figure

# Its head, and what it says of a system.
Column = tuple[str, Callable[[Outcome], str]]
_SYSTEM: Column = ("system", lambda outcome: outcome.title)
# Columns that are read, not compared.
_WORDS = ("system", "trained")


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
    rows = [[name, value] for name, value in facts.items()]
    parts: list[tuple[str, list[Column], Any, Html]] = [
        ("Training and text", _general(outcomes), _cloze(outcomes), _READ_GENERAL),
        (
            "Word similarity",
            _similarity(outcomes),
            _similarities(outcomes),
            _READ_LISTS,
        ),
        (
            "Tasks",
            _scores(outcomes),
            _tasks(outcomes, simple_guesses),
            _read_tasks(simple_guesses),
        ),
    ]
    sections = [Section("", table(None, rows))]
    for heading, columns, figure, how_to_read in parts:
        if columns:
            content = [_table([_SYSTEM, *columns], outcomes), how_to_read]
            if figure is not None:
                content.insert(0, picture(figure, heading))
            sections.append(Section(heading, join(content)))
    failures = [(o.title, line) for o in outcomes for line in o.failures]
    if failures:
        sections.append(Section("What failed", table(None, failures)))
    sections.append(Section("Commands", tag("pre", commands)))
    return page(title, sections)


def text_table(outcomes: Sequence[Outcome]) -> str:
    """All figures as a table in Markdown."""
    columns = [
        _SYSTEM,
        *_general(outcomes),
        *_similarity(outcomes),
        *_scores(outcomes),
    ]
    rows = [[head for head, _ in columns], ["---"] * len(columns)]
    rows += [[cell(o) for _, cell in columns] for o in outcomes]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _general(outcomes: Sequence[Outcome]) -> list[Column]:
    def heldout(name: str, form: str) -> Callable[[Outcome], str]:
        return lambda o: form.format(o.heldout[name]) if name in o.heldout else ""

    columns: list[Column] = [
        ("trained", lambda o: o.trained.amount if o.trained else ""),
        ("seconds", lambda o: f"{o.trained.seconds:,.0f}" if o.trained else ""),
        ("weights", lambda o: f"{o.num_weights:,}" if o.num_weights else ""),
        ("MB", lambda o: f"{o.num_bytes / 1e6:,.1f}" if o.num_bytes else ""),
        ("cloze", heldout("cloze_accuracy", "{:.1%}")),
        ("perplexity", heldout("perplexity", "{:.1f}")),
        (
            "texts/s",
            lambda o: f"{o.texts_per_second:,.0f}" if o.texts_per_second else "",
        ),
    ]
    return [c for c in columns if any(c[1](o) for o in outcomes)]


def _similarity(outcomes: Sequence[Outcome]) -> list[Column]:
    def column(name: str) -> Column:
        return (
            name,
            lambda o: f"{o.similarities[name]:.3f}" if name in o.similarities else "",
        )

    return [column(name) for name in _names(o.similarities for o in outcomes)]


def _scores(outcomes: Sequence[Outcome]) -> list[Column]:
    def column(name: str) -> Column:
        def shown(outcome: Outcome) -> str:
            if name not in outcome.tasks:
                return ""
            found = outcome.tasks[name]
            return f"{found.mean * 100:.1f} ± {found.deviation * 100:.1f}"

        return name, shown

    return [column(name) for name in _names(o.tasks for o in outcomes)]


def _names(mappings: Iterable[Mapping[str, Any]]) -> list[str]:
    """The keys of all, in the order in which they come."""
    return list(dict.fromkeys(name for mapping in mappings for name in mapping))


def _table(columns: Sequence[Column], outcomes: Sequence[Outcome]) -> Html:
    """The systems of which a column says something."""
    rows = [[cell(o) for _, cell in columns] for o in outcomes]
    rows = [row for row in rows if any(row[1:])]
    numbers = [n for n, (head, _) in enumerate(columns) if head not in _WORDS]
    return table([head for head, _ in columns], rows, numbers=numbers)


_READ_LISTS = note(
    "Spearman's correlation of cosines with what people say; the share of the "
    "analogies that are right. Of the words that have vectors."
)
_READ_GENERAL = note(
    "cloze: of single masked pieces of held-out rows, the share whose likeliest "
    "guess is right. GPT reads what is before the place alone, trigrams two pieces "
    "on either side. perplexity: of each piece of held-out text from those before "
    "it. Both are of the system's own pieces: RoBERTa's are others. texts/s: answers"
    " of the model of the first dataset."
)


def _read_tasks(simple_guesses: Mapping[str, tuple[str, float]]) -> Html:
    guesses = [
        f"{dataset}: {name} {score * 100:.1f}. "
        for dataset, (name, score) in simple_guesses.items()
    ]
    return note(
        "The first metric of each dataset times 100, mean and deviation over the "
        "seeds, on the development set. Static vectors and ELMo are frozen below an "
        "LSTM that is learned; all others are fine-tuned. ",
        *(["Without a model: ", *guesses] if guesses else []),
    )


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
    rows = -(-len(names) // 2)
    figure = new_figure(11, rows * (1.1 + 0.33 * most))
    axes = list(figure.subplots(rows, 2, squeeze=False).flat)
    for axis, name in zip(axes, names, strict=False):
        scores = {o.title: o.tasks[name] for o in outcomes if name in o.tasks}
        found = {t: (s.mean * 100, s.deviation * 100) for t, s in scores.items()}
        metric = next(iter(scores.values())).metric
        title = f"{name}: {metric} times 100"
        if name in simple_guesses:
            guess, score = simple_guesses[name]
            axis.axvline(score * 100, color=GREY, ls="--", lw=1)
            title += f"\ndashed: {guess}"
        _bars(axis, found, title)
    for axis in axes[len(names) :]:
        axis.set_axis_off()
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
