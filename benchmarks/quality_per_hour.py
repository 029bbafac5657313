"""Measures how good a model is that was pre-trained for some minutes, beside peers.

    python -m benchmarks.quality_per_hour --data_dir=data --work_dir=quality \\
        --minutes=5,15,30
    python -m benchmarks.quality_per_hour --data_dir=data --work_dir=quality \\
        --sides=recipe_90_minutes --minutes=90 --full

Each side pre-trains within the budget, from raw text: novels and Wikipedia. The time of
the vocabulary, of records and of all other preparation is part of it. All models are
evaluated in the same way: bits per byte of held-out words, BLiMP, CoNLL-2003, STS-B;
with --full the whole BLiMP and the tasks of `benchmarks.paper_tasks`, too.

A finished step is a line of the results file at once. The same command keeps what is
done and continues a stopped run. The models stay in the working folder.
`benchmarks.quality_report` draws the curves.
"""

import dataclasses
import datetime
import math
import os
import shutil
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any, Literal, get_args

import keras
import tensorflow as tf

from benchmarks import paper_tasks
from benchmarks.machine import instruction_sets, processor
from benchmarks.paper_tasks import PaperTasksOptions
from benchmarks.quality import side, text
from benchmarks.quality.heldout_words import heldout_rows, heldout_scores
from benchmarks.quality.results import Point, Result, append_result, read_results
from bert_tf.checkpoints import model_dir
from bert_tf.comparison import programs
from bert_tf.convert import ConvertOptions, convert
from bert_tf.evaluate import EvaluateOptions, evaluate
from bert_tf.finetune import FinetuneOptions, finetune
from bert_tf.finetuning.results import read_results as read_scores
from bert_tf.models.config import BertConfig
from bert_tf.models.size import pretraining_step_flops
from bert_tf.pretraining.options import PretrainOptions
from bert_tf.training.budget import seconds_of
from bert_tf.training.hardware import peak_flops_per_second
from bert_tf.training.plan import PLAN, read_plan
from data_pipelines.files.json_files import read_json
from data_pipelines.programs import cli

Side = Literal["recipe_90_minutes", "bert", "modern", "keras_hub", "hugging_face"]

# Sides that are not this project's; their models are converted.
_PEERS = ("keras_hub", "hugging_face")
# The options of the README's command, as anybody would use them.
_README_OPTIONS: dict[str, Any] = {
    "preset": "mini",
    "vocab_size": side.VOCAB_SIZE,
    "batch_size": side.BATCH_SIZE,
    "learning_rate": side.LEARNING_RATE,
    "optimizer": "adamw",
    "dtype": "bfloat16",
}
_MODEL = "model"
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


@dataclasses.dataclass(frozen=True)
class QualityOptions:
    """Options of the benchmark."""

    data_dir: str = cli.option(cli.REQUIRED, "Folder of the corpora and datasets.")
    work_dir: str = cli.option(cli.REQUIRED, "Folder for the text and the models.")
    results_file: str = cli.option(
        "benchmarks/results/quality_per_hour.jsonl", "File to which results are added."
    )
    sides: tuple[str, ...] = cli.option(get_args(Side), "What pre-trains.")
    minutes: tuple[str, ...] = cli.option(("5",), "Budgets, the whole commands' time.")
    num_seeds: int = cli.option(1, "Models of each side and budget.")
    full: bool = cli.option(False, "Evaluate on all of BLiMP and the paper's tasks.")

    def __post_init__(self) -> None:
        unknown = sorted(set(self.sides) - set(get_args(Side)))
        if unknown or not self.sides:
            raise ValueError(
                f"Received sides={list(self.sides)}. Expected some of "
                f"{', '.join(get_args(Side))}."
            )
        for minutes in self.minutes:
            seconds_of(f"{minutes}m")
        cli.require_positive(num_seeds=self.num_seeds)

    def points(self) -> list[Point]:
        """Returns the points; the sides of a budget and seed follow each other."""
        return [
            Point(name, float(minutes), seed)
            for minutes in self.minutes
            for seed in range(self.num_seeds)
            for name in self.sides
        ]


def main(options: QualityOptions) -> None:
    """Runs the steps that the results file lacks.

    Raises:
        ValueError: a point failed; the others were run.
    """
    done = {(r.point, r.step) for r in read_results(options.results_file)}
    text.prepare(options.data_dir, os.path.join(options.work_dir, "text"))
    failed = []
    for point, step, run in work(options):
        if (point, step) in done or point.name in failed:
            continue
        print(f"{_now()}  {point.name}: {step}", flush=True)
        machine, began = description(), time.monotonic()
        try:
            values = run()
        except (ValueError, OSError) as error:
            print(f"{point.name}: {step} failed. {error}", file=sys.stderr)
            failed.append(point.name)
            continue
        seconds = round(time.monotonic() - began, 1)
        append_result(
            options.results_file,
            Result(point, step, seconds, values, machine, _now()),
        )
        print(f"  {seconds:.0f} s  {_shown(values)}", flush=True)
        keras.backend.clear_session()
    if failed:
        raise ValueError(
            f"{', '.join(failed)} failed; see the messages above. The same command "
            "tries again, and keeps what is done."
        )


def work(
    options: QualityOptions,
) -> list[tuple[Point, str, Callable[[], dict[str, Any]]]]:
    """Returns the steps of all points, in their order, as functions.

    The sides of a budget pre-train one after the other, under the same conditions, and
    are evaluated then.
    """
    found = [
        (index, point, step, run)
        for point in options.points()
        for index, (step, run) in enumerate(steps(options, point).items())
    ]
    # A stable sort: the sides keep their order.
    found.sort(key=lambda item: (item[1].minutes, item[1].seed, item[0]))
    return [(point, step, run) for _, point, step, run in found]


