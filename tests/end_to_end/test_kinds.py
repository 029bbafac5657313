"""Each kind the whole way: a user's files in, the answers out that are known.

The patterns of the files determine the answers; a very small model learns them.
"""

import json

import pytest
import tensorflow as tf

from bert_tf.evaluate import EvaluateOptions, evaluate
from bert_tf.finetune import FinetuneOptions, finetune
from bert_tf.predict import PredictOptions
from bert_tf.predict import main as predict
from bert_tf.training.trainer import Trainer
from tests.bert_tf.eager import run_eagerly
from tests.end_to_end.tasks import KINDS, write_model, write_task


def edit(start, end, original, replacement):
    return {
        "start": start,
        "end": end,
        "original": original,
        "replacement": replacement,
    }


# Lines of text, and of each row of answers what is known.
ASKED = {
    "classification": [
        ("the film was good and fine and bad .", {"prediction": "praise"}),
        ("the film was poor and lovely and dull .", {"prediction": "blame"}),
        ("the film was awful and dull and bad .", {"prediction": "blame"}),
        ("the film was fine and great and lovely .", {"prediction": "praise"}),
    ],
    "regression": [
        ("the film was bad and dull and poor .", {"prediction": 0.0}),
        ("the film was bad and great and poor .", {"prediction": 1 / 3}),
        ("the film was good and great and poor .", {"prediction": 2 / 3}),
        ("the film was good and great and fine .", {"prediction": 1.0}),
    ],
    "token_tagging": [
        (
            "anna lives in oslo today today anna",
            {
                "words": ["anna", "lives", "in", "oslo", "today", "today", "anna"],
                "tags": ["B-PER", "O", "O", "B-LOC", "O", "O", "B-PER"],
                "entities": [
                    {"type": "PER", "text": "anna", "start": 0, "end": 1},
                    {"type": "LOC", "text": "oslo", "start": 3, "end": 4},
                    {"type": "PER", "text": "anna", "start": 6, "end": 7},
                ],
            },
        ),
        (
            "dora lives in rome",
            {
                "tags": ["B-PER", "O", "O", "B-LOC"],
                "entities": [
                    {"type": "PER", "text": "dora", "start": 0, "end": 1},
                    {"type": "LOC", "text": "rome", "start": 3, "end": 4},
                ],
            },
        ),
    ],
    "span_qa": [
        (
            "Where is bert?\tThe film was good. Bert lives in Rome today.",
            {"prediction": "Rome", "start": 33, "end": 37},
        ),
        (
            "Where is anna?\tAnna lives in Paris today.",
            {"prediction": "Paris", "start": 14, "end": 19},
        ),
        ("Who is carl?\tCarl lives in Lima today.", {"prediction": ""}),
    ],
    "multiple_choice": [
        (
            "the film\twas bad .\twas good .\twas dull .",
            {"prediction": 1, "choice": "was good ."},
        ),
        (
            "the film\twas great .\twas poor .\twas dull .",
            {"prediction": 0, "choice": "was great ."},
        ),
        (
            "the film\twas awful .\twas poor .\twas lovely .",
            {"prediction": 2, "choice": "was lovely ."},
        ),
    ],
    "correction": [
        (
            "Anna lives lives in rome .",
            {
                "prediction": "Anna lives in rome .",
                "edits": [edit(10, 16, " lives", "")],
            },
        ),
        (
            "Dora lives lima .",
            {"prediction": "Dora lives in lima .", "edits": [edit(10, 10, "", " in")]},
        ),
        ("Bert lives in oslo .", {"prediction": "Bert lives in oslo .", "edits": []}),
    ],
}


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory) -> str:
    folder = tmp_path_factory.mktemp("pretrained")
    return write_model(folder / "model", num_hidden_layers=1)


@pytest.fixture
def one_graph_alone(monkeypatch):
    """Everything runs eagerly but the step of training: tracing takes most of the time.

    The slow tests of `test_finetune.py` run all kinds as their users do, in graphs.
    """

    def in_graph(*arguments, **named):
        tf.config.run_functions_eagerly(False)
        try:
            return step(*arguments, **named)
        finally:
            tf.config.run_functions_eagerly(True)

    step = Trainer.train_step
    monkeypatch.setattr(Trainer, "train_step", in_graph)
    with run_eagerly():
        yield


def near(expected):
    """The same, but for scores."""
    return pytest.approx(expected, abs=0.2) if isinstance(expected, float) else expected


@pytest.mark.filterwarnings("ignore:Even though the .tf.config.*functions_eagerly")
@pytest.mark.parametrize("kind", KINDS)
def test_files_in_and_the_known_answers_out(
    kind, pretrained, tmp_path, one_graph_alone
):
    # One epoch: a short training that is evaluated once.
    task = write_task(kind, tmp_path / "files", num_train=1536)
    learned = finetune(
        FinetuneOptions(
            model_dir=pretrained,
            output_dir=str(tmp_path / "model"),
            kind=kind,
            train_file=task.train_file,
            dev_file=task.dev_file,
            learning_rate=5e-3,
            dropout=0.0,
            num_epochs=1.0,
            batch_size=16,
            baselines=False,
            jit_compile="off",
            **task.options,
        )
    )
    assert learned[task.metric] >= task.goal, learned

    columns = {k: v for k, v in task.options.items() if "column" in k}
    model_dir = str(tmp_path / "model")
    again = evaluate(
        EvaluateOptions(model_dir=model_dir, dev_file=task.dev_file, **columns)
    )
    assert again == pytest.approx(learned, abs=1e-9)

    source, output = tmp_path / "asked.txt", tmp_path / "answers.jsonl"
    source.write_text("".join(f"{line}\n" for line, _ in ASKED[kind]))
    predict(
        PredictOptions(
            model_dir=model_dir, input_file=str(source), output_file=str(output)
        )
    )
    rows = [json.loads(line) for line in output.read_text().splitlines()]
    for row, (line, known) in zip(rows, ASKED[kind], strict=True):
        for edit in row.get("edits", ()):
            del edit["probability"]
        found = {name: row[name] for name in known}
        expected = {name: near(value) for name, value in known.items()}
        assert found == expected, line
