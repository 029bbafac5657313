"""`report.html` of a fine-tuned model: figures, runs, curves, and where it errs."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import matplotlib.figure

from bert_tf.finetuning.results import RunResult, best_result
from bert_tf.report import (
    classification,
    correction,
    multiple_choice,
    plots,
    regression,
    runs,
    span_qa,
    token_tagging,
)
from bert_tf.report.evaluation import Evaluation
from bert_tf.report.metric_names import METRIC_NAMES, name_of
from bert_tf.report.page import page
from bert_tf.training.run_log import Record

# The values of the sections that are of one kind; `templates/KIND.html` shows them.
SECTIONS: dict[str, Callable[[Evaluation], dict[str, Any]]] = {
    "classification": classification.values,
    "regression": regression.values,
    "token_tagging": token_tagging.values,
    "span_qa": span_qa.values,
    "multiple_choice": multiple_choice.values,
    "correction": correction.values,
}

# Lines of one picture differ in their colours and their markers.
_LINES = ((plots.RED, "o"), ("#2a9d8f", "s"), ("#8a6100", "^"), ("#6a4c93", "D"))
_QUANTITIES = {
    "learning_rate": "learning rate",
    "examples_per_second": "examples per second",
    "gradient_norm": "norm of the gradient",
}


def finetuning_report(
    title: str,
    *,
    facts: Mapping[str, str],
    evaluation: Evaluation,
    metrics: Sequence[str],
    results: Sequence[RunResult],
    records: Sequence[Record],
    baselines: Mapping[str, dict[str, float]],
    options: Mapping[str, Any],
) -> str:
    """The report as one HTML page with its pictures inside.

    Args:
        title, options: of the page, and of the program.
        facts: lines of the first table.
        evaluation: on the development set.
        metrics: that are shown first, and drawn; runs are compared by the first.
        results: of all runs.
        records: of `metrics.jsonl` of the best run.
        baselines: metrics of baselines, by name.

    Raises:
        ValueError: an unknown kind, or no examples.
    """
    sections = _sections(evaluation)
    best = best_result(results, metrics[0])
    values = {
        "facts": facts,
        "evaluated_on": "On the development set",
        "metrics": _known(best.metrics, metrics),
        "baselines": baselines,
        "margin": _margin(evaluation, best.metrics),
        "runs": runs.values(results, metrics[0]),
        "curves": curves(records, metrics, best.best_step) if records else None,
        "options": json.dumps(options, indent=2, ensure_ascii=False),
    }
    return page(title, "finetuning.html", {**values, **sections})


def evaluation_report(
    title: str, *, facts: Mapping[str, str], evaluation: Evaluation
) -> str:
    """The report on answers to examples, as `finetuning_report` without a run.

    Raises:
        ValueError: as `finetuning_report`.
    """
    values = {
        "facts": facts,
        "evaluated_on": "On these examples",
        "metrics": _known(evaluation.metrics),
        "baselines": {},
        "margin": _margin(evaluation, evaluation.metrics),
        **dict.fromkeys(("runs", "curves", "options")),
    }
    return page(title, "finetuning.html", {**values, **_sections(evaluation)})


def _sections(evaluation: Evaluation) -> dict[str, Any]:
    if evaluation.kind not in SECTIONS:
        raise ValueError(
            f"Received kind={evaluation.kind!r}. Expected one of {list(SECTIONS)}."
        )
    if not evaluation.examples:
        raise ValueError("Received no examples. Expected those of a development set.")
    return {"kind": evaluation.kind, **SECTIONS[evaluation.kind](evaluation)}


def curves(
    records: Sequence[Record], metrics: Sequence[str], best_step: int
) -> matplotlib.figure.Figure:
    """Loss, metrics, learning rate, speed and gradients over the steps.

    Args:
        records: of one run.
        metrics: of the development set that are drawn.
        best_step: is marked.
    """
    logged = [name for name in _QUANTITIES if any(name in r for r in records)]
    figure, axes = plots.panels(2 + len(logged))
    plots.label_steps(axes)
    plots.draw_training(axes[0], records, "loss")
    axes[0].set_title("loss")
    axes[0].legend(frameon=False)
    if "accuracy" in metrics:
        plots.draw_training(axes[1], records, "accuracy")
    for (color, marker), metric in zip(_LINES, metrics, strict=False):
        steps, values = plots.series(records, "heldout", metric)
        label = f"dev, {name_of(metric)}"
        axes[1].plot(steps, values, f"{marker}-", color=color, ms=4, label=label)
    axes[1].axvline(best_step, color=plots.GREY, ls="--", label="taken")
    axes[1].set_title("metrics")
    axes[1].legend(frameon=False)
    for axis, name in zip(axes[2:], logged, strict=True):
        plots.draw_plain(axis, records, name, _QUANTITIES[name])
    return figure


def _known(found: Mapping[str, float], first: Sequence[str] = ()) -> dict[str, float]:
    """The metrics that have a name, without counts and thresholds."""
    names = dict.fromkeys((*first, *(name for name in found if name in METRIC_NAMES)))
    return {name: found[name] for name in names if name in found}


def _margin(
    evaluation: Evaluation, found: Mapping[str, float]
) -> tuple[int, str, float] | None:
    """Examples, metric and its 95% margin of error in points; None if not known."""
    # A share of examples; words of a sentence are not independent, so tags have none.
    name = {"span_qa": "exact", "token_tagging": ""}.get(evaluation.kind, "accuracy")
    if name not in found:
        return None
    share, count = found[name], len(evaluation.examples)
    return count, name, 196 * (share * (1 - share) / count) ** 0.5
