"""Report values for question answering: scores by group, the threshold, examples."""

import itertools
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from bert_tf.metrics.squad import question_scores
from bert_tf.report.evaluation import Evaluation
from bert_tf.report.excerpts import Mark, marked, spread
from bert_tf.report.plots import threshold_figure
from bert_tf.tasks.span_answers import SpanAnswer
from data_pipelines.datasets.examples import Question

_NUM_WRONG = 20
_NUM_PARTLY_RIGHT = 8
_NUM_RIGHT = 8
_NUM_GUESSES = 5
_NUM_LENGTHS = 4
_MAX_GOLD = 4
_QUESTION_WORD = re.compile(
    r"\b(how many|how much|what|who|whom|whose|when|where|which|why|how)\b",
    re.IGNORECASE,
)


def values(evaluation: Evaluation) -> dict[str, Any]:
    """The values that `span_qa.html` shows."""
    examples, answers = evaluation.examples, evaluation.answers
    threshold = evaluation.threshold
    pairs = list(zip(examples, answers, strict=True))
    # Exact match and F1 of the best span, and of the empty answer.
    spans = np.array([question_scores(e, answer.text(None)) for e, answer in pairs])
    none = np.array([question_scores(e, "") for e in examples])
    no_answer = np.array([answer.no_answer_score for answer in answers])
    scores, figure = spans, None
    impossible = np.array([example.is_impossible for example in examples])
    if threshold is not None:
        scores = np.where((no_answer > threshold)[:, None], none, spans)
        figure = threshold_figure(no_answer, spans, none, impossible, threshold)
    outcomes = [
        _outcome(example, answer.text(threshold), *pair)
        for (example, answer), pair in zip(pairs, scores.tolist(), strict=True)
    ]
    sure = np.array([_probability(a, a.text(threshold)) for a in answers])
    order = np.argsort(-sure, kind="stable").tolist()
    wrong = [place for place in order if not scores[place, 1]]
    partly = [p for p in order if scores[p, 1] and not scores[p, 0]]
    right = np.flatnonzero(scores[:, 0]).tolist()
    shown = [
        *wrong[:_NUM_WRONG],
        *partly[:_NUM_PARTLY_RIGHT],
        *spread(right, _NUM_RIGHT),
    ]
    return {
        "by_answer": _groups(_by_answer(impossible), scores),
        "by_length": _groups(_by_length(examples), scores),
        "by_word": _groups(_by_word(examples), scores),
        "outcomes": Counter(outcomes).most_common(),
        "threshold_figure": figure,
        "num_examples": len(examples),
        "num_wrong": len(wrong),
        "num_partly_right": len(partly),
        "cards": [
            _card(examples[p], answers[p], threshold)
            | {"outcome": outcomes[p], "f1": float(scores[p, 1])}
            for p in shown
        ],
    }


def question_word(question: str) -> str:
    """The first question word, in lower case; "other" if there is none."""
    match = _QUESTION_WORD.search(question)
    return match.group().lower() if match else "other"


def _by_answer(impossible: np.ndarray) -> dict[str, np.ndarray]:
    groups = {"all": np.arange(len(impossible))}
    if impossible.any():
        groups["with an answer"] = np.flatnonzero(~impossible)
        groups["without an answer"] = np.flatnonzero(impossible)
    return groups


def _by_word(examples: Sequence[Question]) -> dict[str, np.ndarray]:
    words = np.array([question_word(example.question) for example in examples])
    return {
        word: np.flatnonzero(words == word)
        for word, _ in Counter(words.tolist()).most_common()
    }


def _by_length(examples: Sequence[Question]) -> dict[str, np.ndarray]:
    lengths = np.array([len(example.context) for example in examples])
    edges = np.unique(np.quantile(lengths, np.linspace(0, 1, _NUM_LENGTHS + 1)))
    edges = np.round(edges).astype(int)
    groups = {}
    for low, high in itertools.pairwise(edges):
        first = low if low == edges[0] else low + 1
        inside = np.flatnonzero((lengths >= first) & (lengths <= high))
        if len(inside):
            groups[f"{first:,} to {high:,}"] = inside
    return groups or {f"{edges[0]:,}": np.arange(len(examples))}


def _groups(
    groups: Mapping[str, np.ndarray], scores: np.ndarray
) -> list[tuple[str, int, float, float]]:
    """The name, number of questions, exact match and F1 of each group."""
    found = []
    for name, places in groups.items():
        inside = scores[places]
        exact, f1 = inside.mean(axis=0).tolist()
        found.append((name, len(inside), exact, f1))
    return found


def _outcome(example: Question, text: str, exact: float, f1: float) -> str:
    if example.is_impossible:
        return "wrong: answer given" if text else "right: no answer"
    if not text:
        return "wrong: no answer"
    if exact:
        return "exactly right"
    return "partly right" if f1 else "wrong"


def _probability(answer: SpanAnswer, text: str) -> float:
    """The probability of an answer; for no answer, the rest of the probability."""
    if text:
        return answer.best[0].probability
    return max(0.0, 1 - sum(guess.probability for guess in answer.best))


def _card(
    example: Question, answer: SpanAnswer, threshold: float | None
) -> dict[str, Any]:
    text = answer.text(threshold)
    marks = [Mark(g.start, g.start + len(g.text), "gold") for g in example.answers]
    if text:
        marks.append(Mark(answer.best[0].start, answer.best[0].end, "predicted"))
    guesses = [(guess.probability, guess.text) for guess in answer.best]
    if threshold is not None:
        guesses.append((_probability(answer, ""), ""))
    golds = list(dict.fromkeys(gold.text for gold in example.answers))
    return {
        "ids": " ".join(filter(None, [example.title.replace("_", " "), example.id])),
        "question": example.question,
        "context": marked(example.context, marks),
        "gold": " / ".join(golds[:_MAX_GOLD]),
        "predicted": text,
        "guesses": sorted(guesses, key=lambda guess: -guess[0])[:_NUM_GUESSES],
    }
