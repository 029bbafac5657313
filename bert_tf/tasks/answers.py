"""From decoded outputs of sequences to one answer for each example.

What makes the answers is in graph: evaluation, prediction and the SavedModel share it.
What reads them gives plain Python.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from bert_tf.tasks.edits import Edits, edit_tensors
from bert_tf.tasks.piece_edits import edits_of_pieces
from bert_tf.tasks.span_qa import SpanAnswer, read_span_answers, span_answers
from data_pipelines.rows.features import Features

# Spans of an answer to a question that are shown.
NUM_SHOWN = 5
# Of examples, by name.
Tensors = dict[str, tf.Tensor | tf.RaggedTensor]


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


@dataclasses.dataclass(frozen=True)
class Edit:
    """A place of a text where something else is written.

    Attributes:
        start: the first character.
        end: the one after the last; as the first where something is only inserted.
        original: what stands there.
        replacement: what is written instead.
        probability: the least of those of its parts.
    """

    start: int
    end: int
    original: str
    replacement: str
    probability: float


@dataclasses.dataclass(frozen=True)
class CorrectionAnswer:
    """A text as it should be, and what was changed in it."""

    corrected: str
    edits: tuple[Edit, ...]


Answer = (
    ClassAnswer
    | ScoreAnswer
    | TagsAnswer
    | ChoiceAnswer
    | SpanAnswer
    | CorrectionAnswer
)


def class_tensors(decoded: Tensors, origin: Features, encoding: Any) -> Tensors:
    """Means of the probabilities over the windows of each text.

    Returns:
        `label` string (texts,), the most probable; `probabilities` float32 (texts,
        classes).
    """
    means = mean_by_example(decoded["probabilities"], origin["example"])
    best = tf.argmax(means, axis=1)
    return {
        "label": tf.gather(tf.constant(encoding.labels), best),
        "probabilities": means,
    }


def read_classes(answers: Tensors, examples: Sequence[Any]) -> list[ClassAnswer]:
    """What `class_tensors` made."""
    labels, rows = answers["label"].numpy(), answers["probabilities"].numpy()
    return [
        ClassAnswer(label.decode(), row)
        for label, row in zip(labels, rows, strict=True)
    ]


def score_tensors(decoded: Tensors, origin: Features, encoding: Any) -> Tensors:
    """`score` float32 (texts,), the means over the windows of each text."""
    return {"score": mean_by_example(decoded["score"], origin["example"])}


def read_scores(answers: Tensors, examples: Sequence[Any]) -> list[ScoreAnswer]:
    """What `score_tensors` made."""
    return [ScoreAnswer(score) for score in answers["score"].numpy().tolist()]


def choice_tensors(decoded: Tensors, origin: Features, encoding: Any) -> Tensors:
    """The best choice of each text: a row of outputs is one text.

    Returns:
        `choice` int32 (texts,), from 0; `probabilities` float32 (texts, choices).
    """
    probabilities = decoded["probabilities"]
    return {
        "choice": tf.argmax(probabilities, axis=1, output_type=tf.int32),
        "probabilities": probabilities,
    }


def read_choices(answers: Tensors, examples: Sequence[Any]) -> list[ChoiceAnswer]:
    """What `choice_tensors` made."""
    choices, rows = answers["choice"].numpy(), answers["probabilities"].numpy()
    return [ChoiceAnswer(int(c), row) for c, row in zip(choices, rows, strict=True)]


def tag_tensors(decoded: Tensors, origin: Features, encoding: Any) -> Tensors:
    """The tags of each sentence, from whichever window has each word.

    Returns:
        `tags` string and `probabilities` float32, ragged (sentences, (words)).
    """
    places = origin["words"]
    sentence = tf.gather(origin["example"], places.value_rowids())
    num_sentences = tf.reduce_max(tf.pad(origin["example"] + 1, [[0, 1]]))
    counts = tf.math.bincount(sentence, minlength=num_sentences, dtype=tf.int32)
    target = tf.gather(tf.cumsum(counts, exclusive=True), sentence) + places.values

    def by_sentence(values: tf.RaggedTensor) -> tf.RaggedTensor:
        ordered = tf.gather(values.values, tf.argsort(target))
        return tf.RaggedTensor.from_row_lengths(ordered, counts, validate=False)

    tags = by_sentence(decoded["tags"])
    names = tf.gather(tf.constant(encoding.labels), tags.values)
    return {
        "tags": tags.with_values(names),
        "probabilities": by_sentence(decoded["probabilities"]),
    }


def read_tags(answers: Tensors, examples: Sequence[Any]) -> list[TagsAnswer]:
    """What `tag_tensors` made."""
    return [
        TagsAnswer(tuple(tag.decode() for tag in tags), tuple(probabilities))
        for tags, probabilities in zip(
            answers["tags"].to_list(), answers["probabilities"].to_list(), strict=True
        )
    ]


def span_tensors(decoded: Tensors, origin: Features, encoding: Any) -> Tensors:
    """The best spans of each question over its windows, see `span_answers`."""
    return span_answers(decoded, origin)


def read_spans(answers: Tensors, examples: Sequence[Any]) -> list[SpanAnswer]:
    """What `span_tensors` made."""
    return read_span_answers(answers, [example.context for example in examples])


def piece_edits(decoded: Tensors, origin: Features, encoding: Any) -> Edits:
    """The edits of each text in one pass, see `edits_of_pieces`."""
    return edits_of_pieces(decoded, origin, encoding.tokenizer)


def read_corrections(
    answers: tuple[tf.Tensor, Edits], examples: Sequence[Any]
) -> list[CorrectionAnswer]:
    """What `in_passes` made of `piece_edits`."""
    tensors = edit_tensors(*answers)
    names = ("edit_first_characters", "edit_last_characters", "originals")
    columns = [
        tensors[name].to_list()
        for name in (*names, "replacements", "edit_probabilities")
    ]
    found = []
    for corrected, *rows in zip(tensors["corrected"].numpy(), *columns, strict=True):
        edits = [
            Edit(start, end, _decoded(original), _decoded(replacement), probability)
            for start, end, original, replacement, probability in zip(
                *rows, strict=True
            )
        ]
        found.append(CorrectionAnswer(_decoded(corrected), tuple(edits)))
    return found


def _decoded(text: bytes) -> str:
    return text.decode("utf-8", "replace")


def mean_by_example(values: tf.Tensor, example: tf.Tensor) -> tf.Tensor:
    """Means over the windows of each text.

    Args:
        values: float (sequences, ...).
        example: int (sequences,), ascending, each text at least once.

    Returns:
        float (texts, ...).
    """
    return tf.math.segment_mean(values, example)
