"""Keeps the best weights of a run on the development set."""

import contextlib
import dataclasses
import posixpath
from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf

from bert_tf.checkpoints import model_dir
from bert_tf.checkpoints.tensors import open_safetensors
from bert_tf.finetuning.dev_scores import DevScores
from bert_tf.finetuning.results import RunResult, RunSettings
from bert_tf.prediction.predictor import Predictor
from bert_tf.tasks.kind import Task
from bert_tf.training.run_log import METRICS, RunLog, joined, read_metrics
from data_pipelines.files.json_files import read_json_if_any, write_json

_BEST = "best.json"


@dataclasses.dataclass
class BestCheckpoint:
    """Evaluates on dev, and keeps the best weights in the folder of the run.

    Attributes:
        folder: the folder of the run; `best.json` of an interrupted run is read.
        predictor: the predictor of the model in training.
        task: the task of the model.
        dev: the development examples.
        log: the log of the run.
        is_chief: whether this worker writes; only one does.
    """

    folder: str
    predictor: Predictor
    task: Task
    dev: Sequence[Any]
    log: RunLog
    is_chief: bool

    def __post_init__(self) -> None:
        self._weights = posixpath.join(self.folder, model_dir.WEIGHTS)
        self._record = posixpath.join(self.folder, _BEST)
        self._scores = DevScores(self.predictor, self.task, self.dev)
        self._found = self._stored()

    def _stored(self) -> dict[str, Any]:
        """The record of the weights left by an interrupted run, if any.

        Raises:
            ValueError: the weights are corrupt.
        """
        if not tf.io.gfile.exists(self._weights):
            if tf.io.gfile.exists(self._record):
                self.log.say(
                    f"The best weights so far, {self._weights}, are lost; the best "
                    "weights from now on will be kept."
                )
            return {}
        try:
            open_safetensors(self._weights)
        except ValueError as error:
            raise ValueError(
                f"{error}. Expected the best weights so far: restore the file, or "
                f"remove {self.folder} to repeat this run."
            ) from None
        with contextlib.suppress(ValueError):
            record = read_json_if_any(self._record)
            if {"step", "metrics", "collapsed"} <= record.keys():
                return record
        return self._evaluated_again()

    def _evaluated_again(self) -> dict[str, Any]:
        """Recreates the record of the stored weights, which was lost or not written."""
        self.log.say(
            f"{self._record} is missing or incomplete; evaluating the weights beside "
            "it."
        )
        variables = model_dir.weights_of(self.predictor.model)
        before = {name: variable.numpy() for name, variable in variables.items()}
        model_dir.assign_weights(self.predictor.model, self._weights)
        metrics, collapsed = self._scores()
        for name, variable in variables.items():
            variable.assign(before[name])
        name = self.task.metrics[0]
        records = read_metrics(posixpath.join(self.folder, METRICS))
        steps = [r["step"] for r in records if r.get(name) == metrics[name]]
        return {
            "step": min(steps, default=0),
            "metrics": metrics,
            "collapsed": collapsed,
        }

    def evaluate(self, step: int) -> None:
        """Evaluates the model after a step, and keeps its weights if it is the best."""
        metrics, collapsed = self._scores()
        self.log.evaluation(step, metrics)
        if collapsed:
            self.log.say("The run has collapsed: all of dev is assigned to one class.")
        name = self.task.metrics[0]
        if self._found and self._found["metrics"][name] >= metrics[name]:
            return
        self._found = {"step": step, "metrics": metrics, "collapsed": collapsed}
        if self.is_chief:
            weights = model_dir.finite_weights(self.predictor.model, self._weights)
            model_dir.write_weights(self._weights, weights)
            write_json(self._record, self._found)

    def result(
        self,
        settings: RunSettings,
        tests: Mapping[str, Sequence[Any]],
        seconds: float,
        last_step: int,
    ) -> RunResult:
        """The result of the run, after the evaluation of the last step.

        The best weights are also evaluated on `tests`, the examples of other splits.
        """
        if not self._found:  # The weights were lost after the last step.
            self.evaluate(last_step)
        if tests:
            model_dir.assign_weights(self.predictor.model, self._weights)
        found = self._found
        threshold = found["metrics"].get("threshold")
        task = dataclasses.replace(self.task, threshold=threshold)
        scores = {}
        for split, examples in tests.items():
            answers = [a for _, a in self.predictor.answers(examples, threshold)]
            scores[split] = self.predictor.kind.score(examples, answers, task)
            self.log.say(f"{split}, best checkpoint:  {joined(scores[split])}")
        metrics, step, collapsed = found["metrics"], found["step"], found["collapsed"]
        return RunResult(settings, metrics, step, seconds, collapsed, scores)
