"""The `report.html` of a fine-tuned model: metrics, runs, curves, mistakes."""

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

# The values of the sections for a kind of task; `templates/KIND.html` shows them.
SECTIONS: dict[str, Callable[[Evaluation], dict[str, Any]]] = {
    "classification": classification.values,
    "regression": regression.values,
    "token_tagging": token_tagging.values,
    "span_qa": span_qa.values,
    "multiple_choice": multiple_choice.values,
    "correction": correction.values,
}

# The colour and the marker of each line of a picture.
_LINES = ((plots.RED, "o"), ("#2a9d8f", "s"), ("#8a6100", "^"), ("#6a4c93", "D"))
_QUANTITIES = {
    "learning_rate": "learning rate",
    "examples_per_second": "examples per second",
    "gradient_norm": "gradient norm",
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
    """Renders the report as one self-contained HTML page.

    Args:
        title: the title of the page.
        facts: the rows of the first table.
        evaluation: the evaluation on the development set.
        metrics: the metrics that are shown first and plotted; runs are compared by
            the first.
        results: the results of all runs.
        records: the contents of `metrics.jsonl` of the best run.
        baselines: metrics of baselines, by name.
        options: the options of the program.

    Raises:
        ValueError: the kind is unknown, or there are no examples.
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
    """Renders a report like `finetuning_report`, but without runs.

    Raises:
        ValueError: as for `finetuning_report`.
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
        raise ValueError("Received no examples. Expected a development set.")
    return {"kind": evaluation.kind, **SECTIONS[evaluation.kind](evaluation)}


def curves(
    records: Sequence[Record], metrics: Sequence[str], best_step: int
) -> matplotlib.figure.Figure:
    """Plots loss, metrics, learning rate, speed and gradient norm over the steps.

    Args:
        records: the records of one run.
        metrics: the metrics of the development set that are plotted.
        best_step: the step to mark.
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
    axes[1].axvline(best_step, color=plots.GREY, ls="--", label="best step")
    axes[1].set_title("metrics")
    axes[1].legend(frameon=False)
    for axis, name in zip(axes[2:], logged, strict=True):
        plots.draw_plain(axis, records, name, _QUANTITIES[name])
    return figure


def _known(found: Mapping[str, float], first: Sequence[str] = ()) -> dict[str, float]:
    """The metrics with a name, without counts and thresholds."""
    names = dict.fromkeys((*first, *(name for name in found if name in METRIC_NAMES)))
    return {name: found[name] for name in names if name in found}


def _margin(
    evaluation: Evaluation, found: Mapping[str, float]
) -> tuple[int, str, float] | None:
    """The number of examples, a metric, and its 95% margin of error in points.

    None if the metric is not a share of examples: tags have none, since the words of a
    sentence are not independent.
    """
    name = {"span_qa": "exact", "token_tagging": ""}.get(evaluation.kind, "accuracy")
    if name not in found:
        return None
    share, count = found[name], len(evaluation.examples)
    return count, name, 196 * (share * (1 - share) / count) ** 0.5
