"""Answers of the kind correction: reading, columns, metrics, the best threshold."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from bert_tf.metrics import correction
from bert_tf.tasks.edits import Edits, edit_tensors
from bert_tf.tasks.kind import Columns, Task
from data_pipelines.datasets.examples import CorrectionExample


@dataclasses.dataclass(frozen=True)
class Edit:
    """An edit of a text.

    Attributes:
        start, end: the first character, and the one after the last; equal for a pure
            insertion.
        original: the characters between them.
        replacement: the new characters.
        probability: the minimum over the parts of the edit.
    """

    start: int
    end: int
    original: str
    replacement: str
    probability: float


@dataclasses.dataclass(frozen=True)
class CorrectionAnswer:
    """A corrected text and its edits."""

    corrected: str
    edits: tuple[Edit, ...]


def read_corrections(
    answers: tuple[tf.Tensor, Edits], examples: Sequence[Any]
) -> list[CorrectionAnswer]:
    """Reads the answers of `iterative_refinement.refine`."""
    tensors = edit_tensors(*answers)
    names = (
        "edit_first_characters",
        "edit_last_characters",
        "originals",
        "replacements",
        "edit_probabilities",
    )
    columns = [tensors[name].to_list() for name in names]
    found = []
    for corrected, *rows in zip(tensors["corrected"].numpy(), *columns, strict=True):
        edits = tuple(
            Edit(start, end, _decoded(original), _decoded(new), probability)
            for start, end, original, new, probability in zip(*rows, strict=True)
        )
        found.append(CorrectionAnswer(_decoded(corrected), edits))
    return found


def _decoded(text: bytes) -> str:
    return text.decode("utf-8", "replace")


def correction_columns(
    example: CorrectionExample, answer: CorrectionAnswer, task: Task
) -> Columns:
    """The corrected text, and its edits as dicts."""
    edits = [dataclasses.asdict(edit) for edit in answer.edits]
    return {"prediction": answer.corrected, "edits": edits}


def correction_metrics(
    examples: Sequence[CorrectionExample],
    answers: Sequence[CorrectionAnswer],
    task: Task,
) -> dict[str, float]:
    """All metrics of `metrics.correction`, those of the task first."""
    found = correction.correction_scores(
        [example.text for example in examples],
        [answer.corrected for answer in answers],
        [example.corrected for example in examples],
    )
    return {**{name: found[name] for name in task.metrics}, **found}


def best_edit_threshold(
    examples: Sequence[CorrectionExample], answers: Sequence[CorrectionAnswer]
) -> float:
    """The minimum probability of an edit that gives the best F0.5."""
    probabilities, right, sizes = [], [], []
    num_gold = 0
    for example, answer in zip(examples, answers, strict=True):
        text = example.text
        nearest = correction.nearest(text, answer.corrected, example.corrected)
        gold = correction.word_changes(text, nearest)
        num_gold += len(gold)
        for edit in answer.edits:
            # The changes made by this edit alone.
            alone = text[: edit.start] + edit.replacement + text[edit.end :]
            changes = correction.word_changes(text, alone)
            probabilities.append(edit.probability)
            right.append(len(changes & gold))
            sizes.append(len(changes))
    return correction.best_edit_threshold(probabilities, right, sizes, num_gold)
