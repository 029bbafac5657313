"""What a model of choices makes of the development set."""

from collections.abc import Sequence

import numpy as np

from bert_tf.report.calibration import calibration
from bert_tf.report.excerpts import hardest, shortened
from bert_tf.report.page import Html, Section, bar, join, note, table, tag
from bert_tf.tasks.multiple_choice import ChoiceAnswer
from data_pipelines.datasets.examples import ChoiceExample


def sections(
    examples: Sequence[ChoiceExample], answers: Sequence[ChoiceAnswer]
) -> list[Section]:
    """Places of the right choices, how sure the model is, the hardest examples.

    Args:
        examples: with labels.
        answers: one for each.
    """
    gold = np.array([example.label for example in examples])
    given = np.array([answer.choice for answer in answers])
    probabilities = np.array([answer.probabilities for answer in answers], np.float64)
    return [
        Section("By place", _by_place(gold, given, probabilities.shape[1])),
        Section("How sure it is", calibration(probabilities, gold.tolist())),
        Section("The hardest examples", _hardest(examples, gold, given, probabilities)),
    ]


def _by_place(gold: np.ndarray, given: np.ndarray, num_choices: int) -> Html:
    rows = []
    for place in range(num_choices):
        inside = gold == place
        right = float(np.mean(given[inside] == place)) if inside.any() else 0.0
        rows.append(
            [
                f"{place + 1}",
                f"{inside.sum():,}",
                f"{np.sum(given == place):,}",
                f"{right:.1%}" if inside.any() else "",
                bar(right),
            ]
        )
    head = ["place", "right ones", "chosen", "of the right ones found", ""]
    explanation = note(
        "Were one place chosen much more often than it is right, the model would look "
        "at places and not at texts."
    )
    return join([table(head, rows, numbers=(0, 1, 2, 3)), explanation])


def _hardest(
    examples: Sequence[ChoiceExample],
    gold: np.ndarray,
    given: np.ndarray,
    probabilities: np.ndarray,
) -> Html:
    right = gold == given
    believed = probabilities[np.arange(len(gold)), given]
    wrong_places, right_places = hardest(right, believed)
    count = int(np.sum(~right))
    explanation = note(
        f"{count:,} of {len(gold):,} are wrong. First those of which the model is most "
        "sure, then the right ones of which it is least sure."
    )
    cards = [
        _card(examples[place], int(given[place]), probabilities[place])
        for place in (*wrong_places, *right_places)
    ]
    return join([explanation, *cards])


def _card(example: ChoiceExample, given: int, probabilities: np.ndarray) -> Html:
    word = "right" if given == example.label else "wrong"
    rows = []
    for place, choice in enumerate(example.choices):
        words = []
        if place == example.label:
            words.append(tag("span", "✓ gold", kind="right"))
        if place == given:
            words.append(tag("span", "chosen", kind=word))
        rows.append(
            [
                f"{probabilities[place]:.1%}",
                bar(float(probabilities[place])),
                shortened(choice),
                join(words, ", "),
            ]
        )
    return tag(
        "div",
        tag(
            "p",
            tag("span", word, kind=word),
            tag("span", f"  id {example.id}", kind="id"),
        ),
        tag("p", shortened(example.first, 600)),
        table(None, rows, numbers=(0,)),
        kind="card",
    )
