"""Which classes are taken for which, as a picture and in words."""

import numpy as np

from bert_tf.metrics.classification import LabelScores
from bert_tf.report.page import Html, bar, join, note, picture, table
from bert_tf.report.plots import confusion_figure, names_for_picture

# As many classes can be told apart in a picture.
_MAX_SHOWN = 50
_MAX_PAIRS = 12


def confusion(
    counts: np.ndarray, names: tuple[str, ...], most: int = _MAX_SHOWN
) -> Html:
    """A picture of the classes that are confused most, and the most frequent pairs.

    Args:
        counts: int (classes, classes), row = label, column = prediction.
        names: of the classes.
        most: how many classes are shown.
    """
    wrong = counts * ~np.eye(len(names), dtype=bool)
    shown = np.arange(len(names))
    parts: list[Html] = []
    if len(names) > most:
        order = np.argsort(-(wrong.sum(axis=0) + wrong.sum(axis=1)), kind="stable")
        shown = np.sort(order[:most])
        parts.append(note(f"The {most} of {len(names)} that are confused most."))
    chosen = [names[place] for place in shown]
    short = names_for_picture(chosen)
    if any(
        name.isdigit() and name != own for name, own in zip(short, chosen, strict=True)
    ):
        legend = join(map(" = ".join, zip(short, chosen, strict=True)), ", ")
        parts.append(note("In the picture ", legend, "."))
    figure = confusion_figure(counts[np.ix_(shown, shown)], short)
    parts.append(picture(figure, "which class was taken for which"))
    if len(names) > 2:
        parts.append(_pairs(wrong, counts.sum(axis=1), names))
    return join(parts)


def _pairs(wrong: np.ndarray, totals: np.ndarray, names: tuple[str, ...]) -> Html:
    order = np.argsort(-wrong, axis=None, kind="stable")[:_MAX_PAIRS]
    rows = []
    for place in order:
        label, prediction = divmod(int(place), len(names))
        count = int(wrong[label, prediction])
        if count:
            share = f"{count / totals[label]:.1%}"
            rows.append([names[label], names[prediction], f"{count:,}", share])
    if not rows:
        return note("None was taken for another.")
    head = ["gold", "predicted", "times", "of the gold ones"]
    return table(head, rows, numbers=(2, 3))


def label_table(name: str, scores: dict[str, LabelScores]) -> Html:
    """Precision, recall, F1 and number of each class.

    Args:
        name: what the classes are.
        scores: by class.
    """
    rows = [
        [
            label,
            f"{values.precision:.1%}",
            f"{values.recall:.1%}",
            f"{values.f1:.1%}",
            bar(values.f1),
            f"{values.support:,}",
        ]
        for label, values in scores.items()
    ]
    head = [name, "precision", "recall", "F1", "", "gold ones"]
    return table(head, rows, numbers=(1, 2, 3, 5))
