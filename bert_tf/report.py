"""`report.html`: what a pre-training run did, in one file that needs no server."""

import base64
import dataclasses
import html
import io
import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import matplotlib.figure
import numpy as np

from bert_tf.run_log import Record
from data_pipelines.vocabulary import Vocabulary

# The heldout metrics as people call them, and how they are written.
_METRICS = {
    "mlm_loss": ("masked tokens, loss (nats)", "{:.3f}"),
    "mlm_accuracy": ("masked tokens, accuracy", "{:.1%}"),
    "sentence_loss": ("sentence task, loss (nats)", "{:.3f}"),
    "sentence_accuracy": ("sentence task, accuracy", "{:.1%}"),
}

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto;
       padding: 0 1rem; color: #222; }
table { border-collapse: collapse; margin: 1rem 0; }
td, th { padding: .25rem .8rem; border-bottom: 1px solid #ddd; text-align: left;
         vertical-align: top; }
td.number { text-align: right; font-variant-numeric: tabular-nums; }
img { max-width: 100%; }
mark { background: #ffe9a8; padding: 0 .2rem; }
.right { color: #0a7a2f; font-weight: 600; }
.pale { color: #777; }
pre { background: #f6f6f6; padding: 1rem; overflow-x: auto; }
"""


@dataclasses.dataclass(frozen=True)
class ClozeGuess:
    """A masked token of a held-out row, and what the model made of it.

    Attributes:
        before: the text before it.
        after: the text after it.
        answer: the token that stood there.
        guesses: tokens and their probabilities, best first.
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
    window: int = 14,
) -> list[ClozeGuess]:
    """Guesses for one masked token of each of the first rows of a batch.

    Args:
        predict: the pre-training model.
        batch: of `evaluation_batches`.
        vocabulary: of the model.
        num_guesses: how many for each.
        num_rows: how many rows.
        window: how many pieces are shown on either side.
    """
    logits = np.asarray(predict(batch)["mlm"], np.float32)[:num_rows]
    rows = np.asarray(batch["token_ids"])
    cloze = []
    for row, scores in enumerate(logits):
        # Not always the first: the place in the row moves with its number.
        count = int(np.sum(np.asarray(batch["mlm_weights"][row]) > 0))
        if not count:
            continue
        place = (row * 7 + 3) % count
        position = int(batch["mlm_positions"][row, place])
        scores = np.exp(scores[place] - scores[place].max())
        probabilities = scores / scores.sum()
        best = np.argsort(-probabilities[: len(vocabulary)])[:num_guesses]
        real = int(np.sum(np.asarray(batch["padding_mask"][row])))
        first, last = max(0, position - window), min(real, position + window + 1)
        cloze.append(
            ClozeGuess(
                before=joined_pieces(rows[row, first:position], vocabulary),
                after=joined_pieces(rows[row, position + 1 : last], vocabulary),
                answer=vocabulary.tokens[int(batch["mlm_ids"][row, place])],
                guesses=tuple(
                    (vocabulary.tokens[i], float(probabilities[i])) for i in best
                ),
            )
        )
    return cloze


def joined_pieces(token_ids: Iterable[int], vocabulary: Vocabulary) -> str:
    """Pieces as readable text: `["un", "##do", "it"]` becomes `"undo it"`."""
    pieces = " ".join(vocabulary.tokens[int(token_id)] for token_id in token_ids)
    return pieces.replace(" ##", "")


def report_html(
    title: str,
    *,
    facts: dict[str, str],
    records: Sequence[Record],
    trivial: dict[str, float] | None,
    cloze: Sequence[ClozeGuess],
    options: dict[str, Any],
) -> str:
    """The report as one HTML page with its pictures inside.

    Args:
        title: of the page.
        facts: lines of the first table.
        records: of `metrics.jsonl`.
        trivial: held-out metrics of trivial guesses; None without held-out data.
        cloze: sample guesses.
        options: the options of the run.
    """
    heldout = [record for record in records if record["split"] == "heldout"]
    sections = [_table(["", ""], [[k, v] for k, v in facts.items()], header=False)]
    if heldout and trivial:
        sections.append("<h2>On held-out documents</h2>")
        sections.append(_heldout_table(heldout[-1], trivial))
    sections.append("<h2>Curves</h2>")
    sections.append(_picture(curves(records, trivial)))
    if cloze:
        sections.append("<h2>Guesses for masked tokens of held-out rows</h2>")
        sections.append(_cloze_table(cloze))
    text = html.escape(json.dumps(options, indent=2))
    sections.append(f"<h2>Options</h2><pre>{text}</pre>")
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f"<title>{html.escape(title)}</title><style>{_STYLE}</style></head>"
        f"<body><h1>{html.escape(title)}</h1>{''.join(sections)}</body></html>\n"
    )


def curves(
    records: Sequence[Record], trivial: dict[str, float] | None
) -> matplotlib.figure.Figure:
    """Loss, accuracies, learning rate and speed over the steps."""
    # A Figure of its own, not pyplot, which keeps figures and may want a screen.
    figure = matplotlib.figure.Figure(figsize=(11, 9.5), layout="constrained")
    axes = figure.subplots(3, 2)
    has_sentence_task = any("sentence_loss" in record for record in records)
    for axis, metric in zip(axes.flat, _METRICS, strict=False):
        axis.set_title(_METRICS[metric][0])
        if not has_sentence_task and metric.startswith("sentence"):
            axis.text(0.5, 0.5, "no sentence task", ha="center", va="center")
            continue
        _draw(axis, records, metric, trivial)
    _draw_one(axes[2, 0], records, "learning_rate", "learning rate")
    _draw_one(axes[2, 1], records, "tokens_per_second", "tokens per second")
    axes[2, 1].set_ylim(bottom=0)
    for axis in axes[2]:
        axis.set_xlabel("step")
    return figure


def _draw(
    axis: Any, records: Sequence[Record], metric: str, trivial: dict | None
) -> None:
    train_steps, train = _series(records, "train", metric)
    axis.plot(train_steps, train, color="#9db8d9", linewidth=0.8, label="training")
    if len(train) >= 20:
        width = max(5, len(train) // 40)
        smooth = np.convolve(train, np.ones(width) / width, mode="valid")
        axis.plot(
            train_steps[width - 1 :], smooth, color="#2563a8", label="training, mean"
        )
    heldout_steps, heldout = _series(records, "heldout", metric)
    if len(heldout):
        axis.plot(heldout_steps, heldout, "o-", color="#d1495b", ms=3, label="held out")
    if trivial and metric in trivial:
        axis.axhline(trivial[metric], color="#777", ls="--", label="trivial guess")
    axis.grid(alpha=0.3)
    axis.legend(frameon=False)


def _draw_one(axis: Any, records: Sequence[Record], metric: str, title: str) -> None:
    axis.plot(*_series(records, "train", metric), color="#2563a8", linewidth=0.9)
    axis.set_title(title)
    axis.grid(alpha=0.3)


def _series(
    records: Sequence[Record], split: str, metric: str
) -> tuple[np.ndarray, np.ndarray]:
    points = [
        (record["step"], record[metric])
        for record in records
        if record["split"] == split and metric in record
    ]
    steps, values = zip(*points, strict=True) if points else ((), ())
    return np.array(steps), np.array(values)


def _picture(figure: matplotlib.figure.Figure) -> str:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    encoded = base64.b64encode(buffer.getvalue()).decode()
    return f'<img alt="curves" src="data:image/png;base64,{encoded}">'


def _heldout_table(heldout: Record, trivial: dict[str, float]) -> str:
    rows = [
        [name, form.format(heldout[metric]), form.format(trivial[metric])]
        for metric, (name, form) in _METRICS.items()
        if metric in heldout
    ]
    note = (
        '<p class="pale">Trivial guess: the frequencies of the training labels for '
        "the losses, the most frequent label for the accuracies.</p>"
    )
    return _table(["", "this model", "trivial guess"], rows) + note


def _cloze_table(cloze: Sequence[ClozeGuess]) -> str:
    rows = []
    for guess in cloze:
        text = (
            f"{html.escape(guess.before)} <mark>{html.escape(guess.answer)}</mark> "
            f"{html.escape(guess.after)}"
        )
        shown = []
        for token, probability in guess.guesses:
            kind = ' class="right"' if token == guess.answer else ""
            shown.append(
                f"<span{kind}>{html.escape(token)}</span>"
                f' <span class="pale">{probability:.0%}</span>'
            )
        rows.append([text, ", ".join(shown)])
    note = (
        '<p class="pale">The marked token was to be found; other tokens of the row may '
        "be masked too.</p>"
    )
    return note + _table(["text", "the model's guesses"], rows, escaped=True)


def _table(
    head: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    header: bool = True,
    escaped: bool = False,
) -> str:
    def cell(value: str, column: int) -> str:
        kind = ' class="number"' if column and not escaped and header else ""
        return f"<td{kind}>{value if escaped else html.escape(value)}</td>"

    lines = ["<table>"]
    if header:
        lines.append(f"<tr>{''.join(f'<th>{html.escape(h)}</th>' for h in head)}</tr>")
    lines += [
        f"<tr>{''.join(cell(value, i) for i, value in enumerate(row))}</tr>"
        for row in rows
    ]
    return "".join([*lines, "</table>"])
