import functools
import re
import time
import warnings

import numpy as np
import pytest

from bert_tf.finetuning.results import RunResult, RunSettings
from bert_tf.report.evaluation import Evaluation
from bert_tf.report.finetuning import curves, evaluation_report, finetuning_report
from bert_tf.report.runs import strip_plot
from bert_tf.tasks import kinds
from bert_tf.tasks.classification import ClassAnswer, ScoreAnswer
from bert_tf.tasks.correction_answers import CorrectionAnswer, Edit
from bert_tf.tasks.kind import Task
from bert_tf.tasks.multiple_choice import ChoiceAnswer
from bert_tf.tasks.span_answers import SpanAnswer, SpanGuess
from bert_tf.tasks.token_tagging import TagsAnswer
from data_pipelines.datasets.examples import (
    Answer,
    ChoiceExample,
    CorrectionExample,
    Question,
    TaggedSentence,
    TextExample,
)
from tests.bert_tf.report.sections import sections_of

EVIL = "<script>alert('x')</script>"
LABELS = ("bad", "good", "so <so>")
TAGS = ("O", "B-PER", "I-PER")


def texts(labels, second=None):
    return [
        TextExample(f"id{i}", f"text {i} {EVIL}", second, label)
        for i, label in enumerate(labels)
    ]


def class_answers(rows, labels=LABELS):
    rows = np.array(rows, np.float64)
    return [ClassAnswer(labels[row.argmax()], row) for row in rows]


CLASSES = (
    texts(["bad", "good", "so <so>", "good"]),
    class_answers([[0.9, 0.1, 0], [0.8, 0.2, 0], [0.25, 0.25, 0.5], [0.1, 0.6, 0.3]]),
)
SCORES = (
    texts([0.0, 2.5, 5.0], f"other {EVIL}"),
    [ScoreAnswer(0.25), ScoreAnswer(4.5), ScoreAnswer(5.0)],
)
SENTENCES = (
    [TaggedSentence("s", (EVIL, "Lee", "ran"), ("B-PER", "I-PER", "O"), 0)],
    [TagsAnswer(("B-PER", "O", "O"), (0.9, 0.8, 0.7))],
)
QUESTIONS = (
    [
        Question(
            "q", EVIL, f"Who {EVIL}?", f"Ann ran. {EVIL}", (Answer("Ann", 0),), False
        )
    ],
    [SpanAnswer((SpanGuess("ran", 4, 7, 1.0, 0.9),), -3.0)],
)
CHOICES = (
    [ChoiceExample(f"c{i}", f"He {EVIL}", ("ate", EVIL), i % 2) for i in range(3)],
    [ChoiceAnswer(0, np.array([0.75, 0.25]))] * 3,
)
CORRECTIONS = (
    [
        CorrectionExample("x1", f"He go home {EVIL}", (f"He goes home {EVIL}",)),
        CorrectionExample("x2", "He ran", ("He ran",)),
        CorrectionExample("x3", "He ran to to me", ("He ran to me", "He ran for me")),
    ],
    [
        CorrectionAnswer(
            f"He goes house {EVIL}",
            (Edit(3, 5, "go", "goes", 0.75), Edit(6, 10, "home", "house", 0.5)),
        ),
        CorrectionAnswer("She ran", (Edit(0, 2, "He", "She", 0.625),)),
        CorrectionAnswer("He ran to me", (Edit(9, 12, " to", "", 0.9),)),
    ],
)
KINDS = {
    "classification": (*CLASSES, ("accuracy",), LABELS),
    "regression": (*SCORES, ("spearman", "pearson"), None),
    "token_tagging": (*SENTENCES, ("entity_f1", "accuracy"), TAGS),
    "span_qa": (*QUESTIONS, ("f1", "exact"), None),
    "multiple_choice": (*CHOICES, ("accuracy",), None),
    "correction": (*CORRECTIONS, ("edit_f05", "correction_f1"), None),
}


def result(metrics, seed=0, collapsed=False, **settings):
    values = {"learning_rate": 5e-5, "batch_size": 32, "num_epochs": 3.0, **settings}
    return RunResult(RunSettings(**values, seed=seed), metrics, 20, 75.0, collapsed)


def records(metrics):
    rows = []
    for step in range(1, 31):
        train = {"loss": 1 / step, "accuracy": 0.5, "learning_rate": 1e-5}
        rates = {"gradient_norm": 1.0, "examples_per_second": 10.0}
        rows.append({"split": "train", "step": step, "time": "", **train, **rates})
        if step % 10 == 0:
            rows.append({"split": "heldout", "step": step, "time": "", **metrics})
    return rows


