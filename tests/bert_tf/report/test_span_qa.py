import numpy as np
import pytest

from bert_tf.report.evaluation import Evaluation
from bert_tf.report.finetuning import evaluation_report
from bert_tf.report.plots import threshold_figure
from bert_tf.report.span_qa import question_word
from bert_tf.tasks.span_answers import SpanAnswer, SpanGuess
from data_pipelines.datasets.examples import Answer, Question
from tests.bert_tf.report.sections import sections_of

CONTEXT = "Kant was born in Königsberg in 1724. <script>alert(1)</script> He taught."


def question(text, *answers, id="q", context=CONTEXT):
    found = tuple(Answer(a, context.index(a)) for a in answers)
    return Question(id, "Immanuel_Kant", text, context, found, not answers)


def guess(text, probability, context=CONTEXT):
    start = context.index(text)
    return SpanGuess(text, start, start + len(text), 1.0, probability)


def shown(examples, answers, threshold=None):
    evaluation = Evaluation("span_qa", {}, examples, answers, threshold=threshold)
    html = evaluation_report("", facts={}, evaluation=evaluation)
    first, *rest = sections_of(html).items()
    assert first[0] == "On these examples"
    return dict(rest)


def test_right_and_wrong_answers():
    examples = [
        question("When was Kant born?", "1724", id="right"),
        question("Where was Kant born?", "Königsberg", id="wrong"),
        question("How many <i>?", "in 1724", id="part"),
    ]
    answers = [
        SpanAnswer((guess("1724", 0.75), guess("Kant", 0.25)), -5.0),
        SpanAnswer((guess("1724", 0.9), guess("Königsberg", 0.1)), -5.0),
        SpanAnswer((guess("1724", 0.5),), -5.0),
    ]
    html = shown(examples, answers)
    assert list(html) == ["Questions", "Questions and answers"]
    table = html["Questions"]
    numbers = "".join(f'<td class="number">{v}</td>' for v in ("3", "33.3%", "55.6%"))
    assert f"<td>all</td>{numbers}" in table
    assert "<td>how many</td>" in table
    assert "with an answer" not in table
    cards = html["Questions and answers"].split('class="card"')[1:]
    ids = [card.split('class="id">Immanuel Kant ')[1][:5] for card in cards]
    assert ids == ["wrong", "part<", "right"]
    assert '<mark class="gold">Königsberg</mark>' in cards[0]
    assert '<mark class="predicted">1724</mark>' in cards[0]
    assert "partly right (F1 67%)" in cards[1]
    assert (
        '<mark class="gold">in </mark><mark class="gold predicted">1724</mark>'
        in cards[1]
    )
    assert '<mark class="gold predicted">1724</mark>' in cards[2]
    assert "75.0%" in cards[2]
    # Nothing of the data is HTML.
    everything = "".join(html.values())
    assert "<script" not in everything
    assert "<i>" not in everything
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in everything


def test_questions_without_an_answer():
    examples = [
        question("When?", "1724", id="1"),
        question("Who died?", id="2"),
        question("What is it?", id="3"),
        question("Which?", "Kant", id="4"),
    ]
    answers = [
        SpanAnswer((guess("1724", 0.9),), -5.0),
        SpanAnswer((guess("Kant", 0.2),), 3.0),
        SpanAnswer((guess("taught", 0.8),), -2.0),
        SpanAnswer((), 1e9),
    ]
    html = shown(examples, answers, threshold=0.0)
    assert "No-answer threshold" in html
    table = html["Questions"]
    for outcome in (
        "exactly right",
        "right: no answer",
        "wrong: no answer",
        "wrong: answer given",
    ):
        row = (
            f'<td>{outcome}</td><td class="number">1</td><td class="number">25.0%</td>'
        )
        assert row in table
    numbers = "".join(f'<td class="number">{v}</td>' for v in ("2", "50.0%", "50.0%"))
    assert f"<td>without an answer</td>{numbers}" in table
    cards = html["Questions and answers"]
    # What no answer has in probability is what the guesses leave.
    assert '80.0%</td><td><span class="bar">' in cards
    assert "<i>no answer</i>" in cards
    assert "<td>no answer</td>" in cards


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("In what year did it end?", "what"),
        ("How many people came?", "how many"),
        ("However, who came?", "who"),
        ("Name the king.", "other"),
        ("谁写的?", "other"),
    ],
)
def test_question_word(text, word):
    assert question_word(text) == word


def test_threshold_figure_is_not_stretched_by_what_is_far_out():
    no_answer = np.append(np.linspace(-5, 5, 400), 1e9)
    spans = np.tile(np.linspace(0, 1, 401)[:, None], (1, 2))
    impossible = np.arange(401) % 2 == 0
    figure = threshold_figure(no_answer, spans, 1 - spans, impossible, 1.5)
    low, high = figure.axes[0].get_xlim()
    assert -7 < low < high < 7
    assert [line.get_label() for line in figure.axes[0].lines] == [
        "F1",
        "exact match",
        "F1, with an answer",
        "F1, without an answer",
        "chosen",
    ]


def test_contexts_of_one_length():
    examples = [question("When?", "1724")] * 2
    answers = [SpanAnswer((guess("1724", 0.9),), -5.0)] * 2
    assert f"<td>{len(CONTEXT)}</td>" in shown(examples, answers)["Questions"]
