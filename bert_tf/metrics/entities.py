"""Entities in tag sequences, and how well they were found, as `conlleval` counts."""

import re
from collections.abc import Sequence

import numpy as np
from seqeval.metrics import sequence_labeling

from bert_tf.metrics.classification import LabelScores

_TAG = re.compile(r"O|[BI]-.+")


def entities(tags: Sequence[str]) -> list[tuple[str, int, int]]:
    """The entities of one sequence of IOB2 tags.

    `["B-PER", "I-PER", "O", "B-LOC"]` gives `[("PER", 0, 2), ("LOC", 3, 4)]`: type,
    first word, and the word after the last, so that `words[start:end]` are its words.
    As in `conlleval`, an `I-` that does not continue an entity of its type begins one.

    Raises:
        ValueError: a tag is not one of IOB2.
    """
    _check_tags([tags])
    found = sequence_labeling.get_entities(list(tags))
    return [(kind, int(start), int(last) + 1) for kind, start, last in found]


def scores(
    labels: Sequence[Sequence[str]], predictions: Sequence[Sequence[str]]
) -> dict[str, float]:
    """Precision, recall and F1 of entities, and the accuracy of tags.

    An entity is found if its type and both of its ends are right (Tjong Kim Sang and
    De Meulder 2003). The counts are summed over the types and sentences (micro).

    Args:
        labels: IOB2 tags of each sentence.
        predictions: as many tags for each.

    Returns:
        `precision`, `recall`, `f1` and `token_accuracy`, from 0 to 1. Without any
        entity among the predictions (labels), precision (recall) is 0.

    Raises:
        ValueError: a tag is not one of IOB2, or the lengths do not agree.
    """
    accuracy = token_accuracy(labels, predictions)
    columns = _columns(labels, predictions, average="micro")
    names = ("precision", "recall", "f1")
    values = {name: float(value) for name, value in zip(names, columns, strict=False)}
    return {**values, "token_accuracy": accuracy}


def scores_by_type(
    labels: Sequence[Sequence[str]], predictions: Sequence[Sequence[str]]
) -> dict[str, LabelScores]:
    """Precision, recall, F1 and number of the entities of each type, types sorted.

    Raises:
        ValueError: as `scores`.
    """
    _check_lengths(labels, predictions)
    found = {kind for tags in (*labels, *predictions) for kind, _, _ in entities(tags)}
    columns = _columns(labels, predictions, average=None)
    return {
        kind: LabelScores(float(precision), float(recall), float(f1), int(support))
        for kind, precision, recall, f1, support in zip(
            sorted(found), *columns, strict=True
        )
    }


def token_accuracy(
    labels: Sequence[Sequence[str]], predictions: Sequence[Sequence[str]]
) -> float:
    """The part of all words whose tag is right; any tags, such as parts of speech.

    Raises:
        ValueError: the lengths do not agree, or there are no words.
    """
    _check_lengths(labels, predictions)
    right = [
        label == prediction
        for pair in zip(labels, predictions, strict=True)
        for label, prediction in zip(*pair, strict=True)
    ]
    if not right:
        raise ValueError("Received no words. Expected at least one to score.")
    return float(np.mean(right))


def _columns(
    labels: Sequence[Sequence[str]],
    predictions: Sequence[Sequence[str]],
    average: str | None,
) -> tuple:
    """Precision, recall, F1 and support, for each type or (micro) of all."""
    _check_tags(labels)
    _check_tags(predictions)
    # seqeval tells sentences apart by their being lists.
    return sequence_labeling.precision_recall_fscore_support(
        [list(tags) for tags in labels],
        [list(tags) for tags in predictions],
        average=average,
        zero_division=0,
    )


def _check_tags(sentences: Sequence[Sequence[str]]) -> None:
    wrong = {tag for tags in sentences for tag in tags if not _TAG.fullmatch(tag)}
    if wrong:
        raise ValueError(
            f"Received the tags {sorted(wrong)[:5]}. Expected IOB2 tags: O, B-TYPE or "
            "I-TYPE. Use token_accuracy for tags that are not of entities."
        )


def _check_lengths(
    labels: Sequence[Sequence[str]], predictions: Sequence[Sequence[str]]
) -> None:
    if len(labels) != len(predictions):
        raise ValueError(
            f"Received {len(labels)} label sequences and {len(predictions)} predicted "
            "ones. Expected one prediction for each sentence."
        )
    for row, (tags, predicted) in enumerate(zip(labels, predictions, strict=True)):
        if len(tags) != len(predicted):
            raise ValueError(
                f"Sentence {row} has {len(tags)} labels and {len(predicted)} predicted "
                "tags. Expected one tag for each word: give words that were cut off a "
                "tag, too, such as O."
            )
