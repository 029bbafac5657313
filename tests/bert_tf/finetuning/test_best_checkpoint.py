"""The best weights of an interrupted run, whatever is left of its files."""

import json
import types

import keras
import numpy as np
import pytest

from bert_tf.finetuning.best_checkpoint import BestCheckpoint
from bert_tf.finetuning.results import RunSettings
from bert_tf.tasks.kind import Task

SETTINGS = RunSettings(learning_rate=1e-3, batch_size=2, num_epochs=1, seed=0)


class Run:
    """A model of one weight, whose score is that weight."""

    def __init__(self, folder):
        self.said = []
        self.model = keras.Sequential(
            [keras.layers.Dense(1, use_bias=False, name="dense")]
        )
        self.model.build((None, 1))
        self.set(-1.0)
        kind = types.SimpleNamespace(
            refine=None,
            best_threshold=lambda dev, answers: None,
            score=lambda dev, answers, task: {"accuracy": answers[0]},
            is_collapsed=lambda dev, answers: answers[0] < 0.25,
        )
        predictor = types.SimpleNamespace(
            kind=kind,
            model=self.model,
            chunks=lambda dev: [dev],
            answer=lambda chunk, threshold: [(0, self.get())],
            answers=lambda examples, threshold: [(0, self.get())],
        )
        log = types.SimpleNamespace(
            say=self.said.append, evaluation=lambda step, metrics: None
        )
        task = Task(None, ("accuracy",))
        self.best = BestCheckpoint(str(folder), predictor, task, ["x"], log, True)

    def set(self, value):
        self.model.weights[0].assign([[value]])

    def get(self):
        return float(self.model.weights[0].numpy()[0, 0])

    def evaluate(self, **scores):
        for step, score in scores.items():
            self.set(score)
            self.best.evaluate(int(step.removeprefix("at_")))
        return self

    def result(self, last_step=9):
        return self.best.result(SETTINGS, {"test": ["y"]}, 1.0, last_step)


@pytest.mark.parametrize("content", [None, b"", b'{"step": 3, "m', b"{}", b"\xff\xfe"])
def test_a_lost_record_is_found_again_from_the_weights(tmp_path, content):
    Run(tmp_path).evaluate(at_2=0.5, at_4=0.75, at_6=0.25)
    metrics = [{"split": "heldout", "step": 4, "accuracy": 0.75}]
    lines = "".join(json.dumps(record) + "\n" for record in metrics)
    (tmp_path / "metrics.jsonl").write_text(lines)
    record = tmp_path / "best.json"
    if content is None:
        record.unlink()
    else:
        record.write_bytes(content)
    again = Run(tmp_path)
    assert again.get() == -1.0
    (message,) = again.said
    assert (
        "best.json is missing or incomplete; evaluating the weights beside it"
        in message
    )
    result = again.evaluate(at_8=0.5).result()
    assert (result.best_step, result.metrics) == (4, {"accuracy": 0.75})
    assert result.test_metrics == {"test": {"accuracy": 0.75}}


def test_weights_that_are_lost(tmp_path):
    Run(tmp_path).evaluate(at_2=0.5, at_4=0.75)
    (tmp_path / "model.safetensors").unlink()
    again = Run(tmp_path)
    assert "are lost; the best weights from now on will be kept" in again.said[0]
    result = again.evaluate(at_6=0.5).result()
    assert (result.best_step, result.metrics) == (6, {"accuracy": 0.5})


def test_weights_that_are_lost_when_no_step_is_left(tmp_path):
    Run(tmp_path).evaluate(at_4=0.75)
    (tmp_path / "model.safetensors").unlink()
    again = Run(tmp_path)
    again.set(0.5)  # As its last checkpoint has it.
    assert again.result(last_step=9).best_step == 9
    assert (tmp_path / "model.safetensors").exists()


@pytest.mark.parametrize("size", [0, 20, -1])
def test_weights_that_are_damaged(tmp_path, size):
    Run(tmp_path).evaluate(at_4=0.75)
    path = tmp_path / "model.safetensors"
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(
        ValueError, match=r"not a safetensors file.* restore the file, or"
    ):
        Run(tmp_path)


def test_the_record_that_is_there_is_believed(tmp_path):
    Run(tmp_path).evaluate(at_2=0.75, at_4=0.5)
    again = Run(tmp_path)
    assert again.said == []
    result = again.evaluate(at_6=0.7).result()
    assert (result.best_step, result.metrics) == (2, {"accuracy": 0.75})
    assert np.isclose(again.get(), 0.75)
