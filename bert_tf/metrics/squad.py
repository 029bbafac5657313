"""Exact match and F1 of answers, as SQuAD 1.1 and 2.0 count them.

The rules are those of the published evaluation scripts of Rajpurkar et al. 2016 and
2018, written anew. All figures are from 0 to 1 where the scripts print percentages.
"""

import dataclasses
import re
import string
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)


class Answer(Protocol):
    """A gold answer: anything that has its text."""

    @property
    def text(self) -> str:
        """As it stands in the context."""


class Question(Protocol):
    """A question: anything with a name, gold answers, and whether it has any."""

    @property
    def id(self) -> str:
        """Its name."""

    @property
    def answers(self) -> Sequence[Any]:
        """Of several annotators, each an `Answer`; empty if there is none."""

    @property
    def is_impossible(self) -> bool:
        """Whether the context does not hold an answer (SQuAD 2.0)."""


@dataclasses.dataclass(frozen=True)
class Threshold:
    """From which no-answer score on a question is left without an answer.

    Attributes:
        value: questions with a greater no-answer score are left without an answer.
        score: the mean score that this gives.
    """

    value: float
    score: float


def normalize_answer(text: str) -> str:
    """Lower case, without ASCII punctuation, English articles and extra white space.

    `"The  U.S. Army's"` becomes `"us armys"`.
    """
    text = text.lower().translate(_NO_PUNCTUATION)
    return " ".join(_ARTICLES.sub(" ", text).split())


def exact(answer: str, gold: str) -> float:
    """1 if two answers are the same after normalization, else 0."""
    return float(normalize_answer(answer) == normalize_answer(gold))


def f1(answer: str, gold: str) -> float:
    """The F1 of the words of an answer, after normalization.

    By the rule of SQuAD 2.0 an empty answer gets 1 against an empty one and 0 against
    any other.
    """
    words, gold_words = normalize_answer(answer).split(), normalize_answer(gold).split()
    if not words or not gold_words:
        return float(words == gold_words)
    shared = sum((Counter(words) & Counter(gold_words)).values())
    # Equals 2PR / (P + R) with P = shared / words, R = shared / gold words.
    return 2 * shared / (len(words) + len(gold_words))


def question_scores(question: Question, answer: str) -> tuple[float, float]:
    """Exact match and F1 of an answer: each the best over the gold answers.

    Gold answers of which normalization leaves nothing do not count; if none is left,
    the right answer is the empty one.
    """
    golds = [a.text for a in question.answers if normalize_answer(a.text)] or [""]
    return max(exact(answer, g) for g in golds), max(f1(answer, g) for g in golds)


def evaluate(
    questions: Sequence[Question],
    answers: Mapping[str, str],
    no_answer_scores: Mapping[str, float] | None = None,
    threshold: float = 0.0,
) -> dict[str, float]:
    """Scores the answers to questions.

    Args:
        questions: of one split.
        answers: id → answer; "" for none. With `no_answer_scores`, the best answer
            that is one: the threshold decides.
        no_answer_scores: id → how much a model prefers to give no answer, such as the
            logit of none minus that of the best span. None: `answers` are final.
        threshold: questions with a greater no-answer score get none.

    Returns:
        `exact` and `f1`, 0 to 1, and `total`, the number of questions. Where some
        questions have no answer, also `HasAns_exact`, `HasAns_f1`, `HasAns_total`
        and the same with `NoAns_`. With `no_answer_scores` also `best_exact`,
        `best_exact_thresh`, `best_f1` and `best_f1_thresh`, see `best_threshold`.
        1.1's script differs in the rule for empty answers alone: see `f1`.

    Raises:
        ValueError: there are no questions, or some without an answer, a score, or
            gold answers.
    """
    exacts, f1s = _scores(questions, answers)
    if no_answer_scores is None:
        kept_exacts, kept_f1s = exacts, f1s
    else:
        leave = _no_answer_vector(questions, no_answer_scores) > threshold
        empty = _empty_scores(questions)
        kept_exacts = np.where(leave, empty, exacts)
        kept_f1s = np.where(leave, empty, f1s)
    everything = np.ones(len(questions), bool)
    metrics = _means("", everything, kept_exacts, kept_f1s)
    impossible = np.array([bool(question.is_impossible) for question in questions])
    if impossible.any():
        metrics |= _means("HasAns_", ~impossible, kept_exacts, kept_f1s)
        metrics |= _means("NoAns_", impossible, kept_exacts, kept_f1s)
    if no_answer_scores is not None:
        for name, values in (("exact", exacts), ("f1", f1s)):
            best = _best_threshold(questions, values, no_answer_scores)
            metrics[f"best_{name}"] = best.score
            metrics[f"best_{name}_thresh"] = best.value
    return metrics


