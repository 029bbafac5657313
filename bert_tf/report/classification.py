"""What a classifier makes of the development set."""

from collections.abc import Sequence

import numpy as np

from bert_tf.metrics.classification import confusion_matrix, label_scores
from bert_tf.report.calibration import calibration
from bert_tf.report.confusion import confusion, label_table
from bert_tf.report.excerpts import hardest, shortened
from bert_tf.report.page import Html, Section, join, note, table, tag
from bert_tf.tasks.classification import ClassAnswer
from data_pipelines.datasets.examples import TextExample


def sections(
    examples: Sequence[TextExample],
    answers: Sequence[ClassAnswer],
    labels: Sequence[str],
) -> list[Section]:
    """The classes, how sure the model is, and the hardest examples.

    Args:
        examples: with labels.
        answers: one for each.
        labels: names of the classes, in the order of their ids.
    """
    names = tuple(labels)
    ids = {label: place for place, label in enumerate(names)}
    gold = np.array([ids[str(example.label)] for example in examples])
    given = np.array([ids[answer.label] for answer in answers])
    probabilities = np.array([answer.probabilities for answer in answers], np.float64)
    scores = label_table("class", label_scores(gold, given, names))
    picture = confusion(confusion_matrix(gold, given, len(names)), names)
    return [
        Section("Classes", join([scores, picture])),
        Section("How sure it is", calibration(probabilities, gold.tolist())),
        Section(
            "The hardest examples",
            _hardest(examples, gold, given, probabilities, names),
        ),
    ]


def texts_of(example: TextExample, *below: str) -> Html:
    """The texts of an example, shortened, its id and more below them."""
    parts = [tag("div", shortened(example.first))]
    if example.second is not None:
        parts.append(tag("div", "— ", shortened(example.second)))
    ids = join([f"id {example.id}", *below], ", ")
    return join([*parts, tag("div", ids, kind="id")])


def _hardest(
    examples: Sequence[TextExample],
    gold: np.ndarray,
    given: np.ndarray,
    probabilities: np.ndarray,
    names: tuple[str, ...],
) -> Html:
    right = gold == given
    rows = np.arange(len(gold))
    believed = probabilities[rows, given]
    wrong_places, right_places = hardest(right, believed)

    def class_and_probability(class_id: int, place: int) -> Html:
        probability = f"{probabilities[place, class_id]:.1%}"
        return join([names[class_id], tag("div", probability, kind="pale")])

    def row(place: int) -> list[str]:
        word = "right" if right[place] else "wrong"
        return [
            tag("span", word, kind=word),
            texts_of(examples[place]),
            class_and_probability(gold[place], place),
            class_and_probability(given[place], place),
        ]

    count = int(np.sum(~right))
    explanation = note(
        f"{count:,} of {len(gold):,} are wrong. First those of which the model is most "
        "sure (a look at them often finds mistakes in the data), then the right ones "
        "of which it is least sure."
    )
    shown = [row(place) for place in (*wrong_places, *right_places)]
    return join([explanation, table(["", "text", "gold", "predicted"], shown)])
