"""Each kind, from lines of text to answers, columns and metrics, without training."""

import dataclasses
import json
import typing

import pytest

from bert_tf.prediction.predictor import Predictor
from bert_tf.tasks.endpoints import Served
from bert_tf.tasks.kind import Lengths, Task
from bert_tf.tasks.kinds import KINDS
from data_pipelines.datasets import catalog
from data_pipelines.datasets.examples import Answer
from data_pipelines.datasets.sources import TaskKind
from data_pipelines.tokenizers.wordpiece import WordPieceTokenizer
from tests.bert_tf.small_models import VOCABULARY, randomize, small_config
from tests.seeds import set_seed

LENGTHS = Lengths(16, stride=None, max_question_length=4, in_windows=True)
LABELS = ("O", "B-X", "I-X")
# Three lines each, and the examples with the answers as their labels.
LINES = {
    "classification": (
        "the cat sat",
        "the dog on a mat",
        "the running cats sat on mats",
    ),
    "regression": ("the cat sat", "a dog on the mat", "the running cats sat on mats"),
    "token_tagging": ("the cat sat", "a dog on the mat", "the running cats sat"),
    "span_qa": ("a cat\tthe cat sat on the mat", "dog\tthe dog sat", "mat\ta\tmat"),
    "multiple_choice": ("the cat\tsat\tran", "a dog\ton\tmat", "the\tcats\tdog"),
    "correction": ("the cat sat", "a dog on the mat", "the running cats sat on mats"),
}
LABELLED = {
    "classification": lambda e, a: dataclasses.replace(e, label=a.label),
    "regression": lambda e, a: dataclasses.replace(e, label=a.score),
    "token_tagging": lambda e, a: dataclasses.replace(e, tags=a.tags),
    "span_qa": lambda e, a: dataclasses.replace(
        e, answers=(Answer(a.best[0].text, a.best[0].start),)
    ),
    "multiple_choice": lambda e, a: dataclasses.replace(e, label=a.choice),
    "correction": lambda e, a: dataclasses.replace(e, corrected=(a.corrected,)),
}
# The ways to ask, the default first.
ENDPOINTS = {
    "classification": ["classify_texts", "classify_pairs", "classify"],
    "regression": ["score_texts", "score_pairs", "regress"],
    "token_tagging": ["tag", "tag_words"],
    "span_qa": ["answer"],
    "multiple_choice": ["choose"],
    "correction": ["correct"],
}


def dataset_of(kind):
    columns = catalog.ColumnOptions(choice_columns=("one", "two"))
    labels = LABELS if kind.has_labels else None
    return catalog.from_files(kind.name, {"test": "test.json"}, columns, labels)


@pytest.mark.parametrize("name", KINDS)
def test_lines_to_answers_columns_and_metrics(name, eager):
    kind = KINDS[name]
    dataset = dataset_of(kind)
    encoding = kind.encoding(
        WordPieceTokenizer(VOCABULARY),
        max_length=LENGTHS.max_length,
        **kind.encoding_arguments(LENGTHS, dataset),
    )
    set_seed(0)
    head = kind.head_arguments(dataset, {})
    model = kind.model(small_config(num_hidden_layers=1), **head, name="model")
    randomize(model)
    threshold = 0.0 if kind.refine else None
    task = Task(dataset.labels, dataset.metrics, threshold)

    read = [kind.read_line(str(i), line, task) for i, line in enumerate(LINES[name])]
    examples = [example for _, example in read]
    predictor = Predictor(name, model, encoding)
    found = list(predictor.answers(examples, threshold))
    assert [example for example, _ in found] == examples
    answers = [answer for _, answer in found]

    rows = [
        {**kept, **kind.columns(example, answer, task)}
        for (kept, example), answer in zip(read, answers, strict=True)
    ]
    assert json.loads(json.dumps(rows)) == rows
    assert all("prediction" in row or "tags" in row for row in rows)

    def score(examples):
        return kind.score(examples, answers, task)

    with pytest.raises(ValueError, match=r"no (label|gold answers)"):
        score(examples)
    pairs = zip(examples, answers, strict=True)
    labelled = [LABELLED[name](example, answer) for example, answer in pairs]
    scores = score(labelled)
    assert next(iter(scores)) == dataset.metrics[0]
    assert [scores[metric] for metric in dataset.metrics] == pytest.approx(
        [1.0] * len(dataset.metrics)
    )
    # All is right: nothing is of one class that is of several.
    assert not kind.is_collapsed(labelled, answers)
    best = kind.best_threshold(labelled, answers)
    assert (best is None) == (kind.refine is None), best
    # The labelled examples are encoded for training, too.
    assert {"label", "tags", "start"} & set(
        encoding.encode(encoding.columns(labelled))[0]
    )

    served = Served(task, encoding, answer=lambda columns, rows: None)
    assert list(kind.endpoints(served)) == ENDPOINTS[name]


def test_a_kind_of_the_table_is_a_kind_of_the_data():
    assert {name: kind.name for name, kind in KINDS.items()} == {
        name: name for name in typing.get_args(TaskKind)
    }


def test_lengths_of_models_whose_format_has_none():
    found = {
        (kind, longest): KINDS[kind].foreign_lengths(longest)
        for kind in ("token_tagging", "span_qa")
        for longest in (24, 1024)
    }
    assert found["token_tagging", 24].max_length == 24
    assert found["token_tagging", 1024].max_length == 512
    assert found["span_qa", 24] == Lengths(24, 8, 64, in_windows=False)
    assert found["span_qa", 1024] == Lengths(384, 128, 64, in_windows=False)
