"""From decoded outputs of sequences to one answer for each example."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from bert_tf.tasks.classification import mean_by_example
from bert_tf.tasks.span_qa import SpanAnswer, span_answer

# Decoded outputs, or origins, of some sequences: one array or number for each.
Rows = dict[str, Sequence[Any]]


@dataclasses.dataclass(frozen=True)
class ClassAnswer:
    """A class of a text.

    Attributes:
        label: the most probable one.
        probabilities: float (classes,).
    """

    label: str
    probabilities: np.ndarray


@dataclasses.dataclass(frozen=True)
class ScoreAnswer:
    """A score of a text."""

    score: float


@dataclasses.dataclass(frozen=True)
class TagsAnswer:
    """A tag for each word of a sentence, and how probable each is."""

    tags: tuple[str, ...]
    probabilities: tuple[float, ...]


@dataclasses.dataclass(frozen=True)
class ChoiceAnswer:
    """One of several choices.

    Attributes:
        choice: its place.
        probabilities: float (choices,).
    """

    choice: int
    probabilities: np.ndarray


Answer = ClassAnswer | ScoreAnswer | TagsAnswer | ChoiceAnswer | SpanAnswer


def class_answers(
    examples: Sequence[Any], decoded: Rows, origin: Rows, encoding: Any
) -> list[ClassAnswer]:
    """Means of the probabilities over the windows of each text."""
    means = mean_by_example(
        np.asarray(decoded["probabilities"]), np.asarray(origin["example"])
    )
    return [ClassAnswer(encoding.labels[row.argmax()], row) for row in means]


def score_answers(
    examples: Sequence[Any], decoded: Rows, origin: Rows, encoding: Any
) -> list[ScoreAnswer]:
    """Means of the scores over the windows of each text."""
    means = mean_by_example(np.asarray(decoded["score"]), np.asarray(origin["example"]))
    return [ScoreAnswer(float(mean)) for mean in means]


def choice_answers(
    examples: Sequence[Any], decoded: Rows, origin: Rows, encoding: Any
) -> list[ChoiceAnswer]:
    """The best choice of each text: here a row of outputs is one text."""
    rows = np.asarray(decoded["probabilities"])
    return [ChoiceAnswer(int(row.argmax()), row) for row in rows]


def tag_answers(
    examples: Sequence[Any], decoded: Rows, origin: Rows, encoding: Any
) -> list[TagsAnswer]:
    """The tags of each sentence, from whichever window has each word."""
    tags = [np.zeros(len(example.words), np.int32) for example in examples]
    probabilities = [np.zeros(len(example.words)) for example in examples]
    for sequence, example in enumerate(origin["example"]):
        words = origin["words"][sequence]
        tags[example][words] = decoded["tags"][sequence][: len(words)]
        probabilities[example][words] = decoded["probabilities"][sequence][: len(words)]
    names = encoding.labels
    return [
        TagsAnswer(tuple(names[tag] for tag in row), tuple(values.tolist()))
        for row, values in zip(tags, probabilities, strict=True)
    ]


def span_answers(
    examples: Sequence[Any], decoded: Rows, origin: Rows, encoding: Any
) -> list[SpanAnswer]:
    """The best spans of each question over its windows."""
    firsts = np.searchsorted(origin["example"], np.arange(len(examples) + 1))
    answers = []
    for index, example in enumerate(examples):
        windows = slice(firsts[index], firsts[index + 1])
        answers.append(
            span_answer(
                example.context,
                {name: np.asarray(rows[windows]) for name, rows in decoded.items()},
                origin["token_starts"][windows],
                origin["token_ends"][windows],
            )
        )
    return answers
