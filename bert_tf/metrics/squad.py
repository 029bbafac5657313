"""Exact match and F1 of answers, as in SQuAD 1.1 and 2.0.

The rules are those of the published evaluation scripts of Rajpurkar et al. 2016 and
2018, reimplemented. All scores are from 0 to 1, while the scripts print percentages.
"""

import math
import re
import string
from collections import Counter
from collections.abc import Sequence

import numpy as np

from data_pipelines.datasets.examples import Question

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)


def normalize_answer(text: str) -> str:
    """Lower-cases; removes ASCII punctuation, English articles and extra white space.

    `"The  U.S. Army's"` becomes `"us armys"`.
    """
    text = text.lower().translate(_NO_PUNCTUATION)
    return " ".join(_ARTICLES.sub(" ", text).split())


def exact(answer: str, gold: str) -> float:
    """Returns 1 if two answers are equal after normalization, else 0."""
    return float(normalize_answer(answer) == normalize_answer(gold))


def f1(answer: str, gold: str) -> float:
    """The F1 of the words of an answer, after normalization.

    By the rule of SQuAD 2.0, an empty answer scores 1 if the other is empty, else 0.
    """
    words, gold_words = normalize_answer(answer).split(), normalize_answer(gold).split()
    if not words or not gold_words:
        return float(words == gold_words)
    shared = sum((Counter(words) & Counter(gold_words)).values())
    # Equals 2PR / (P + R) with P = shared / words, R = shared / gold words.
    return 2 * shared / (len(words) + len(gold_words))


def question_scores(question: Question, answer: str) -> tuple[float, float]:
    """Exact match and F1 of an answer, each the maximum over the gold answers.

    Gold answers that are empty after normalization do not count; if none is left, the
    right answer is the empty one.
    """
    golds = [a.text for a in question.answers if normalize_answer(a.text)] or [""]
    return max(exact(answer, g) for g in golds), max(f1(answer, g) for g in golds)


def squad_scores(
    questions: Sequence[Question],
    answers: Sequence[str],
    no_answer_scores: Sequence[float] | None = None,
    threshold: float = 0.0,
) -> dict[str, float]:
    """Scores the answers to questions.

    Args:
        answers: an answer for each question; "" for no answer. With
            `no_answer_scores`, the best answer that is not empty, to which the
            threshold is applied.
        no_answer_scores: how much the model prefers no answer for each question, such
            as the logit of no answer minus that of the best span. None: `answers` are
            final.
        threshold: questions with a greater no-answer score get no answer.

    Returns:
        `exact` and `f1`, 0 to 1, and `total`, the number of questions. If some
        questions have no answer, also `HasAns_exact`, `HasAns_f1`, `HasAns_total`
        and the same with `NoAns_`. The script of 1.1 differs only in the rule for
        empty answers: see `f1`. With `no_answer_scores` also `best_exact`, `best_f1`
        and their thresholds, `best_exact_thresh` and `best_f1_thresh`: the no-answer
        score of the last question that is answered, or 1 less than the smallest if none
        is; the lowest of equally good thresholds. Here the script of 2.0 can differ: it
        may stop between two questions with the same no-answer score, and counts answers
        such as "the" as wrong for a question without an answer.

    Raises:
        ValueError: there are no questions, or some lack an answer, a finite score, or
            gold answers.
    """
    _check(questions, answers, no_answer_scores)
    pairs = zip(questions, answers, strict=True)
    kept = scores = np.array([question_scores(*pair) for pair in pairs])
    best = {}
    if no_answer_scores is not None:
        no_answer = np.array(no_answer_scores, np.float64)
        empty = np.array([question_scores(question, "") for question in questions])
        kept = np.where((no_answer > threshold)[:, None], empty, scores)
        for column, name in enumerate(("exact", "f1")):
            thresholds, means = scores_by_threshold(
                no_answer, scores[:, column], empty[:, column]
            )
            # Rounded, so that the order of summation does not decide between ties.
            place = int(np.round(means * len(questions), 9).argmax())
            best[f"best_{name}"] = float(means[place])
            best[f"best_{name}_thresh"] = float(thresholds[place])
    metrics = _means("", kept)
    impossible = np.array([question.is_impossible for question in questions])
    if impossible.any():
        metrics |= _means("HasAns_", kept[~impossible])
        metrics |= _means("NoAns_", kept[impossible])
    return metrics | best


def scores_by_threshold(
    no_answer: np.ndarray, scores: np.ndarray, empty: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The mean score at each threshold that makes a difference.

    Args:
        no_answer: float (questions,), the no-answer scores.
        scores: float (questions,), scores of the answers.
        empty: float (questions,), scores of the empty answer.

    Returns:
        Thresholds, ascending, and the mean score at each. At the first, 1 less than
        the smallest no-answer score, no question is answered.
    """
    order = np.argsort(no_answer, kind="stable")
    thresholds = np.concatenate([no_answer[order[:1]] - 1.0, no_answer[order]])
    # sums[i]: the score over all questions if the first i are answered.
    gains = np.cumsum((scores - empty)[order])
    sums = empty.sum() + np.concatenate([[0.0], gains])
    # A threshold cannot separate equal scores: only the last of each group counts.
    is_last = np.concatenate([[True], np.diff(no_answer[order]) > 0, [True]])
    return thresholds[is_last], sums[is_last] / len(empty)


def _check(
    questions: Sequence[Question],
    answers: Sequence[str],
    no_answer_scores: Sequence[float] | None,
) -> None:
    if not questions:
        raise ValueError("Received no questions. Expected at least one to score.")
    unknown = [q.id for q in questions if not (q.answers or q.is_impossible)]
    if unknown:
        raise ValueError(
            f"{len(unknown)} of {len(questions)} questions have no gold answers and "
            f"are not marked impossible, such as {unknown[:3]}. Expected a split with "
            "gold answers."
        )
    no_answer = [0.0] * len(questions) if no_answer_scores is None else no_answer_scores
    if not len(questions) == len(answers) == len(no_answer):
        raise ValueError(
            f"Received {len(questions)} questions, {len(answers)} answers and "
            f"{len(no_answer)} no-answer scores. Expected one of each for each "
            "question; an empty answer is ''."
        )
    for question, score in zip(questions, no_answer, strict=True):
        if not math.isfinite(score):
            raise ValueError(
                f"Question {question.id!r} has the no-answer score {score}. Expected "
                "finite numbers: the loss of the model may have diverged."
            )


def _means(prefix: str, scores: np.ndarray) -> dict[str, float]:
    """Means over questions, float64 (questions, 2); 0 if there are none."""
    total = len(scores)
    return {
        f"{prefix}exact": float(scores[:, 0].sum() / max(total, 1)),
        f"{prefix}f1": float(scores[:, 1].sum() / max(total, 1)),
        f"{prefix}total": total,
    }