def report(kind, **changes):
    examples, answers, metrics, labels = KINDS[kind]
    examples = changes.pop("examples", examples)
    answers = changes.pop("answers", answers)
    labels = changes.pop("labels", labels)
    found = kinds.KINDS[kind].score(examples, answers, Task(labels, metrics))
    values = {
        "facts": {"model": "2 layers"},
        "evaluation": Evaluation(kind, found, examples, answers, labels),
        "metrics": metrics,
        "results": [result(found)],
        "records": [],
        "baselines": {"most frequent": dict.fromkeys(metrics, 0.125)},
        "options": {"output_dir": EVIL},
    }
    with warnings.catch_warnings():
        # Such as that a font does not have a letter.
        warnings.simplefilter("error")
        return finetuning_report("Fine-tuning <of>", **{**values, **changes})


@functools.cache
def with_curves(kind):
    return report(kind, records=records(dict.fromkeys(KINDS[kind][2], 0.5)))


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_harmless_and_whole(kind):
    html = with_curves(kind)
    assert "Curves</h2>" in html
    assert "<script" not in html
    assert html.count("&lt;script&gt;") >= 2
    assert "<h1>Fine-tuning &lt;of&gt;</h1>" in html
    assert html.count("<h2") >= 5
    # Nothing is loaded from anywhere.
    # With the colon, which no picture in base64 has.
    assert not re.search("https?:", html)
    for name in ("div", "table", "tr", "td", "p", "mark", "span"):
        opened = len(re.findall(rf"<{name}[ >]", html))
        assert opened == html.count(f"</{name}>"), name


@pytest.mark.parametrize("kind", KINDS)
def test_one_example_no_records_no_baselines(kind):
    examples, answers, *_ = KINDS[kind]
    html = report(kind, examples=examples[:1], answers=answers[:1], baselines={})
    assert "Curves" not in html


def test_metrics_stand_beside_the_baselines():
    html = with_curves("classification")
    row = '<td class="number"><b>75.0%</b></td><td class="number">12.5%</td>'
    assert f"<td>accuracy</td>{row}" in html
    assert "is ± 42.4 points" in html
    html = report("regression", baselines={"mean": {"spearman": 0.0}})
    assert '<td class="number"><b>1.000</b></td><td class="number">0.000</td>' in html
    html = with_curves("token_tagging")
    assert "entity precision" in html


def test_classification():
    html = with_curves("classification")
    numbers = "".join(
        f'<td class="number">{v}</td>' for v in ("100.0%", "50.0%", "66.7%")
    )
    assert f"<td>good</td>{numbers}" in html
    hardest = html[html.index("The hardest examples</h2>") :]
    places = [hardest.index(f"id id{place}") for place in (1, 2, 3, 0)]
    assert places == sorted(places)
    assert '<td>good<div class="pale">20.0%</div></td>' in hardest
    assert "1 of 4 answers are wrong" in hardest
    assert "The mean probability of an answer is 70.0%, and 75.0% are" in html
    # One of the confidences 0.9, 0.8, 0.5 and 0.6 is wrong, each in a bin of its own.
    assert "Expected calibration error: 45.0%." in html


def test_regression():
    html = with_curves("regression")
    assert "The mean absolute error is 0.750, the mean error +0.750." in html
    largest = html[html.index("Largest errors</h2>") :]
    assert largest.index("id id1") < largest.index("id id0") < largest.index("id id2")
    assert '<td class="number">+2.00</td>' in largest
    assert "— other &lt;script" in largest
    # All the same gold score: no correlation, and nothing fails.
    html = report(
        "regression", examples=texts([2.0, 2.0]), answers=[ScoreAnswer(2.0)] * 2
    )
    assert "The mean absolute error is 0.000, the mean error +0.000." in html
    assert '<td class="number"><b>0.000</b></td>' in html


def test_corrections():
    html = with_curves("correction")
    # What is found, missed, right and wrong, with what was there before.
    assert 'He <mark class="found"><del>go</del>goes</mark> home' in html
    assert '<mark class="right"><del>go</del>goes</mark>' in html
    assert '<mark class="wrong"><del>home</del>house</mark> &lt;script' in html
    assert '<mark class="wrong"><del>He</del>She</mark> ran' in html
    assert 'to <mark class="right"><del>to</del></mark> me' in html
    assert "<td>correct text changed</td>" in html and "75.0%" in html
    assert "F0.5 of edits" in html and "F1 of correction, by texts" in html


def test_multiple_choice():
    html = with_curves("multiple_choice")
    numbers = "".join(f'<td class="number">{v}</td>' for v in ("1", "2", "3", "100.0%"))
    assert numbers in html
    card = html.split('class="card"')[1]
    assert "id c1" in card
    assert '<span class="right">✓ gold</span>' in card
    assert '<span class="wrong">chosen</span>' in card


