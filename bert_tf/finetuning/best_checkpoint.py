"""The best weights of a run on the development set."""

import dataclasses
import posixpath
from collections.abc import Mapping, Sequence
from typing import Any

from bert_tf.checkpoints import model_dir
from bert_tf.finetuning.results import RunResult, RunSettings
from bert_tf.prediction.predictor import Predictor
from bert_tf.tasks.kind import Task
from bert_tf.training.run_log import RunLog, joined
from data_pipelines.files.json_files import read_json_if_any, write_json

_BEST = "best.json"


@dataclasses.dataclass
class BestCheckpoint:
    """Evaluates on dev, and keeps the best weights in the folder of the run.

    Attributes:
        folder: of the run; `best.json` of an interrupted run is read.
        predictor: of the model that is trained.
        is_chief: of several workers one alone writes.
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
        self._found = read_json_if_any(self._record)
        # Encoded and packed once: evaluated after each epoch.
        self._chunks = list(self.predictor.chunks(self.dev))

    def evaluate(self, step: int) -> None:
        """Evaluates the model as it is after this step."""
        kind, task = self.predictor.kind, self.task
        answers = self._answers(None)
        threshold = kind.best_threshold(self.dev, answers)
        if kind.refine is not None:
            # The texts that are corrected again depend on it.
            answers = self._answers(threshold)
        task = dataclasses.replace(task, threshold=threshold)
        metrics = kind.score(self.dev, answers, task)
        self.log.evaluation(step, metrics)
        collapsed = kind.is_collapsed(self.dev, answers)
        if collapsed:
            self.log.say("All of dev was given one class: the run has collapsed.")
        name = task.metrics[0]
        if self._found and self._found["metrics"][name] >= metrics[name]:
            return
        self._found = {"step": step, "metrics": metrics, "collapsed": collapsed}
        if self.is_chief:
            weights = model_dir.finite_weights(self.predictor.model, self._weights)
            model_dir.write_weights(self._weights, weights)
            write_json(self._record, self._found)

    def _answers(self, threshold: float | None) -> list[Any]:
        return [
            answer
            for chunk in self._chunks
            for _, answer in self.predictor.answer(chunk, threshold)
        ]

    def result(
        self, settings: RunSettings, tests: Mapping[str, Sequence[Any]], seconds: float
    ) -> RunResult:
        """The result of the run, after the last step was evaluated.

        The best weights answer `tests`, the examples of other splits.
        """
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
