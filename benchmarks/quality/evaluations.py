"""The evaluations of the benchmark: the same for each model."""

import dataclasses
import os
from collections.abc import Callable
from functools import partial
from typing import Any

from benchmarks import paper_tasks
from benchmarks.paper_tasks import PaperTasksOptions
from benchmarks.quality import text
from benchmarks.quality.heldout_words import heldout_rows, heldout_scores
from bert_tf.checkpoints import model_dir
from bert_tf.evaluate import EvaluateOptions, evaluate
from bert_tf.finetune import FinetuneOptions, finetune
from bert_tf.finetuning.results import read_results

# The folder of a point has its model, and those that are fine-tuned from it.
MODEL = "model"
_LIGHT_PAIRS = 200
# The same cheap fine-tuning for all models.
_LIGHT_TASKS: dict[str, dict[str, Any]] = {
    "conll2003": {
        "max_train_examples": 4000,
        "learning_rate": 5e-4,
        "num_epochs": 2.0,
    },
    "glue/stsb": {"learning_rate": 3e-4, "num_epochs": 2.0},
}
# Tasks whose development sets are large enough for one seed.
_LARGE_TASKS = ("glue/sst2", "squad/v1.1", "ud_ewt")

Evaluations = dict[str, Callable[[], dict[str, Any]]]


def light_evaluations(data_dir: str, text_dir: str, folder: str) -> Evaluations:
    """Returns the cheap evaluations of the model in a folder, by name.

    Args:
        data_dir: folder of the datasets.
        text_dir: folder of the text, see `text.prepare`.
        folder: folder of the point.
    """
    model = os.path.join(folder, MODEL)
    found: Evaluations = {
        "heldout": partial(_heldout, text_dir, model),
        "blimp": partial(_blimp, data_dir, model, _LIGHT_PAIRS),
    }
    for task in _LIGHT_TASKS:
        found[task] = partial(_light_task, data_dir, folder, task)
    return found


def full_evaluations(data_dir: str, folder: str) -> Evaluations:
    """Returns the whole BLiMP and the tasks of `benchmarks.paper_tasks`, by name."""
    model = os.path.join(folder, MODEL)
    found: Evaluations = {"blimp+full": partial(_blimp, data_dir, model, None)}
    for task in paper_tasks.ENGLISH_TASKS:
        found[f"paper/{task}"] = partial(_paper_task, data_dir, folder, task)
    return found


def _heldout(text_dir: str, model: str) -> dict[str, Any]:
    rows = heldout_rows(text.heldout_documents(text_dir))
    return dataclasses.asdict(heldout_scores(model_dir.load(model), rows))


def _blimp(data_dir: str, model: str, max_pairs: int | None) -> dict[str, Any]:
    return evaluate(
        EvaluateOptions(
            model_dir=model,
            dataset="blimp",
            data_dir=os.path.join(data_dir, "blimp"),
            max_pairs=max_pairs,
            batch_size=256,
        )
    )


def _light_task(data_dir: str, folder: str, task: str) -> dict[str, Any]:
    output = os.path.join(folder, task.replace("/", "_"))
    finetune(
        FinetuneOptions(
            **_LIGHT_TASKS[task],
            model_dir=os.path.join(folder, MODEL),
            dataset=task,
            data_dir=data_dir,
            output_dir=output,
            baselines=False,
        )
    )
    return read_results(output)[0].metrics


def _paper_task(data_dir: str, folder: str, task: str) -> dict[str, Any]:
    found = paper_tasks.fine_tuned(
        PaperTasksOptions(
            model_dir=os.path.join(folder, MODEL),
            data_dir=data_dir,
            output_dir=os.path.join(folder, "paper_tasks"),
        ),
        task,
        random_weights=False,
        num_seeds=1 if task in _LARGE_TASKS else 2,
    )
    return dataclasses.asdict(found)
