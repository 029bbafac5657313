"""`report.html` of a fine-tuning: figures, runs, curves, and where the model errs."""

import json
from collections.abc import Sequence
from typing import Any

import matplotlib.figure

from bert_tf.finetuning.results import RunResult
from bert_tf.report import (
    classification,
    correction,
    multiple_choice,
    regression,
    span_qa,
    token_tagging,
)
from bert_tf.report.metric_names import is_known, name_of, text_of
from bert_tf.report.page import Html, Section, join, note, page, picture, table, tag
from bert_tf.report.plots import (
    GREY,
    RED,
    draw_plain,
    draw_training,
    new_figure,
    series,
)
from bert_tf.report.runs import runs
from bert_tf.training.run_log import Record

# Lines of one picture are told apart by their colours and their dots.
_LINES = ((RED, "o"), ("#2a9d8f", "s"), ("#8a6100", "^"), ("#6a4c93", "D"))


def finetuning_report(
    title: str,
    *,
    facts: dict[str, str],
    kind: str,
    metrics: Sequence[str],
    results: Sequence[RunResult],
    best: RunResult,
    records: Sequence[Record],
    examples: Sequence[Any],
    answers: Sequence[Any],
    labels: Sequence[str] | None,
    threshold: float | None,
    baselines: dict[str, dict[str, float]],
    options: dict[str, Any],
) -> str:
    """The report as one HTML page with its pictures inside.

    Args:
        title: of the page.
        facts: lines of the first table.
        kind: of the dataset.
        metrics: its names for them, the most important first.
        results: of all runs.
        best: the run whose weights the model has.
        records: of `metrics.jsonl` of this run.
        examples: the development set, with labels.
        answers: one for each.
        labels: names of classes or tags, in the order of their ids.
        threshold: of span answers, see `SpanAnswer.text`.
        baselines: metrics of simple guesses, by name.
        options: of the program.

    Raises:
        ValueError: a kind that is not known, or no examples.
    """
    parts = _sections_of_kind(kind, metrics, examples, answers, labels, threshold)
    heading = "Runs" if len(results) > 1 else "The run"
    sections = [
        Section("", table(None, list(facts.items()))),
        Section(
            "On the development set",
            _metrics(kind, metrics, best.metrics, baselines, len(examples)),
        ),
        Section(heading, runs(results, best, metrics[0])),
    ]
    if records:
        figure = curves(records, metrics, best.best_step)
        sections.append(Section("Curves", picture(figure, "curves of the training")))
    shown = tag("pre", json.dumps(options, indent=2, ensure_ascii=False))
    return page(title, [*sections, *parts, Section("Options", shown)])


def evaluation_report(
    title: str,
    *,
    facts: dict[str, str],
    kind: str,
    metrics: dict[str, float],
    examples: Sequence[Any],
    answers: Sequence[Any],
    labels: Sequence[str] | None,
    threshold: float | None,
) -> str:
    """What a fine-tuned model makes of examples, as `finetuning_report` without a run.

    Args:
        title: of the page.
        facts: lines of the first table.
        kind: of the dataset.
        metrics: on the examples, the most important first.
        examples: with labels.
        answers: one for each.
        labels: names of classes or tags, in the order of their ids.
        threshold: of span answers, see `SpanAnswer.text`.

    Raises:
        ValueError: a kind that is not known, or no examples.
    """
    parts = _sections_of_kind(
        kind, tuple(metrics), examples, answers, labels, threshold
    )
    found = _metrics(kind, (), metrics, {}, len(examples))
    first = Section("", table(None, list(facts.items())))
    return page(title, [first, Section("On these examples", found), *parts])


