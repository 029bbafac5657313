import numpy as np
import pytest

from bert_tf.tasks.classification import ClassAnswer, ScoreAnswer
from bert_tf.tasks.kind import Task
from bert_tf.tasks.kinds import KINDS
from bert_tf.tasks.multiple_choice import ChoiceAnswer
from bert_tf.tasks.span_answers import SpanAnswer, SpanGuess
from bert_tf.tasks.token_tagging import TagsAnswer
from data_pipelines.datasets.examples import (
    Answer,
    ChoiceExample,
    Question,
    TaggedSentence,
    TextExample,
)

NOWHERE = np.zeros(0)


def texts(*labels):
    return [TextExample(str(i), "a", None, label) for i, label in enumerate(labels)]


def classes(*labels):
    return [ClassAnswer(label, NOWHERE) for label in labels]


def tagged(*rows):
    return [
        TaggedSentence(str(i), ("w",) * len(tags), tuple(tags), i)
        for i, tags in enumerate(rows)
    ]


def tags(*rows):
    return [TagsAnswer(tuple(row), (1.0,) * len(row)) for row in rows]


def choices(*labels):
    return [ChoiceExample(str(i), "a", ("b", "c"), x) for i, x in enumerate(labels)]


def question(id, answer):
    answers = () if answer is None else (Answer(answer, 0),)
    return Question(id, "", "q", "one two", answers, answer is None)


def span(text, no_answer_score):
    return SpanAnswer((SpanGuess(text, 0, 1, 0.0),), no_answer_score)


def score(kind, metrics, examples, answers, labels=None, threshold=None):
    return KINDS[kind].score(examples, answers, Task(labels, metrics, threshold))


def test_classes():
    labels = ("no", "yes")
    found = score(
        "classification",
        ("f1", "accuracy"),
        texts("yes", "no", "yes", "yes"),
        classes("yes", "yes", "no", "yes"),
        labels,
    )
    assert list(found) == ["f1", "accuracy"]
    assert found == pytest.approx({"f1": 2 / 3, "accuracy": 0.5})


def test_scores():
    answers = [ScoreAnswer(value) for value in (2.0, 4.0, 6.5)]
    found = score("regression", ("spearman",), texts(1.0, 2.0, 3.0), answers)
    assert found == {"spearman": pytest.approx(1)}


def test_choices():
    answers = [ChoiceAnswer(choice, NOWHERE) for choice in (0, 1, 1)]
    found = score("multiple_choice", ("accuracy",), choices(0, 1, 0), answers)
    assert found == {"accuracy": pytest.approx(2 / 3)}


def test_entities():
    right = tagged(["B-X", "I-X", "O"], ["B-X"])
    given = tags(["B-X", "O", "O"], ["B-X"])
    found = score("token_tagging", ("entity_f1", "accuracy"), right, given)
    assert next(iter(found)) == "entity_f1"
    assert found == pytest.approx(
        {
            "entity_f1": 0.5,
            "entity_precision": 0.5,
            "entity_recall": 0.5,
            "accuracy": 0.75,
        }
    )


def test_tags_that_are_no_entities():
    right, given = tagged(["NOUN", "VERB"], ["NOUN"]), tags(["NOUN", "NOUN"], ["NOUN"])
    found = score("token_tagging", ("accuracy",), right, given)
    assert found == {"accuracy": pytest.approx(2 / 3)}


QUESTIONS = [question("a", "one"), question("b", "two"), question("c", None)]
SPANS = [span("one", -3.0), span("one", 1.0), span("one", 2.0)]


def test_spans():
    found = score("span_qa", ("f1", "exact"), QUESTIONS, SPANS)
    assert list(found)[:2] == ["f1", "exact"]
    assert found["exact"] == pytest.approx(1 / 3)
    found = score("span_qa", ("f1", "exact"), QUESTIONS, SPANS, threshold=1.0)
    assert found["exact"] == pytest.approx(2 / 3)
    assert found["threshold"] == 1
    assert found["NoAns_exact"] == 1


def test_best_threshold():
    best_threshold = KINDS["span_qa"].best_threshold
    # Both thresholds leave the third question alone; the lowest is taken.
    assert best_threshold(QUESTIONS, SPANS) == -3
    assert best_threshold(QUESTIONS[:2], SPANS[:2]) is None
    found = score("span_qa", ("f1",), QUESTIONS, SPANS, threshold=-3.0)
    assert found["f1"] == found["best_f1"] == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    ("kind", "examples", "answers", "collapsed"),
    [
        ("classification", texts("a", "b"), classes("a", "a"), True),
        ("classification", texts("a", "b"), classes("a", "b"), False),
        ("classification", texts("a", "a"), classes("a", "a"), False),
        ("token_tagging", tagged(["O", "B-X"], ["O"]), tags(["O", "O"], ["O"]), True),
        # Sentences of two lengths are not two classes.
        ("token_tagging", tagged(["O", "O"], ["O"]), tags(["O", "O"], ["O"]), False),
        ("token_tagging", tagged(["O", "B-X"]), tags(["O", "O"]), True),
        ("multiple_choice", choices(0, 1), [ChoiceAnswer(0, NOWHERE)] * 2, True),
        ("regression", texts(0.0, 1.0), [ScoreAnswer(0.5)] * 2, False),
        ("span_qa", QUESTIONS, SPANS, False),
    ],
)
def test_is_collapsed(kind, examples, answers, collapsed):
    assert KINDS[kind].is_collapsed(examples, answers) == collapsed


def test_no_examples():
    with pytest.raises(ValueError, match="Received no examples"):
        score("classification", ("accuracy",), [], [], ("a", "b"))


@pytest.mark.parametrize(
    ("kind", "examples"),
    [
        ("classification", texts("a", None)),
        ("token_tagging", [TaggedSentence("1", ("w",), None, 0)]),
        ("multiple_choice", choices(None)),
    ],
)
def test_examples_without_labels(kind, examples):
    with pytest.raises(ValueError, match=r"1 of \d examples have no label, such as"):
        score(kind, ("accuracy",), examples, [None] * len(examples), ("a",))


def test_questions_without_answers():
    unknown = Question("u", "", "q", "one two", (), is_impossible=False)
    with pytest.raises(ValueError, match="no gold answers"):
        score("span_qa", ("f1",), [unknown], SPANS[:1])
