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
import math
import os
import shutil
from collections.abc import Callable
from functools import partial
from typing import Any, Literal, get_args

from benchmarks.quality import side, text
from benchmarks.quality.evaluations import MODEL, full_evaluations, light_evaluations
from benchmarks.quality.preparation import run_logged
from benchmarks.quality.results import Point
from benchmarks.quality.runner import Step, run_missing
from bert_tf.checkpoints import model_dir
from bert_tf.convert import ConvertOptions, convert
from bert_tf.models.config import BertConfig
from bert_tf.models.size import pretraining_step_flops
from bert_tf.pretraining.options import PretrainOptions
from bert_tf.training.budget import seconds_of
from bert_tf.training.plan import PLAN, read_plan
from data_pipelines.files.json_files import read_json
from data_pipelines.programs import cli

Side = Literal[
    "compact", "recipe_90_minutes", "bert", "modern", "keras_hub", "hugging_face"
]

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
    text.prepare(options.data_dir, os.path.join(options.work_dir, "text"))
    run_missing(work(options), options.results_file)


def work(options: QualityOptions) -> list[Step]:
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
    text_dir = os.path.join(options.work_dir, "text")
    full = full_evaluations(options.data_dir, folder) if options.full else {}
    return {
        "pretrain": partial(pretrained, options, point),
        **light_evaluations(options.data_dir, text_dir, folder),
        **full,
    }


def training_program(options: QualityOptions, point: Point) -> tuple[str, Any]:
    """Returns the module that trains a point, and its options."""
    folder = os.path.join(options.work_dir, point.name)
    files = text.training_files(os.path.join(options.work_dir, "text"))
    budget = f"{60 * point.minutes:g}s"
    if point.side in ("bert", "modern", "compact"):
        # The family compact has options of its own.
        chosen = {} if point.side == "compact" else _README_OPTIONS
        return "bert_tf.pretrain", PretrainOptions(
            **chosen,
            input_files=(files,),
            output_dir=os.path.join(folder, MODEL),
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
    model, log = os.path.join(folder, MODEL), f"{folder}.log"
    if point.side in _PEERS:
        # They cannot resume.
        shutil.rmtree(folder, ignore_errors=True)
    seconds = run_logged(*training_program(options, point), log)
    if point.side in _PEERS:
        convert(
            ConvertOptions(
                source=os.path.join(folder, side.PEERMODEL), output_dir=model
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


if __name__ == "__main__":
    cli.run(QualityOptions, main, __doc__)