def steps(
    options: QualityOptions, point: Point
) -> dict[str, Callable[[], dict[str, Any]]]:
    """Returns the steps of a point by name, in their order, as functions.

    Each runs its step and returns its figures.
    """
    folder = os.path.join(options.work_dir, point.name)
    model = os.path.join(folder, _MODEL)
    found: dict[str, Callable[[], dict[str, Any]]] = {
        "pretrain": partial(pretrained, options, point),
        "heldout": partial(_heldout, options, model),
        "blimp": partial(_blimp, options, model, _LIGHT_PAIRS),
    }
    for task in _LIGHT_TASKS:
        found[task] = partial(_light_task, options, folder, task)
    if options.full:
        found["blimp+full"] = partial(_blimp, options, model, None)
        for task in paper_tasks.ENGLISH_TASKS:
            found[f"paper/{task}"] = partial(_paper_task, options, folder, task)
    return found


def training_program(options: QualityOptions, point: Point) -> tuple[str, Any]:
    """Returns the module that trains a point, and its options."""
    folder = os.path.join(options.work_dir, point.name)
    files = text.training_files(os.path.join(options.work_dir, "text"))
    budget = f"{60 * point.minutes:g}s"
    if point.side in ("bert", "modern"):
        return "bert_tf.pretrain", PretrainOptions(
            **_README_OPTIONS,
            input_files=(files,),
            output_dir=os.path.join(folder, _MODEL),
            family=point.side,
            budget=budget,
            seed=point.seed,
        )
    return f"benchmarks.quality.{point.side}", side.SideOptions(
        input_files=files, output_dir=folder, budget=budget, seed=point.seed
    )


def pretrained(options: QualityOptions, point: Point) -> dict[str, Any]:
    """Pre-trains a model; returns the work that it took.

    Raises:
        ValueError: the training program failed; its last line is quoted.
    """
    folder = os.path.join(options.work_dir, point.name)
    model, log = os.path.join(folder, _MODEL), f"{folder}.log"
    if point.side in _PEERS:
        # They cannot resume.
        shutil.rmtree(folder, ignore_errors=True)
    try:
        seconds = programs.run(*training_program(options, point), log)
    except programs.Failed as error:
        raise ValueError(f"{error} (all of it: {log})") from None
    if point.side in _PEERS:
        convert(
            ConvertOptions(
                source=os.path.join(folder, side.PEER_MODEL), output_dir=model
            )
        )
        work = read_json(os.path.join(folder, side.TRAINING))
    else:
        work = work_of(model)
    return {**work, "command_seconds": round(seconds, 1)}


def work_of(model: str) -> dict[str, Any]:
    """Returns the steps, tokens and operations of a finished run with a budget."""
    config = BertConfig.from_file(os.path.join(model, model_dir.CONFIG))
    options = read_json(os.path.join(model, model_dir.OPTIONS))
    pace = read_plan(os.path.join(model, PLAN)).revisions[-1].pace
    batch_size, rate = options["batch_size"], options["mlm_rate"]
    lengths = (options["sequence_length"], options["long_sequence_length"])
    steps = tokens = flop = 0
    for end, length in zip(pace.phase_ends, lengths, strict=False):
        tokens += (end - steps) * batch_size * length
        flop += (end - steps) * pretraining_step_flops(
            config, batch_size, length, math.ceil(rate * length)
        )
        steps = end
    return {"steps": steps, "tokens": tokens, "flop": flop}


def _heldout(options: QualityOptions, model: str) -> dict[str, Any]:
    folder = os.path.join(options.work_dir, "text")
    rows = heldout_rows(text.heldout_documents(folder))
    return dataclasses.asdict(heldout_scores(model_dir.load(model), rows))


def _blimp(
    options: QualityOptions, model: str, max_pairs: int | None
) -> dict[str, Any]:
    return evaluate(
        EvaluateOptions(
            model_dir=model,
            dataset="blimp",
            data_dir=os.path.join(options.data_dir, "blimp"),
            max_pairs=max_pairs,
            batch_size=256,
        )
    )


def _light_task(options: QualityOptions, folder: str, task: str) -> dict[str, Any]:
    output = os.path.join(folder, task.replace("/", "_"))
    finetune(
        FinetuneOptions(
            **_LIGHT_TASKS[task],
            model_dir=os.path.join(folder, _MODEL),
            dataset=task,
            data_dir=options.data_dir,
            output_dir=output,
            baselines=False,
        )
    )
    return read_scores(output)[0].metrics


def _paper_task(options: QualityOptions, folder: str, task: str) -> dict[str, Any]:
    found = paper_tasks.fine_tuned(
        PaperTasksOptions(
            model_dir=os.path.join(folder, _MODEL),
            data_dir=options.data_dir,
            output_dir=os.path.join(folder, "paper_tasks"),
        ),
        task,
        random_weights=False,
        num_seeds=1 if task in _LARGE_TASKS else 2,
    )
    return dataclasses.asdict(found)


def description() -> dict[str, Any]:
    """Returns what the figures depend on: the machine, its speed, and the versions."""
    return {
        "processor": processor(),
        "cores": os.cpu_count(),
        "instruction_sets": instruction_sets(),
        "float32_gflops": round(peak_flops_per_second("float32") / 1e9, 1),
        "bfloat16_gflops": round(peak_flops_per_second("bfloat16") / 1e9, 1),
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
    }


def _shown(values: dict[str, Any]) -> str:
    numbers = {n: v for n, v in values.items() if isinstance(v, float) and "/" not in n}
    return "  ".join(f"{name} {value:.4g}" for name, value in numbers.items())


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


if __name__ == "__main__":
    cli.run(QualityOptions, main, __doc__)
