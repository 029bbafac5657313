"""`report.html` of a comparison: one table, and pictures of what can be compared."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import matplotlib.figure
import numpy as np

from bert_tf.comparison.outcome import Outcome
from bert_tf.report.page import Html, Section, join, note, page, picture, table, tag
from bert_tf.report.plots import BLUE, GREY, PALE_BLUE, new_figure

_NOTHING = ""


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
    sections = [
        Section("", table(None, rows)),
        Section("All figures", figures_table(outcomes, simple_guesses)),
    ]
    pictures = [
        ("Masked pieces that were guessed", _cloze),
        ("Word similarity", _similarities),
        ("Tasks", lambda found: _tasks(found, simple_guesses)),
    ]
    for heading, draw in pictures:
        figure = draw(outcomes)
        if figure is not None:
            sections.append(Section(heading, picture(figure, heading)))
    failures = [(o.title, line) for o in outcomes for line in o.failures]
    if failures:
        sections.append(Section("What failed", table(None, failures)))
    sections.append(Section("Commands", tag("pre", commands)))
    return page(title, sections)


def columns_of(
    outcomes: Sequence[Outcome],
) -> list[tuple[str, Callable[[Outcome], str]]]:
    """Heads of columns, and what they say of a system; those that say something."""
    datasets = list(dict.fromkeys(name for o in outcomes for name in o.tasks))
    lists = list(dict.fromkeys(name for o in outcomes for name in o.similarities))

    def heldout(name: str, form: str) -> Callable[[Outcome], str]:
        return lambda o: form.format(o.heldout[name]) if name in o.heldout else _NOTHING

    def similarity(name: str) -> Callable[[Outcome], str]:
        return lambda o: f"{o.similarities[name]:.3f}" if name in o.similarities else ""

    def score(name: str) -> Callable[[Outcome], str]:
        def shown(outcome: Outcome) -> str:
            if name not in outcome.tasks:
                return _NOTHING
            found = outcome.tasks[name]
            return f"{found.mean * 100:.1f} ± {found.deviation * 100:.1f}"

        return shown

    columns: list[tuple[str, Callable[[Outcome], str]]] = [
        ("system", lambda o: o.title),
        ("trained", lambda o: o.trained.amount if o.trained else _NOTHING),
        ("seconds", lambda o: f"{o.trained.seconds:,.0f}" if o.trained else _NOTHING),
        ("weights", lambda o: f"{o.num_weights:,}" if o.num_weights else _NOTHING),
        ("MB", lambda o: f"{o.num_bytes / 1e6:,.1f}" if o.num_bytes else _NOTHING),
        ("cloze", heldout("cloze_accuracy", "{:.1%}")),
        ("perplexity", heldout("perplexity", "{:.1f}")),
        *((name, similarity(name)) for name in lists),
        *((name, score(name)) for name in datasets),
        (
            "texts/s",
            lambda o: f"{o.texts_per_second:,.0f}" if o.texts_per_second else _NOTHING,
        ),
    ]
    return [(head, cell) for head, cell in columns if any(cell(o) for o in outcomes)]


def text_table(outcomes: Sequence[Outcome]) -> str:
    """The table in Markdown."""
    columns = columns_of(outcomes)
    rows = [[head for head, _ in columns], ["---"] * len(columns)]
    rows += [[cell(o) for _, cell in columns] for o in outcomes]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def figures_table(
    outcomes: Sequence[Outcome], simple_guesses: Mapping[str, tuple[str, float]]
) -> Html:
    """The table, with how to read it."""
    columns = columns_of(outcomes)
    rows = [[cell(o) for _, cell in columns] for o in outcomes]
    guesses = [
        f"{dataset}: {name} {score * 100:.1f}. "
        for dataset, (name, score) in simple_guesses.items()
    ]
    explanation = note(
        "cloze: of single masked pieces of held-out rows, the share whose likeliest "
        "guess is right. GPT reads what is before the place alone, trigrams two pieces "
        "on either side. perplexity: of each piece of held-out text from those before "
        "it. Both are of the system's own pieces: RoBERTa's are others. Tasks: the "
        "first metric of the dataset times 100, mean and deviation over the seeds, on "
        "the development set. Static vectors and ELMo are frozen below an LSTM that is "
        "learned; all others are fine-tuned. ",
        *(["Without a model: ", *guesses] if guesses else []),
    )
    heads = [head for head, _ in columns]
    return join([table(heads, rows, numbers=range(2, len(columns))), explanation])


def _cloze(outcomes: Sequence[Outcome]) -> matplotlib.figure.Figure | None:
    found = {
        o.title: (o.heldout["cloze_accuracy"] * 100, 0.0)
        for o in outcomes
        if "cloze_accuracy" in o.heldout
    }
    if not found:
        return None
    figure = new_figure(9, 0.6 + 0.35 * len(found))
    _bars(figure.subplots(), found, "% right")
    return figure


def _similarities(outcomes: Sequence[Outcome]) -> matplotlib.figure.Figure | None:
    names = list(dict.fromkeys(name for o in outcomes for name in o.similarities))
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
    names = list(dict.fromkeys(name for o in outcomes for name in o.tasks))
    if not names:
        return None
    most = max(sum(name in o.tasks for o in outcomes) for name in names)
    rows = -(-len(names) // 2)
    figure = new_figure(11, rows * (0.9 + 0.33 * most))
    axes = figure.subplots(rows, 2, squeeze=False).flat
    for axis, name in zip(axes, names, strict=False):
        scores = {o.title: o.tasks[name] for o in outcomes if name in o.tasks}
        found = {t: (s.mean * 100, s.deviation * 100) for t, s in scores.items()}
        metric = next(iter(scores.values())).metric
        _bars(axis, found, f"{name}: {metric} times 100")
        if name in simple_guesses:
            guess, score = simple_guesses[name]
            axis.axvline(score * 100, color=GREY, ls="--", lw=1, label=guess)
            axis.legend(frameon=False, fontsize=8, loc="lower left")
    for axis in list(axes)[len(names) :]:
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
        )
    axis.set_yticks(places, list(found))
    axis.invert_yaxis()
    axis.set_title(title, fontsize=10)
    axis.margins(x=0.12)