def best_threshold(
    questions: Sequence[Question],
    answers: Mapping[str, str],
    no_answer_scores: Mapping[str, float],
    metric: str = "f1",
) -> Threshold:
    """The threshold with the best mean score, to be found on held-out questions.

    Takes time n log n. The value is the no-answer score of the last question that is
    answered, or 1 less than the smallest if none is; of thresholds that are equally
    good, the lowest. The score is always what `evaluate` gives at that threshold.
    2.0's script can differ: it may stop between two questions with the same no-answer
    score, and takes answers such as "the" for wrong where there is none.

    Args:
        questions: of one split.
        answers: id → the best answer that is not empty.
        no_answer_scores: as in `evaluate`.
        metric: `exact` or `f1`.

    Raises:
        ValueError: as `evaluate`, or the metric is another one.
    """
    if metric not in ("exact", "f1"):
        raise ValueError(f"Received metric={metric!r}. Expected 'exact' or 'f1'.")
    exacts, f1s = _scores(questions, answers)
    values = exacts if metric == "exact" else f1s
    return _best_threshold(questions, values, no_answer_scores)


def _best_threshold(
    questions: Sequence[Question],
    values: np.ndarray,
    no_answer_scores: Mapping[str, float],
) -> Threshold:
    scores = _no_answer_vector(questions, no_answer_scores)
    empty = _empty_scores(questions)
    order = np.argsort(scores, kind="stable")
    scores, gains = scores[order], (values - empty)[order]
    # sums[i]: the score over all questions if the first i are answered.
    sums = empty.sum() + np.concatenate([[0.0], np.cumsum(gains)])
    # A threshold cannot part equal scores: stop after the last of each group only.
    stops = np.concatenate([[0], np.flatnonzero(np.diff(scores)) + 1, [len(scores)]])
    # Rounded: sums in another order must not decide between equally good ones.
    stop = int(stops[np.round(sums[stops], 9).argmax()])
    value = scores[stop - 1] if stop else scores[0] - 1.0
    return Threshold(float(value), float(sums[stop] / len(questions)))


def _scores(
    questions: Sequence[Question], answers: Mapping[str, str]
) -> tuple[np.ndarray, np.ndarray]:
    """Exact match and F1 of each question, float64 `(questions,)`."""
    if not questions:
        raise ValueError("Received no questions. Expected at least one to score.")
    unknown = [q.id for q in questions if not (q.answers or q.is_impossible)]
    if unknown:
        raise ValueError(
            f"{len(unknown)} of {len(questions)} questions have no gold answers and "
            f"are not marked impossible, such as {unknown[:3]}. Expected a split whose "
            "answers are known."
        )
    _check_ids("answer", questions, answers)
    pairs = [question_scores(question, answers[question.id]) for question in questions]
    columns = np.array(pairs, np.float64)
    return columns[:, 0], columns[:, 1]


def _empty_scores(questions: Sequence[Question]) -> np.ndarray:
    """What no answer at all gets: exact match and F1 are the same then."""
    return np.array([question_scores(question, "")[0] for question in questions])


def _no_answer_vector(
    questions: Sequence[Question], no_answer_scores: Mapping[str, float]
) -> np.ndarray:
    _check_ids("no-answer score", questions, no_answer_scores)
    scores = np.array([no_answer_scores[q.id] for q in questions], np.float64)
    if not np.all(np.isfinite(scores)):
        row = int(np.flatnonzero(~np.isfinite(scores))[0])
        raise ValueError(
            f"Question {questions[row].id!r} has the no-answer score {scores[row]}. "
            "Expected finite numbers: logits of a model whose loss diverged are not."
        )
    return scores


def _check_ids(
    what: str, questions: Sequence[Question], given: Mapping[str, Any]
) -> None:
    missing = [question.id for question in questions if question.id not in given]
    if missing:
        raise ValueError(
            f"{len(missing)} of {len(questions)} questions have no {what}, such as "
            f"{missing[:3]}. Expected one for each id; an empty answer is ''."
        )


def _means(
    prefix: str, chosen: np.ndarray, exacts: np.ndarray, f1s: np.ndarray
) -> dict[str, float]:
    """Means over the chosen questions; 0 if there are none."""
    total = int(chosen.sum())
    return {
        f"{prefix}exact": float(exacts[chosen].sum() / max(total, 1)),
        f"{prefix}f1": float(f1s[chosen].sum() / max(total, 1)),
        f"{prefix}total": total,
    }
