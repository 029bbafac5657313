"""Measures the value of pre-training: fine-tunes tasks from a model and from scratch.

    python -m benchmarks.paper_tasks --model_dir=models/mine --data_dir=data \\
        --output_dir=paper_tasks

Each task is fine-tuned with several seeds from the weights of the model, and from
random weights with the same options. Prints a Markdown table with means and standard
deviations on the development set, and the best baseline. Finished tasks are kept: the
same command resumes the benchmark.
"""

import dataclasses
import json
import os
import platform
from typing import Any, Literal

import keras
import tensorflow as tf

from benchmarks.machine import processor
from bert_tf.baselines.scores import baseline_scores
from bert_tf.finetune import FinetuneOptions, finetune
from bert_tf.finetuning.results import Summary, read_results, summaries
from bert_tf.tasks.data_options import read
from data_pipelines.datasets import catalog
from data_pipelines.programs import cli

# Learning rates for small models, as in "Well-Read Students Learn Better": larger than
# those of the paper for base and large.
_COMMON: dict[str, Any] = {"learning_rate": 3e-4, "num_epochs": 3.0}
# With that rate, small datasets of pairs overfit.
_PAIRS = {"learning_rate": 1e-4, "batch_size": 16, "num_epochs": 4.0}
_TASKS: dict[str, dict[str, Any]] = {
    "glue/sst2": {"num_epochs": 1.0},
    # Pre-training helps most with little training data.
    "glue/sst2+few": {"num_epochs": 10.0, "max_train_examples": 2000},
    "glue/cola": {"num_epochs": 4.0},
    "glue/mrpc": {**_PAIRS, "learning_rate": 5e-5, "num_epochs": 6.0},
    "glue/stsb": {**_PAIRS, "learning_rate": 2e-4, "num_epochs": 6.0},
    "glue/rte": {**_PAIRS, "max_length": 256},
    "conll2003": {
        "document_context": True,
        "test_splits": ("test",),
        "learning_rate": 5e-4,
        "num_epochs": 2.0,
    },
    "conll2003+features": {
        "features": "concat_last_4",
        "lstm_units": 128,
        "learning_rate": 1e-3,
        "test_splits": ("test",),
        "num_epochs": 4.0,
    },
    "squad/v1.1": {
        "max_length": 256,
        "max_train_examples": 10_000,
        "num_epochs": 2.0,
        "learning_rate": 5e-4,
    },
    "squad/v2.0_half": {"max_length": 256, "num_epochs": 3.0},
    "codah": {"num_epochs": 4.0},
    "ud_ewt": {"learning_rate": 5e-4, "num_epochs": 2.0},
    "chnsenticorp": {"max_length": 256},
}

ENGLISH_TASKS = tuple(task for task in _TASKS if task != "chnsenticorp")


@dataclasses.dataclass(frozen=True)
class PaperTasksOptions:
    """Options of the benchmark."""

    model_dir: str = cli.option(cli.REQUIRED, "A pre-trained model folder.")
    data_dir: str = cli.option(cli.REQUIRED, "Folder of the datasets.")
    output_dir: str = cli.option(cli.REQUIRED, "Folder for the models.")
    tasks: tuple[str, ...] = cli.option(
        tuple(_TASKS), "Tasks to run; chnsenticorp is for a Chinese model."
    )
    num_seeds: int = cli.option(3, "Runs per task.")
    random_seeds: int = cli.option(3, "Runs per task from random weights.")
    dtype: Literal["float32", "bfloat16"] = cli.option(
        "float32", "Precision of matrix products."
    )


def fine_tuned(
    options: PaperTasksOptions, task: str, random_weights: bool, num_seeds: int
) -> Summary:
    """Runs one task, and returns its summary."""
    start = "random" if random_weights else "pretrained"
    folder = os.path.join(
        options.output_dir, f"{task.replace('/', '_').replace('+', '_')}_{start}"
    )
    dataset = catalog.find(task.partition("+")[0])
    finetune(
        FinetuneOptions(
            **{**_COMMON, **_TASKS[task]},
            model_dir=options.model_dir,
            dataset=dataset.name,
            data_dir=options.data_dir,
            output_dir=folder,
            num_seeds=num_seeds,
            random_weights=random_weights,
            baselines=False,
            dtype=options.dtype,
        )
    )
    results = read_results(folder)
    keras.backend.clear_session()
    return summaries(results, dataset.metrics[0])[0]


def best_baseline(options: PaperTasksOptions, task: str) -> dict[str, float]:
    """Returns the metrics of the best baseline; empty for question answering."""
    dataset = catalog.find(task.partition("+")[0])
    train, dataset = read(dataset, "train", options.data_dir)
    train = train[: _TASKS[task].get("max_train_examples")]
    dev, _ = read(dataset, "dev", options.data_dir)
    found = baseline_scores(dataset, train, dev)
    metric = dataset.metrics[0]
    return max(found.values(), key=lambda scores: scores[metric], default={})


def _shown(summary: Summary) -> str:
    text = f"{100 * summary.mean:.1f} ± {100 * summary.deviation:.1f}"
    for split, (mean, deviation) in summary.tests.items():
        text += f" ({split} {100 * mean:.1f} ± {100 * deviation:.1f})"
    if summary.num_collapsed:
        text += f", {summary.num_collapsed} collapsed"
    return text


def main(options: PaperTasksOptions) -> None:
    """Prints the table, row by row."""
    unknown = [task for task in options.tasks if task not in _TASKS]
    if unknown:
        raise ValueError(
            f"Received the tasks {unknown}. Expected tasks of {list(_TASKS)}: correct "
            "the names."
        )
    print(f"{processor()}, {os.cpu_count()} cores, tensorflow {tf.__version__}")
    print(f"Python {platform.python_version()}, {options.num_seeds} seeds")
    print("| task | metric | baseline | random weights | pre-trained | options |")
    print("|---|---|---|---|---|---|", flush=True)
    for task in options.tasks:
        metric = catalog.find(task.partition("+")[0]).metrics[0]
        baseline = best_baseline(options, task)
        cells = [f"{100 * baseline[metric]:.1f}" if baseline else "–"]
        for random_weights, seeds in (
            (True, options.random_seeds),
            (False, options.num_seeds),
        ):
            cells.append(
                _shown(fine_tuned(options, task, random_weights, seeds))
                if seeds
                else "–"
            )
        chosen = json.dumps({**_COMMON, **_TASKS[task]})
        print(f"| {task} | {metric} | {' | '.join(cells)} | `{chosen}` |", flush=True)


if __name__ == "__main__":
    cli.run(PaperTasksOptions, main, __doc__)
