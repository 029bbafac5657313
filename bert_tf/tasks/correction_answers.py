"""Corrections as answers: reading, columns, metrics, the best threshold."""

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
    """A place of a text where something else is written.

    Attributes:
        start, end: the first character, and the one after the last; the same where
            something is only inserted.
        original: the characters between them.
        probability: the least of those of its parts.
    """

    start: int
    end: int
    original: str
    replacement: str
    probability: float


@dataclasses.dataclass(frozen=True)
class CorrectionAnswer:
    """A text as it should be, and what was changed in it."""

    corrected: str
    edits: tuple[Edit, ...]


def read_corrections(
    answers: tuple[tf.Tensor, Edits], examples: Sequence[Any]
) -> list[CorrectionAnswer]:
    """The answers of `iterative_refinement.refine`."""
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
    """All figures of `metrics.correction`."""
    found = correction.correction_scores(
        [example.text for example in examples],
        [answer.corrected for answer in answers],
        [example.corrected for example in examples],
    )
    return {**{name: found[name] for name in task.metrics}, **found}


def best_edit_threshold(
    examples: Sequence[CorrectionExample], answers: Sequence[CorrectionAnswer]
) -> float:
    """The probability of an edit that gives the best F0.5."""
    probabilities, right, sizes = [], [], []
    num_gold = 0
    for example, answer in zip(examples, answers, strict=True):
        text = example.text
        nearest = correction.nearest(text, answer.corrected, example.corrected)
        gold = correction.word_changes(text, nearest)
        num_gold += len(gold)
        for edit in answer.edits:
            # The changes of this edit alone.
            alone = text[: edit.start] + edit.replacement + text[edit.end :]
            changes = correction.word_changes(text, alone)
            probabilities.append(edit.probability)
            right.append(len(changes & gold))
            sizes.append(len(changes))
    return correction.best_edit_threshold(probabilities, right, sizes, num_gold)
