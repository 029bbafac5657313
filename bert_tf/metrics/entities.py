"""Entities in tag sequences and their scores, by the rules of `conlleval`."""

import re
from collections.abc import Sequence

import numpy as np

from bert_tf.metrics.classification import LabelScores, by_label
from data_pipelines.programs.extras import extra

_TAG = re.compile(r"O|[BI]-.+")

# The tags of each sentence.
Tags = Sequence[Sequence[str]]


def entities(tags: Sequence[str]) -> list[tuple[str, int, int]]:
    """The entities of one sequence of IOB2 tags.

    `["B-PER", "I-PER", "O", "B-LOC"]` gives `[("PER", 0, 2), ("LOC", 3, 4)]`: type,
    first word, and the word after the last, so that `words[start:end]` are its words.
    As in `conlleval`, an `I-` that does not continue an entity of its type begins one.

    Raises:
        ValueError: a tag is not an IOB2 tag.
        ImportError: seqeval is missing.
    """
    with extra("finetune"):
        from seqeval.metrics import sequence_labeling
    _check_tags([tags])
    found = sequence_labeling.get_entities(list(tags))
    return [(kind, int(start), int(last) + 1) for kind, start, last in found]


def entity_scores(labels: Tags, predictions: Tags) -> dict[str, float]:
    """Precision, recall and F1 of entities, and the accuracy of tags.

    An entity is found if its type and both boundaries are right (Tjong Kim Sang and De
    Meulder 2003). The counts are summed over the types and sentences (micro).

    Returns:
        `precision`, `recall`, `f1` and `token_accuracy`, from 0 to 1. Without any
        entity among the predictions (labels), precision (recall) is 0.

    Raises:
        ValueError: a tag is not an IOB2 tag, or the lengths do not agree.
        ImportError: seqeval is missing.
    """
    accuracy = token_accuracy(labels, predictions)
    precision, recall, f1, _ = _columns(labels, predictions, average="micro")
    found = {"precision": precision, "recall": recall, "f1": f1}
    return {k: float(v) for k, v in found.items()} | {"token_accuracy": accuracy}


def entity_scores_by_type(labels: Tags, predictions: Tags) -> dict[str, LabelScores]:
    """Precision, recall, F1 and number of the entities of each type, types sorted.

    Raises:
        ValueError, ImportError: as for `entity_scores`.
    """
    _check_lengths(labels, predictions)
    found = {kind for tags in (*labels, *predictions) for kind, _, _ in entities(tags)}
    return by_label(sorted(found), _columns(labels, predictions, average=None))


def token_accuracy(labels: Tags, predictions: Tags) -> float:
    """The share of words whose tag is right, for any tags, such as parts of speech.

    Raises:
        ValueError: the lengths do not agree, or there are no words.
    """
    _check_lengths(labels, predictions)
    pairs = zip(labels, predictions, strict=True)
    right = [a == b for pair in pairs for a, b in zip(*pair, strict=True)]
    if not right:
        raise ValueError("Received no words. Expected at least one to score.")
    return float(np.mean(right))


def _columns(labels: Tags, predictions: Tags, average: str | None) -> tuple:
    """Precision, recall, F1 and support, for each type or (micro) for all."""
    with extra("finetune"):
        from seqeval.metrics import sequence_labeling
    _check_tags(labels)
    _check_tags(predictions)
    # seqeval recognizes sentences by their type, list.
    return sequence_labeling.precision_recall_fscore_support(
        [list(tags) for tags in labels],
        [list(tags) for tags in predictions],
        average=average,
        zero_division=0,
    )


def _check_tags(sentences: Tags) -> None:
    wrong = {tag for tags in sentences for tag in tags if not _TAG.fullmatch(tag)}
    if wrong:
        raise ValueError(
            f"Received the tags {sorted(wrong)[:5]}. Expected the IOB2 tags O, B-TYPE "
            "or I-TYPE: use token_accuracy for tags that do not mark entities."
        )


def _check_lengths(labels: Tags, predictions: Tags) -> None:
    if len(labels) != len(predictions):
        raise ValueError(
            f"Received {len(labels)} label sequences and {len(predictions)} predicted "
            "ones. Expected one prediction for each sentence."
        )
    for row, (tags, predicted) in enumerate(zip(labels, predictions, strict=True)):
        if len(tags) != len(predicted):
            raise ValueError(
                f"Sentence {row} has {len(tags)} labels and {len(predicted)} predicted "
                "tags. Expected one tag for each word: words that were cut off need a "
                "tag, too, such as O."
            )
