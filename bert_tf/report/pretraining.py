"""The `report.html` of pre-training: metrics, curves, predictions of masked tokens."""

import dataclasses
import datetime
import json
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import matplotlib.figure
import numpy as np

from bert_tf.report import plots
from bert_tf.report.metric_names import METRIC_NAMES, name_of
from bert_tf.report.page import page
from bert_tf.training.run_log import MFU, Record
from data_pipelines.tokenizers.vocabulary import Vocabulary

_QUANTITIES = {
    "learning_rate": "learning rate",
    "tokens_per_second": "tokens per second",
}
# The number of pieces shown on either side of a masked token.
_WINDOW = 14


@dataclasses.dataclass(frozen=True)
class ClozeGuess:
    """A masked token of a held-out row, and the model's predictions.

    Attributes:
        before, after: the text around it.
        answer: the original token.
        guesses: predicted tokens and their probabilities, best first.
    """

    before: str
    after: str
    answer: str
    guesses: tuple[tuple[str, float], ...]


def cloze_guesses(
    predict: Callable[[dict[str, Any]], dict[str, Any]],
    batch: dict[str, Any],
    vocabulary: Vocabulary,
    num_guesses: int = 5,
    num_rows: int = 12,
) -> list[ClozeGuess]:
    """Predicts one masked token in each of the first rows of a batch.

    Args:
        predict: the pre-training model.
        batch: a batch of `evaluation_batches`.
        vocabulary: the model's vocabulary.
        num_guesses: the number of predictions for each token.
        num_rows: the number of rows.
    """
    logits = np.asarray(predict(batch)["mlm"], np.float32)[:num_rows]
    rows = np.asarray(batch["token_ids"])
    cloze = []
    for row, scores in enumerate(logits):
        # The chosen mask varies with the row, so that it is not always the first.
        count = int(np.sum(np.asarray(batch["mlm_weights"][row]) > 0))
        if not count:
            continue
        place = (row * 7 + 3) % count
        position = int(batch["mlm_positions"][row, place])
        scores = np.exp(scores[place] - scores[place].max())
        probabilities = scores / scores.sum()
        best = np.argsort(-probabilities[: len(vocabulary)])[:num_guesses]
        real = int(np.sum(np.asarray(batch["padding_mask"][row])))
        first, last = max(0, position - _WINDOW), min(real, position + _WINDOW + 1)
        cloze.append(
            ClozeGuess(
                before=joined_pieces(rows[row, first:position], vocabulary),
                after=joined_pieces(rows[row, position + 1 : last], vocabulary),
                answer=vocabulary.names[int(batch["mlm_ids"][row, place])],
                guesses=tuple(
                    (vocabulary.names[i], float(probabilities[i])) for i in best
                ),
            )
        )
    return cloze


def joined_pieces(token_ids: Iterable[int], vocabulary: Vocabulary) -> str:
    """Pieces as readable text: `["un", "##do", "it"]` becomes `"undo it"`."""
    return vocabulary.joined(vocabulary.tokens[int(id_)] for id_ in token_ids)


def run_facts(
    model: Any,
    vocabulary: Vocabulary,
    counts: Mapping[str, int],
    records: Sequence[Record],
    *,
    training: str,
) -> dict[str, str]:
    """The rows of the first table.

    Args:
        model, vocabulary: the trained model and its vocabulary.
        counts: counts of the training text, from the manifest of the records.
        records: the contents of `metrics.jsonl`.
        training: the number of steps, the batch size and the dtype.
    """
    steps = [record for record in records if record["split"] == "train"]
    first, last = (datetime.datetime.fromisoformat(steps[n]["time"]) for n in (0, -1))
    rate = statistics.median(record["tokens_per_second"] for record in steps)
    utilization = statistics.median(record[MFU] for record in steps)
    config = model.encoder.config
    return {
        "model": f"{config.num_hidden_layers} layers of {config.hidden_size}, "
        f"{model.count_params():,} weights",
        "vocabulary": f"{len(vocabulary):,} pieces, "
        f"{'lower-cased' if vocabulary.lower_case else 'cased'}",
        "training text": f"{counts['documents']:,} documents, "
        f"{counts['tokens']:,} tokens, "
        f"{counts['bytes'] / max(counts['tokens'], 1):.2f} bytes per token",
        "training": f"{training}, from {first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M} "
        "UTC",
        "speed": f"{rate:,.0f} tokens/s, {utilization:.0%} of the machine's measured "
        "matrix-multiplication rate (MFU; medians)",
    }


def pretraining_report(
    title: str,
    *,
    facts: dict[str, str],
    records: Sequence[Record],
    baseline: dict[str, float] | None,
    cloze: Sequence[ClozeGuess],
    options: dict[str, Any],
) -> str:
    """Renders the report as one self-contained HTML page.

    Args:
        title: the title of the page.
        facts: the rows of the first table.
        records: the contents of `metrics.jsonl`.
        baseline: held-out metrics of the unigram baseline; None without held-out data.
        cloze: sample predictions.
        options: the options of the run.
    """
    heldout = [record for record in records if record["split"] == "heldout"]
    values = {
        "facts": facts,
        "heldout": {m: heldout[-1][m] for m in METRIC_NAMES if m in heldout[-1]}
        if heldout and baseline
        else {},
        "baseline": baseline,
        "curves": curves(records, baseline),
        "cloze": cloze,
        "options": json.dumps(options, indent=2),
    }
    return page(title, "pretraining.html", values)


def curves(
    records: Sequence[Record], baseline: dict[str, float] | None
) -> matplotlib.figure.Figure:
    """Plots loss, accuracies, learning rate and speed over the steps."""
    shown = [name for name in METRIC_NAMES if any(name in record for record in records)]
    figure, axes = plots.panels(len(shown) + len(_QUANTITIES))
    plots.label_steps(axes)
    for axis, metric in zip(axes, shown, strict=False):
        axis.set_title(name_of(metric))
        plots.draw_training(axis, records, metric)
        steps, values = plots.series(records, "heldout", metric)
        if len(values):
            axis.plot(steps, values, "o-", color=plots.RED, ms=3, label="held out")
        if baseline and metric in baseline:
            look = {"color": plots.GREY, "ls": "--", "label": "unigram baseline"}
            axis.axhline(baseline[metric], **look)
        axis.legend(frameon=False)
    for axis, name in zip(axes[len(shown) :], _QUANTITIES, strict=True):
        plots.draw_plain(axis, records, name, _QUANTITIES[name])
    return figure
