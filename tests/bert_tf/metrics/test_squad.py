import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bert_tf.metrics import squad
from data_pipelines.datasets.examples import Answer, Question


def question(name, *golds):
    answers = tuple(Answer(gold, 0) for gold in golds)
    return Question(name, "", "?", "", answers, not golds)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The  U.S. Army's\tflag", "us armys flag"),
        ("a", ""),
        ("An answer, the answer.", "answer answer"),
        # Punctuation goes before articles: "the" here is one only afterwards.
        ("t.h.e end", "end"),
        ("theatre and banana", "theatre and banana"),
        ("Ünïted – 5%", "ünïted – 5"),
        ("", ""),
    ],
)
def test_normalize_answer(text, expected):
    assert squad.normalize_answer(text) == expected


@pytest.mark.parametrize(
    ("answer", "gold", "exact", "f1"),
    [
        ("the Normans", "Normans", 1, 1),
        ("in Normandy France", "Normandy", 0, 2 * (1 / 3) / (1 / 3 + 1)),
        # Two of three words, two of four.
        ("to be to", "to to be not", 0, 2 * 1 * 0.75 / 1.75),
        ("x y z", "x y q r", 0, 2 * (2 / 3) * 0.5 / (2 / 3 + 0.5)),
        ("Paris", "Rome", 0, 0),
        ("", "Rome", 0, 0),
        ("Rome", "", 0, 0),
        ("", "", 1, 1),
        ("the", "", 1, 1),
    ],
)
def test_exact_and_f1(answer, gold, exact, f1):
    assert squad.exact(answer, gold) == exact
    assert squad.f1(answer, gold) == pytest.approx(f1)


def test_best_gold_answer_counts():
    asked = question("q", "10th century", "the 10th", ".")
    assert squad.question_scores(asked, "10th") == (1, 1)
    assert squad.question_scores(asked, "in century") == (0, 0.5)
    # The gold answer "." is none, and not what an empty answer is compared with.
    assert squad.question_scores(asked, "") == (0, 0)
    assert squad.question_scores(question("q"), "") == (1, 1)
    assert squad.question_scores(question("q"), "10th") == (0, 0)


def test_evaluate_without_impossible_questions():
    questions = [question("a", "Rome"), question("b", "red car")]
    assert squad.squad_scores(questions, ["rome", "car"]) == {
        "exact": 0.5,
        "f1": pytest.approx((1 + 2 / 3) / 2),
        "total": 2,
    }


QUESTIONS = [question("a", "Rome"), question("b", "red car"), question("c")]
ANSWERS = ["Rome", "car", "Paris"]


def test_evaluate_final_answers():
    assert squad.squad_scores(QUESTIONS, [*ANSWERS[:2], ""]) == {
        "exact": pytest.approx(2 / 3),
        "f1": pytest.approx((1 + 2 / 3 + 1) / 3),
        "total": 3,
        "HasAns_exact": 0.5,
        "HasAns_f1": pytest.approx((1 + 2 / 3) / 2),
        "HasAns_total": 2,
        "NoAns_exact": 1.0,
        "NoAns_f1": 1.0,
        "NoAns_total": 1,
    }


def test_evaluate_with_a_threshold():
    no_answer_scores = [-3.0, 1.0, 0.5]
    values = squad.squad_scores(QUESTIONS, ANSWERS, no_answer_scores, threshold=0.5)
    # b gets no answer; c does, for its score is not greater.
    assert (values["exact"], values["f1"]) == (1 / 3, 1 / 3)
    assert (values["HasAns_f1"], values["NoAns_f1"]) == (0.5, 0)
    # Answering a alone gets a and c right; with b, c too must be answered.
    assert values["best_exact"] == values["best_f1"] == pytest.approx(2 / 3)
    assert values["best_exact_thresh"] == values["best_f1_thresh"] == -3.0
    again = squad.squad_scores(QUESTIONS, ANSWERS, no_answer_scores, threshold=-3.0)
    assert again["f1"] == values["best_f1"]


def test_best_threshold_may_answer_nothing():
    found = squad.squad_scores([question("c")], ["x"], [2.0])
    assert (found["best_f1_thresh"], found["best_f1"]) == (1.0, 1.0)


ROWS = st.lists(
    st.tuples(
        st.sampled_from(["", "x", "x y"]),
        st.sampled_from(["x", "y", "the", ""]),
        st.integers(-3, 3),
    ),
    min_size=1,
    max_size=12,
)


@settings(max_examples=300, deadline=None)
@given(ROWS)
def test_best_threshold_equals_trying_all(rows):
    questions = [
        question(str(i), *([gold] if gold else []))
        for i, (gold, _, _) in enumerate(rows)
    ]
    answers = [answer for _, answer, _ in rows]
    no_answer_scores = [float(score) for _, _, score in rows]
    found = squad.squad_scores(questions, answers, no_answer_scores)
    for metric in ("exact", "f1"):
        means = {}
        for candidate in [*no_answer_scores, min(no_answer_scores) - 1]:
            total = 0.0
            for asked, score, answer in zip(
                questions, no_answer_scores, answers, strict=True
            ):
                answer = answer if score <= candidate else ""
                gold = asked.answers[0].text if asked.answers else ""
                # "the" is no gold answer: normalization leaves nothing of it.
                gold = "" if gold == "the" else gold
                total += getattr(squad, metric)(answer, gold)
            means[candidate] = total / len(rows)
        best = max(means.values())
        lowest = min(t for t, mean in means.items() if mean > best - 1e-9)
        threshold = found[f"best_{metric}_thresh"]
        assert found[f"best_{metric}"] == pytest.approx(best)
        assert threshold == lowest
        reached = squad.squad_scores(questions, answers, no_answer_scores, threshold)
        assert reached[metric] == pytest.approx(best)


def test_scores_by_threshold_equal_those_of_each_threshold():
    rng = np.random.default_rng(0)
    no_answer = np.round(rng.normal(size=50), 1)
    scores, empty = rng.random(50), rng.integers(0, 2, 50).astype(float)
    thresholds, means = squad.scores_by_threshold(no_answer, scores, empty)
    assert list(thresholds) == [no_answer.min() - 1, *np.unique(no_answer)]
    for threshold, mean in zip(thresholds, means, strict=True):
        kept = np.where(no_answer > threshold, empty, scores)
        assert mean == pytest.approx(kept.mean())


def test_errors():
    with pytest.raises(ValueError, match="no questions"):
        squad.squad_scores([], [])
    with pytest.raises(ValueError, match="3 questions, 2 answers"):
        squad.squad_scores(QUESTIONS, ["", ""])
    with pytest.raises(ValueError, match="3 answers and 0 no-answer scores"):
        squad.squad_scores(QUESTIONS, ANSWERS, [])
    with pytest.raises(ValueError, match="'b' has the no-answer score nan"):
        squad.squad_scores(QUESTIONS, ANSWERS, [0.0, math.nan, 0.0])
    unknown = Question("d", "", "?", "", (), is_impossible=False)
    with pytest.raises(ValueError, match=r"no gold answers.*\['d'\]"):
        squad.squad_scores([unknown], [""])
