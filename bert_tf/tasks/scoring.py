"""How good answers are, by the metrics of their dataset."""

from collections.abc import Sequence
from typing import Any

from bert_tf.metrics import classification, correction, entities, squad


def score(
    kind: str,
    metrics: Sequence[str],
    examples: Sequence[Any],
    answers: Sequence[Any],
    labels: Sequence[str] | None = None,
    threshold: float | None = None,
) -> dict[str, float]:
    """The metrics of the answers, the most important first.

    Args:
        kind: of the dataset.
        metrics: its names for them.
        examples: with labels.
        answers: one for each.
        labels: names of classes, in the order of their ids.
        threshold: of span answers: from which no-answer score on there is none; None:
            every question is given an answer. Of corrections: the least probability of
            an edit, which is told.

    Raises:
        ValueError: there are no examples, or one has no label.
    """
    if not examples:
        raise ValueError("Received no examples. Expected some to be scored on.")
    if kind == "span_qa":
        return _span_scores(metrics, examples, answers, threshold)
    missing = [e.id for e in examples if _label_of(e) is None]
    if missing:
        raise ValueError(
            f"{len(missing)} of {len(examples)} examples have no label, such as "
            f"{missing[:3]}. Expected labels to compare with: choose a split that has "
            "them, or predict instead."
        )
    if kind == "correction":
        return _correction_scores(metrics, examples, answers, threshold)
    if kind == "token_tagging":
        return _tag_scores(metrics, examples, answers)
    if kind == "classification":
        ids = {label: index for index, label in enumerate(labels or ())}
        right = [ids[example.label] for example in examples]
        given = [ids[answer.label] for answer in answers]
        return classification.prediction_scores(
            metrics, right, given, num_classes=len(ids)
        )
    if kind == "regression":
        return classification.prediction_scores(
            metrics,
            [example.label for example in examples],
            [answer.score for answer in answers],
        )
    return classification.prediction_scores(
        metrics,
        [example.label for example in examples],
        [answer.choice for answer in answers],
        num_classes=len(examples[0].choices),
    )


def best_threshold(
    kind: str, examples: Sequence[Any], answers: Sequence[Any]
) -> float | None:
    """The threshold that is best for these examples; None where there is none.

    To be found on the development set, as for the paper's section 4.3. Of questions:
    the no-answer threshold with the best F1; None if all have an answer. Of
    corrections: the probability of an edit with the best F0.5.
    """
    if kind == "correction":
        return _edit_threshold(examples, answers)
    if kind != "span_qa" or not any(example.is_impossible for example in examples):
        return None
    found = squad.squad_scores(examples, *_span_columns(answers))
    return found["best_f1_thresh"]


def is_collapsed(kind: str, examples: Sequence[Any], answers: Sequence[Any]) -> bool:
    """Whether all examples are given one class although they are of several."""
    if kind == "classification":
        given = [answer.label for answer in answers]
    elif kind == "multiple_choice":
        given = [answer.choice for answer in answers]
    elif kind == "token_tagging":
        given = [tag for answer in answers for tag in answer.tags]
    else:
        return False
    right = {
        label
        for example in examples
        for label in (example.tags if kind == "token_tagging" else [example.label])
    }
    return len(right) > 1 and len(set(given)) == 1


def _label_of(example: Any) -> Any:
    if hasattr(example, "corrected"):
        return example.corrected or None
    return example.tags if hasattr(example, "tags") else example.label


def _correction_scores(
    metrics: Sequence[str],
    examples: Sequence[Any],
    answers: Sequence[Any],
    threshold: float | None,
) -> dict[str, float]:
    found = correction.correction_scores(
        [example.text for example in examples],
        [answer.corrected for answer in answers],
        [example.corrected for example in examples],
    )
    if threshold is not None:
        found["threshold"] = threshold
    return {**{name: found[name] for name in metrics}, **found}


def _edit_threshold(examples: Sequence[Any], answers: Sequence[Any]) -> float:
    probabilities, right, sizes = [], [], []
    num_gold = 0
    for example, answer in zip(examples, answers, strict=True):
        text = example.text
        nearest = correction.nearest(text, answer.corrected, example.corrected)
        gold = correction.word_changes(text, nearest)
        num_gold += len(gold)
        for edit in answer.edits:
            # What the edit alone changes.
            alone = text[: edit.start] + edit.replacement + text[edit.end :]
            changes = correction.word_changes(text, alone)
            probabilities.append(edit.probability)
            right.append(len(changes & gold))
            sizes.append(len(changes))
    return correction.best_edit_threshold(probabilities, right, sizes, num_gold)


def _span_columns(answers: Sequence[Any]) -> tuple[list[str], list[float]]:
    texts = [answer.text(None) for answer in answers]
    return texts, [answer.no_answer_score for answer in answers]


def _span_scores(
    metrics: Sequence[str],
    examples: Sequence[Any],
    answers: Sequence[Any],
    threshold: float | None,
) -> dict[str, float]:
    texts, no_answer_scores = _span_columns(answers)
    if threshold is None:
        found = squad.squad_scores(examples, texts)
    else:
        found = squad.squad_scores(examples, texts, no_answer_scores, threshold)
        found["threshold"] = threshold
    return {**{name: found[name] for name in metrics}, **found}


def _tag_scores(
    metrics: Sequence[str], examples: Sequence[Any], answers: Sequence[Any]
) -> dict[str, float]:
    right = [example.tags for example in examples]
    given = [answer.tags for answer in answers]
    if "entity_f1" not in metrics:
        pairs = [
            pair
            for tags in zip(right, given, strict=True)
            for pair in zip(*tags, strict=True)
        ]
        return {"accuracy": sum(a == b for a, b in pairs) / len(pairs)}
    found = entities.entity_scores(right, given)
    return {
        "entity_f1": found["f1"],
        "entity_precision": found["precision"],
        "entity_recall": found["recall"],
        "accuracy": found["token_accuracy"],
    }
