"""The metrics of a model on development examples, while it is trained."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from bert_tf.prediction.predictor import Predictor
from bert_tf.tasks.kind import Task


class DevScores:
    """Evaluates a model on the same examples again and again.

    Args:
        predictor: the predictor of the model that is trained.
        task: the metrics and labels; its threshold is chosen anew each time.
        dev: the examples, with labels; they are encoded and packed once.
    """

    def __init__(self, predictor: Predictor, task: Task, dev: Sequence[Any]) -> None:
        self._predictor, self._task, self._dev = predictor, task, dev
        self._chunks = list(predictor.chunks(dev))

    def __call__(self) -> tuple[dict[str, float], bool]:
        """The metrics now, and whether all examples are given the same class."""
        kind = self._predictor.kind
        answers = self._answers(None)
        threshold = kind.best_threshold(self._dev, answers)
        if kind.refine is not None:
            # The texts that are corrected again depend on it.
            answers = self._answers(threshold)
        task = dataclasses.replace(self._task, threshold=threshold)
        metrics = kind.score(self._dev, answers, task)
        return metrics, kind.is_collapsed(self._dev, answers)

    def _answers(self, threshold: float | None) -> list[Any]:
        return [
            answer
            for chunk in self._chunks
            for _, answer in self._predictor.answer(chunk, threshold)
        ]
