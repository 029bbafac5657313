"""Report values for correction: outcomes, frequent mistakes, corrected texts."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from bert_tf.metrics.correction import (
    WORD,
    Change,
    aligned_changes,
    nearest,
    word_changes,
    words_of,
)
from bert_tf.report.evaluation import Evaluation
from bert_tf.report.excerpts import Part, spread
from bert_tf.tasks.correction_answers import CorrectionAnswer

# The number of texts shown for each outcome.
_NUM_SHOWN = {
    "correct text changed": 10,
    "wrongly corrected": 12,
    "missed": 8,
    "corrected": 10,
    "correct text kept": 2,
}
_NUM_CHANGES = 12


def values(evaluation: Evaluation) -> dict[str, Any]:
    """The values that `correction.html` shows."""
    texts = [example.text for example in evaluation.examples]
    given = [answer.corrected for answer in evaluation.answers]
    golds = [
        nearest(text, own, example.corrected)
        for text, own, example in zip(texts, given, evaluation.examples, strict=True)
    ]
    outcomes = [_outcome(*all_) for all_ in zip(texts, given, golds, strict=True)]
    counts = Counter(outcomes)
    cards = []
    for outcome in _NUM_SHOWN:
        places = [place for place, other in enumerate(outcomes) if other == outcome]
        for place in _chosen(outcome, places, evaluation.answers):
            lines = {"predicted": (given[place], golds[place], "right", "wrong")}
            if given[place] != golds[place]:
                gold = (golds[place], given[place], "found", "missed")
                lines = {"gold": gold, **lines}
            answer = evaluation.answers[place]
            cards.append(
                {
                    "id": evaluation.examples[place].id,
                    "outcome": outcome,
                    "probability": _surest(answer) if answer.edits else None,
                    "lines": {
                        name: _marked(texts[place], *line)
                        for name, line in lines.items()
                    },
                }
            )
    return {
        "outcomes": {outcome: counts[outcome] for outcome in _NUM_SHOWN},
        "num_texts": len(texts),
        "changes": _changes(texts, given, golds),
        "cards": cards,
    }


def _outcome(text: str, given: str, gold: str) -> str:
    if text == gold:
        return "correct text kept" if given == text else "correct text changed"
    if given == gold:
        return "corrected"
    return "missed" if given == text else "wrongly corrected"


def _chosen(
    outcome: str, places: Sequence[int], answers: Sequence[CorrectionAnswer]
) -> list[int]:
    """The texts to show; the most confident mistakes come first."""
    count = _NUM_SHOWN[outcome]
    if outcome in ("correct text changed", "wrongly corrected"):
        return sorted(places, key=lambda place: -_surest(answers[place]))[:count]
    return spread(places, count)


def _surest(answer: CorrectionAnswer) -> float:
    return max((edit.probability for edit in answer.edits), default=0.0)


def _changes(
    texts: Sequence[str], given: Sequence[str], golds: Sequence[str]
) -> dict[str, list[tuple[str, str, int]]]:
    """The most frequent mistakes: original, replacement and count."""
    missed: Counter[tuple[str, str]] = Counter()
    invented: Counter[tuple[str, str]] = Counter()
    for text, own, gold in zip(texts, given, golds, strict=True):
        wanted, found = word_changes(text, gold), word_changes(text, own)
        words = words_of(text)
        missed.update(_spelled(words, change) for change in wanted - found)
        invented.update(_spelled(words, change) for change in found - wanted)
    shown = {}
    for name, counts in (("missed edits", missed), ("wrong edits", invented)):
        order = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        shown[name] = [(*change, count) for change, count in order[:_NUM_CHANGES]]
    return shown


def _spelled(words: Sequence[str], change: Change) -> tuple[str, str]:
    place, inserted, new = change
    return ("" if inserted else words[place]), new or ""


def _marked(text: str, new: str, other: str, shared: str, alone: str) -> list[Part]:
    """The new text with its changes marked as shared with the other text or not."""
    common = word_changes(text, new) & word_changes(text, other)
    words, new_words = list(WORD.finditer(text)), list(WORD.finditer(new))
    parts: list[Part] = []
    end = new_end = 0
    for place, new_place, change in aligned_changes(words_of(text), words_of(new)):
        gap = crossed = word = ""
        if new_place is not None:
            found = new_words[new_place]
            gap, word, new_end = new[new_end : found.start()], found[0], found.end()
        if place is not None:
            found = words[place]
            gap = gap or text[end : found.start()]
            crossed, end = found[0], found.end()
        parts.append(Part(gap))
        if change is None:
            parts.append(Part(word))
        else:
            kind = shared if change in common else alone
            parts.append(Part(word, kind, crossed=crossed))
    return parts