def curves(
    records: Sequence[Record], metrics: Sequence[str], best_step: int
) -> matplotlib.figure.Figure:
    """Loss, metrics, learning rate, speed and gradients over the steps.

    Args:
        records: of one run.
        metrics: of the development set that are drawn.
        best_step: is marked.
    """
    plain = {
        "learning_rate": "learning rate",
        "examples_per_second": "examples per second",
        "gradient_norm": "norm of the gradient",
    }
    logged = [name for name in plain if any(name in record for record in records)]
    num_rows = (2 + len(logged) + 1) // 2
    figure = new_figure(11, 3.2 * num_rows)
    axes = list(figure.subplots(num_rows, 2).flat)
    draw_training(axes[0], records, "loss")
    axes[0].set_title("loss")
    axes[0].legend(frameon=False)
    _draw_metrics(axes[1], records, metrics, best_step)
    for axis, name in zip(axes[2:], logged, strict=False):
        draw_plain(axis, records, name, plain[name])
    if "examples_per_second" in logged:
        axes[2 + logged.index("examples_per_second")].set_ylim(bottom=0)
    used = 2 + len(logged)
    for axis in axes[used:]:
        axis.set_visible(False)
    for axis in axes[:used]:
        axis.grid(visible=True, alpha=0.3)
    for axis in axes[max(0, used - 2) : used]:
        axis.set_xlabel("step")
    return figure


def _draw_metrics(
    axis: Any, records: Sequence[Record], metrics: Sequence[str], best_step: int
) -> None:
    if "accuracy" in metrics:
        draw_training(axis, records, "accuracy")
    for (color, marker), metric in zip(_LINES, metrics, strict=False):
        steps, values = series(records, "heldout", metric)
        axis.plot(
            steps,
            values,
            f"{marker}-",
            color=color,
            ms=4,
            label=f"dev, {name_of(metric)}",
        )
    axis.axvline(best_step, color=GREY, ls="--", label="taken")
    axis.set_title("metrics")
    axis.legend(frameon=False)


def _sections_of_kind(
    kind: str,
    metrics: Sequence[str],
    examples: Sequence[Any],
    answers: Sequence[Any],
    labels: Sequence[str] | None,
    threshold: float | None,
) -> list[Section]:
    # One function a kind, which is given what it needs.
    parts = {
        "classification": lambda: classification.sections(
            examples, answers, labels or ()
        ),
        "regression": lambda: regression.sections(examples, answers),
        "token_tagging": lambda: token_tagging.sections(
            examples, answers, labels or (), "entity_f1" in metrics
        ),
        "span_qa": lambda: span_qa.sections(examples, answers, threshold),
        "multiple_choice": lambda: multiple_choice.sections(examples, answers),
        "correction": lambda: correction.sections(examples, answers),
    }
    if kind not in parts:
        raise ValueError(f"Received kind={kind!r}. Expected one of {list(parts)}.")
    if not examples:
        raise ValueError("Received no examples. Expected those of a development set.")
    return parts[kind]()


def _metrics(
    kind: str,
    metrics: Sequence[str],
    found: dict[str, float],
    baselines: dict[str, dict[str, float]],
    num_examples: int,
) -> Html:
    """The metrics of the model beside those of simple guesses."""
    names = [*metrics, *(m for m in found if m not in metrics and is_known(m))]
    rows = []
    for metric in names:
        if metric in found:
            others = [
                text_of(metric, values[metric]) if metric in values else ""
                for values in baselines.values()
            ]
            this = tag("b", text_of(metric, found[metric]))
            rows.append([name_of(metric), this, *others])
    head = ["", "this model", *baselines]
    shown = table(head, rows, numbers=range(1, len(head)))
    return join([shown, _chance(kind, found, num_examples)])


def _chance(kind: str, found: dict[str, float], num_examples: int) -> Html:
    """How far the figures can be trusted; nothing where this is not known."""
    name = "exact" if kind == "span_qa" else "accuracy"
    # Words of a sentence are not independent, so tags are left out.
    if kind == "token_tagging" or name not in found:
        return Html("")
    share = found[name]
    room = 1.96 * (share * (1 - share) / num_examples) ** 0.5
    return note(
        f"Another {num_examples:,} examples of the same sort would give another "
        f"{name_of(name)}: in 19 of 20 cases within ± "
        f"{100 * room:.1f} points."
    )
