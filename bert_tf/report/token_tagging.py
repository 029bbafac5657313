"""Report values for tagging: types or tags, their confusions, sentences."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from bert_tf.metrics.classification import confusion_matrix, label_scores
from bert_tf.metrics.entities import entities, entity_scores_by_type
from bert_tf.report.classification import confusion
from bert_tf.report.evaluation import Evaluation
from bert_tf.report.excerpts import Part, joined_words, spaced, spread
from bert_tf.tasks.token_tagging import TagsAnswer
from data_pipelines.datasets.examples import TaggedSentence

_NUM_WRONG = 25
_NUM_RIGHT = 6
# With more tags, such as those of a treebank, only the diagonal is visible.
_MAX_TAGS = 18
# Longer sentences are cut to the words around their mistakes.
_MAX_WORDS = 70
_MARGIN = 20
_OUTCOMES = {
    "right": "same type and boundaries",
    "different type": "same boundaries, different type",
    "different boundaries": "same type, different boundaries",
    "different type and boundaries": "different type and boundaries",
    "no overlap": "no overlapping entity (missed or spurious)",
}

# The type, the first word, and the word after the last.
Entity = tuple[str, int, int]


def values(evaluation: Evaluation) -> dict[str, Any]:
    """The values that `token_tagging.html` shows."""
    names = tuple(evaluation.labels or ())
    ids = {label: place for place, label in enumerate(names)}
    golds = [example.tags or () for example in evaluation.examples]
    givens = [answer.tags for answer in evaluation.answers]
    gold = [ids[name] for tags in golds for name in tags]
    given = [ids[name] for tags in givens for name in tags]
    are_entities = "entity_f1" in evaluation.metrics
    if are_entities:
        scores = entity_scores_by_type(golds, givens)
        mistakes = [_wrong_entities(*tags) for tags in zip(golds, givens, strict=True)]
    else:
        scores = label_scores(gold, given, names)
        mistakes = [_wrong_tags(*tags) for tags in zip(golds, givens, strict=True)]
    return {
        "are_entities": are_entities,
        "scores": scores,
        "outcomes": _outcomes(golds, givens) if are_entities else (),
        "confusion": confusion(
            confusion_matrix(gold, given, len(names)), names, _MAX_TAGS
        ),
        "num_wrong": sum(map(bool, mistakes)),
        "num_examples": len(golds),
        "sentences": _sentences(evaluation, mistakes, are_entities),
    }


def outcome(entity: Entity, others: Sequence[Entity]) -> str:
    """The outcome of a gold or predicted entity, given those of the other side."""
    kind, start, end = entity
    if entity in others:
        return "right"
    overlapping = [other for other in others if other[1] < end and other[2] > start]
    if any(other[1:] == entity[1:] for other in overlapping):
        return "different type"
    if any(other[0] == kind for other in overlapping):
        return "different boundaries"
    return "different type and boundaries" if overlapping else "no overlap"


def _outcomes(
    golds: Sequence[Sequence[str]], givens: Sequence[Sequence[str]]
) -> list[tuple[str, list[tuple[int, float]]]]:
    """The number and share of gold and of predicted entities, for each outcome."""
    both: tuple[Counter[str], Counter[str]] = (Counter(), Counter())
    for gold_tags, given_tags in zip(golds, givens, strict=True):
        gold, given = entities(gold_tags), entities(given_tags)
        both[0].update(outcome(entity, given) for entity in gold)
        both[1].update(outcome(entity, gold) for entity in given)
    return [
        (words, [(c[key], c[key] / max(c.total(), 1)) for c in both])
        for key, words in _OUTCOMES.items()
    ]


def _sentences(
    evaluation: Evaluation, mistakes: Sequence[Sequence[int]], are_entities: bool
) -> list[dict[str, Any]]:
    """The sentences with the most confident mistakes, and some without mistakes."""
    examples, answers = evaluation.examples, evaluation.answers
    sure = {
        place: max(answers[place].probabilities[word] for word in words)
        for place, words in enumerate(mistakes)
        if words
    }
    wrong = sorted(sure, key=lambda place: -sure[place])
    right = [
        place
        for place, answer in enumerate(answers)
        if place not in sure and any(name != "O" for name in answer.tags)
    ]
    lines = _entity_lines if are_entities else _tag_lines
    return [
        {
            "id": examples[place].id,
            "probability": sure.get(place),
            "lines": lines(
                examples[place],
                answers[place],
                _shown_words(len(examples[place].words), mistakes[place]),
            ),
        }
        for place in (*wrong[:_NUM_WRONG], *spread(right, _NUM_RIGHT))
    ]


def _wrong_tags(gold: Sequence[str], given: Sequence[str]) -> list[int]:
    """The words whose tag is wrong."""
    pairs = zip(gold, given, strict=True)
    return [place for place, (tag, other) in enumerate(pairs) if tag != other]


def _wrong_entities(gold: Sequence[str], given: Sequence[str]) -> list[int]:
    """The words with a wrong tag in entities that are only gold or only predicted.

    As in the scores, `I-` instead of `B-` at the start of an entity is not a mistake.
    """
    only_one_has = set(entities(gold)) ^ set(entities(given))
    inside = {word for _, *ends in only_one_has for word in range(*ends)}
    return [word for word in _wrong_tags(gold, given) if word in inside]


def _shown_words(num_words: int, mistakes: Sequence[int]) -> range:
    if num_words <= _MAX_WORDS:
        return range(num_words)
    first = max(0, mistakes[0] - _MARGIN) if mistakes else 0
    return range(first, min(num_words, first + _MAX_WORDS))


def _entity_lines(
    example: TaggedSentence, answer: TagsAnswer, shown: range
) -> dict[str, list[Part]]:
    gold, given = entities(example.tags or ()), entities(answer.tags)

    def line(
        own: Sequence[Entity], others: Sequence[Entity], *looks: tuple[str, str]
    ) -> list[Part]:
        marks = []
        for name, start, end in own:
            kind, sign = looks[(name, start, end) not in others]
            marks.append((start, end, kind, f"{name}\u00a0{sign}"))
        return _line(example.words, marks, shown)

    predicted = {"predicted": line(given, gold, ("right", "✓"), ("wrong", "✗"))}
    if gold == given:
        return predicted
    found, missed = ("found", "✓"), ("missed", "missed")
    return {"gold": line(gold, given, found, missed), **predicted}


def _tag_lines(
    example: TaggedSentence, answer: TagsAnswer, shown: range
) -> dict[str, list[Part]]:
    pairs = zip(example.tags or (), answer.tags, strict=True)
    marks = [
        (place, place + 1, "wrong", f"{gold} ✗ {given}")
        for place, (gold, given) in enumerate(pairs)
        if gold != given
    ]
    return {"predicted": _line(example.words, marks, shown)}


def _line(
    words: Sequence[str], marks: Sequence[tuple[int, int, str, str]], shown: range
) -> list[Part]:
    """The shown words; a mark has a first word, one after the last, kind and label."""
    parts: list[Part] = []
    place = shown.start
    for start, end, kind, label in marks:
        start, end = max(start, shown.start), min(end, shown.stop)
        if start < end:
            parts += map(Part, words[place:start])
            parts.append(Part(joined_words(words[start:end]), kind, label))
            place = end
    parts += map(Part, words[place : shown.stop])
    before = "… " if shown.start else ""
    after = " …" if shown.stop < len(words) else ""
    return [Part(before), *spaced(parts), Part(after)]