def test_chinese_labels():
    labels = ("体育", "财经", "娱乐")
    html = report(
        "classification",
        labels=labels,
        examples=texts(labels),
        answers=class_answers([[1, 0, 0], [1, 0, 0], [0, 0, 1]], labels),
    )
    assert "1 = 体育, 2 = 财经" in html
    assert html.index('<html lang="en">') < html.index("utf-8") < html.index("体育")


def runs():
    values = [0.9, 0.8, 0.4, 0.7]
    return [
        result({"accuracy": values[0]}, seed=0),
        result({"accuracy": values[1]}, seed=1),
        result({"accuracy": values[2]}, seed=2, collapsed=True),
        result({"accuracy": values[3]}, learning_rate=2e-5),
    ]


def test_runs():
    html = report("classification", results=runs())
    assert "70.0% ± 26.5%" in html
    assert '<span class="wrong">1 of 3 collapsed to one class</span>' in html
    assert "This model: learning rate 5e-05, batch size 32, 3 epochs, seed 0" in html
    assert "step 20, the best of the run, which took 75 s" in html
    # A single run has no deviation.
    assert '<td class="number">70.0%</td>' in html
    assert "±" not in with_curves("regression")


def test_a_collapsed_model_is_said_to_be():
    best = result({"accuracy": 0.4}, collapsed=True)
    html = report("classification", results=[best])
    assert "The model has collapsed" in html


def test_strip_plot():
    axis = strip_plot(runs(), "accuracy").axes[0]
    labels = [line.get_label() for line in axis.lines]
    assert labels == ["run", "collapsed to one class", "mean"]
    np.testing.assert_allclose(axis.lines[0].get_xdata(), [0.9, 0.8, 0.7])
    np.testing.assert_allclose(axis.lines[2].get_xdata(), [0.7, 0.7])


def test_curves_show_the_data():
    figure = curves(records({"accuracy": 0.5}), ("accuracy",), best_step=20)
    shown = [axis for axis in figure.axes if axis.get_visible()]
    assert [axis.get_title() for axis in shown] == [
        "loss",
        "metrics",
        "learning rate",
        "examples per second",
        "gradient norm",
    ]
    lines = {line.get_label(): line for line in shown[1].lines}
    assert list(lines) == ["training", "training, mean", "dev, accuracy", "best step"]
    np.testing.assert_array_equal(lines["dev, accuracy"].get_xdata(), [10, 20, 30])
    # The mean stands in the middle of what it is of.
    loss = shown[0].lines[1]
    np.testing.assert_array_equal(loss.get_xdata()[[0, -1]], [3, 28])
    assert loss.get_ydata()[0] == pytest.approx(np.mean(1 / np.arange(1, 6)))


def test_without_training_records_or_without_some_figures():
    only_dev = [{"split": "heldout", "step": 10, "time": "", "accuracy": 0.5}]
    assert "Curves</h2>" in report("classification", records=only_dev)
    loss = [{"split": "train", "step": 10, "time": "", "loss": 0.5}]
    assert "Curves</h2>" in report("span_qa", records=loss)


@pytest.mark.parametrize("kind", KINDS)
def test_evaluation(kind):
    examples, answers, metrics, labels = KINDS[kind]
    metrics = kinds.KINDS[kind].score(examples, answers, Task(labels, metrics))
    evaluation = Evaluation(kind, metrics, examples, answers, labels)
    html = evaluation_report(EVIL, facts={"model": EVIL}, evaluation=evaluation)
    assert "<script" not in html
    assert "On these examples</h2>" in html
    assert "Curves" not in html
    # What stands below is the same as after a fine-tuning.
    sections, others = sections_of(html), sections_of(with_curves(kind))
    last = list(sections)[-1]
    assert sections[last].split() == others[last].split()


def test_errors():
    values = {"facts": {}, "metrics": ("pearson",), "results": [], "records": []}
    values |= {"baselines": {}, "options": {}}
    with pytest.raises(ValueError, match=r"kind='fill_mask'\. Expected one of"):
        finetuning_report("", evaluation=Evaluation("fill_mask", {}, [], []), **values)
    with pytest.raises(ValueError, match="Received no examples"):
        finetuning_report("", evaluation=Evaluation("regression", {}, [], []), **values)


def test_many_examples_with_long_texts_make_a_small_report():
    rng = np.random.default_rng(0)
    labels = tuple(f"class {i}" for i in range(40))
    rows = rng.dirichlet(np.ones(40), 12_000)
    examples = [
        TextExample(str(i), f"{i} " + "long text " * 2000, None, labels[i % 40])
        for i in range(12_000)
    ]
    started = time.process_time()
    html = report(
        "classification",
        examples=examples,
        answers=class_answers(rows, labels),
        labels=labels,
    )
    assert len(html) < 3_000_000
    assert time.process_time() - started < 20
