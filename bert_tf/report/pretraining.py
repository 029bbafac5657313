"""`report.html` of a pre-training: figures, curves, guesses for masked tokens."""

import dataclasses
import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import matplotlib.figure
import numpy as np

from bert_tf.report.page import Html, Section, join, note, page, picture, table, tag
from bert_tf.report.plots import (
    GREY,
    RED,
    draw_plain,
    draw_training,
    new_figure,
    series,
)
from bert_tf.training.run_log import Record
from data_pipelines.tokenizers.vocabulary import Vocabulary

# The heldout metrics as people call them, and how they are written.
_METRICS = {
    "mlm_loss": ("masked tokens, loss (nats)", "{:.3f}"),
    "forward_loss": ("tokens from those before, loss (nats)", "{:.3f}"),
    "backward_loss": ("tokens from those behind, loss (nats)", "{:.3f}"),
    "mlm_accuracy": ("masked tokens, accuracy", "{:.1%}"),
    "replaced_loss": ("replaced or not, loss (nats)", "{:.3f}"),
    "replaced_accuracy": ("replaced or not, accuracy", "{:.1%}"),
    "sentence_loss": ("sentence task, loss (nats)", "{:.3f}"),
    "sentence_accuracy": ("sentence task, accuracy", "{:.1%}"),
}


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


def pretraining_report(
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
    sections = [Section("", table(None, list(facts.items())))]
    if heldout and trivial:
        sections.append(
            Section("On held-out documents", _heldout_table(heldout[-1], trivial))
        )
    sections.append(Section("Curves", picture(curves(records, trivial), "curves")))
    if cloze:
        heading = "Guesses for masked tokens of held-out rows"
        sections.append(Section(heading, _cloze_table(cloze)))
    sections.append(Section("Options", tag("pre", json.dumps(options, indent=2))))
    return page(title, sections)


def curves(
    records: Sequence[Record], trivial: dict[str, float] | None
) -> matplotlib.figure.Figure:
    """Loss, accuracies, learning rate and speed over the steps."""
    shown = [name for name in _METRICS if any(name in record for record in records)]
    rows = -(-len(shown) // 2) + 1
    figure = new_figure(11, 3.2 * rows)
    axes = figure.subplots(rows, 2, squeeze=False)
    for axis, metric in zip(axes.flat, shown, strict=False):
        axis.set_title(_METRICS[metric][0])
        _draw(axis, records, metric, trivial)
    if len(shown) % 2:
        axes[-2, 1].set_axis_off()
    draw_plain(axes[-1, 0], records, "learning_rate", "learning rate")
    draw_plain(axes[-1, 1], records, "tokens_per_second", "tokens per second")
    axes[-1, 1].set_ylim(bottom=0)
    for axis in axes[-1]:
        axis.set_xlabel("step")
    return figure


def _draw(
    axis: Any, records: Sequence[Record], metric: str, trivial: dict | None
) -> None:
    draw_training(axis, records, metric)
    heldout_steps, heldout = series(records, "heldout", metric)
    if len(heldout):
        axis.plot(heldout_steps, heldout, "o-", color=RED, ms=3, label="held out")
    if trivial and metric in trivial:
        axis.axhline(trivial[metric], color=GREY, ls="--", label="trivial guess")
    axis.grid(alpha=0.3)
    axis.legend(frameon=False)


def _heldout_table(heldout: Record, trivial: dict[str, float]) -> Html:
    rows = [
        [
            name,
            form.format(heldout[metric]),
            form.format(trivial[metric]) if metric in trivial else "",
        ]
        for metric, (name, form) in _METRICS.items()
        if metric in heldout
    ]
    explanation = note(
        "Trivial guess: the frequencies of the training labels for the losses, the "
        "most frequent label for the accuracies."
    )
    head = ["", "this model", "trivial guess"]
    return join([table(head, rows, numbers=(1, 2)), explanation])


def _cloze_table(cloze: Sequence[ClozeGuess]) -> Html:
    rows = []
    for guess in cloze:
        answer = tag("mark", guess.answer)
        shown = [
            join(
                [
                    tag("span", token, kind="right" if token == guess.answer else ""),
                    " ",
                    tag("span", f"{probability:.0%}", kind="pale"),
                ]
            )
            for token, probability in guess.guesses
        ]
        rows.append([join([guess.before, answer, guess.after], " "), join(shown, ", ")])
    explanation = note(
        "The marked token was to be found; other tokens of the row may be masked too."
    )
    return join([explanation, table(["text", "the model's guesses"], rows)])
