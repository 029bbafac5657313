"""Answers as rows of a table, and rows as files: CSV, TSV or JSON lines."""

import contextlib
import csv
import dataclasses
import json
import os
import sys
from collections.abc import Iterator
from typing import Any, TextIO

import tensorflow as tf

from bert_tf.checkpoints.model_dir import Description
from bert_tf.metrics.entities import entities
from bert_tf.tasks.answers import (
    NUM_SHOWN,
    Answer,
    ChoiceAnswer,
    ClassAnswer,
    CorrectionAnswer,
    ScoreAnswer,
    TagsAnswer,
)
from data_pipelines.files.atomic import complete_file, require_new

_DELIMITERS = {".csv": ",", ".tsv": "\t"}
ENDINGS = (*_DELIMITERS, ".jsonl")


def answer_columns(
    answer: Answer, example: Any, description: Description
) -> dict[str, Any]:
    """What is written of an answer, beside the columns of its example.

    Returns:
        Plain values. Classification: `prediction`, `probability`, `probabilities` by
        label. Regression: `prediction`. Tagging: `words`, `tags`, and, for tags of
        entities, `entities` with `type`, `text`, `start` and `end` (words). Questions:
        `prediction`, `start` and `end` (characters), `probability`,
        `no_answer_score`, `best`. Multiple choice: `prediction` (from 0), `choice`,
        `probabilities`. Correction: `prediction`, the corrected text, and `edits` with
        `start` and `end` (characters), `original`, `replacement`, `probability`.
    """
    if isinstance(answer, ClassAnswer):
        labels = description.labels or ()
        by_label = dict(zip(labels, answer.probabilities.tolist(), strict=True))
        return {
            "prediction": answer.label,
            "probability": by_label[answer.label],
            "probabilities": by_label,
        }
    if isinstance(answer, ScoreAnswer):
        return {"prediction": answer.score}
    if isinstance(answer, ChoiceAnswer):
        return {
            "prediction": answer.choice,
            "choice": example.choices[answer.choice],
            "probabilities": answer.probabilities.tolist(),
        }
    if isinstance(answer, CorrectionAnswer):
        edits = [dataclasses.asdict(edit) for edit in answer.edits]
        return {"prediction": answer.corrected, "edits": edits}
    if isinstance(answer, TagsAnswer):
        row: dict[str, Any] = {"words": list(example.words), "tags": list(answer.tags)}
        if "entity_f1" in description.metrics:
            row["entities"] = [
                {
                    "type": kind,
                    "text": " ".join(example.words[start:end]),
                    "start": start,
                    "end": end,
                }
                for kind, start, end in entities(answer.tags)
            ]
        return row
    text = answer.text(description.threshold)
    top = answer.best[0] if text else None
    return {
        "prediction": text,
        "start": top.start if top else -1,
        "end": top.end if top else -1,
        "probability": top.probability if top else None,
        "no_answer_score": answer.no_answer_score,
        "best": [
            {"text": guess.text, "probability": guess.probability}
            for guess in answer.best[:NUM_SHOWN]
        ],
    }


class RowWriter:
    """Writes rows to a new file, or as JSON lines to standard output.

    The file appears when the last row is written; an exception leaves nothing.

    Args:
        path: its ending, one of `ENDINGS`, tells the format; None: standard output.

    Raises:
        ValueError: the file exists, or has another ending.
    """

    def __init__(self, path: str | None) -> None:
        self._path = path
        self._ending = ".jsonl" if path is None else os.path.splitext(path)[1]
        if self._ending not in ENDINGS:
            raise ValueError(
                f"Received the output file {path!r}. Expected a name that ends in one "
                f"of {list(ENDINGS)}."
            )
        if path is not None:
            require_new(path)
        self._table: Any = None

    @contextlib.contextmanager
    def open(self) -> Iterator["RowWriter"]:
        """The writer, inside a `with`."""
        if self._path is None:
            self._file: TextIO = sys.stdout
            yield self
            return
        with (
            complete_file(self._path, overwrite=False) as temporary,
            tf.io.gfile.GFile(temporary, "w") as self._file,
        ):
            yield self

    def write(self, row: dict[str, Any]) -> None:
        """Writes a row; in a table, lists and dicts are written as JSON."""
        if self._ending == ".jsonl":
            self._file.write(json.dumps(row, ensure_ascii=False) + "\n")
            return
        if self._table is None:
            self._table = csv.DictWriter(
                self._file,
                list(row),
                delimiter=_DELIMITERS[self._ending],
                lineterminator="\n",
            )
            self._table.writeheader()
        self._table.writerow({name: _cell(value) for name, value in row.items()})


def _cell(value: Any) -> Any:
    if isinstance(value, list | dict):
        return json.dumps(value, ensure_ascii=False)
    return value
