"""Measures what each part of `--family=compact` is worth.

    python -m benchmarks.quality_ablations --data_dir=data --work_dir=quality

A model is pre-trained for the same minutes with each change of the family, and
evaluated as by `benchmarks.quality_per_hour`. Vocabulary, records and word vectors are
made before, once for all, so that the minutes are those of the training alone. The
table is printed at the end. The same command continues a stopped run.
"""

import dataclasses
import os
import statistics
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from benchmarks.quality import text
from benchmarks.quality.changes import CHANGES
from benchmarks.quality.evaluations import MODEL, light_evaluations
from benchmarks.quality.preparation import prepare, run_logged
from benchmarks.quality.results import Point, Result
from benchmarks.quality.runner import Step, run_missing
from benchmarks.quality_per_hour import work_of
from bert_tf.pretraining.options import PretrainOptions
from bert_tf.training.budget import seconds_of
from data_pipelines.corpus.documents import expand_sources
from data_pipelines.files.atomic import write_file
from data_pipelines.programs import cli

# Files of the text that are read: more than ten minutes of training need.
_NUM_FILES = 4
# The figures of the table: step, figure, title, factor, digits.
_FIGURES = (
    ("pretrain", "tokens", "M tokens", 1e-6, 2),
    ("heldout", "bits_per_byte", "bits per byte", 1, 3),
    ("heldout", "word_accuracy", "words right, %", 100, 1),
    ("blimp", "accuracy", "BLiMP, %", 100, 1),
    ("conll2003", "entity_f1", "CoNLL-2003, F1 %", 100, 1),
)


@dataclasses.dataclass(frozen=True)
class AblationsOptions:
    """Options of the benchmark."""

    data_dir: str = cli.option(cli.REQUIRED, "Folder of the corpora and datasets.")
    work_dir: str = cli.option(cli.REQUIRED, "Folder for the text and the models.")
    results_file: str = cli.option(
        "benchmarks/results/quality_ablations.jsonl", "File to which results are added."
    )
    changes: tuple[str, ...] = cli.option(tuple(CHANGES), "Changes to measure.")
    evaluations: tuple[str, ...] = cli.option(
        ("heldout", "blimp", "conll2003"), "Evaluations of each model."
    )
    minutes: str = cli.option("10", "Time of each training.")
    num_seeds: int = cli.option(2, "Models of each change.")

    def __post_init__(self) -> None:
        unknown = sorted(set(self.changes) - set(CHANGES))
        if unknown or not self.changes:
            raise ValueError(
                f"Received changes={list(self.changes)}. Expected some of "
                f"{', '.join(CHANGES)}."
            )
        seconds_of(f"{self.minutes}m")
        cli.require_positive(num_seeds=self.num_seeds)


def main(options: AblationsOptions) -> None:
    """Runs the steps that the results file lacks, and prints the table."""
    text.prepare(options.data_dir, os.path.join(options.work_dir, "text"))
    print(table(run_missing(steps(options), options.results_file)))


def steps(options: AblationsOptions) -> Iterator[Step]:
    """Yields the steps of all models, those of the first seed first."""
    text_dir = os.path.join(options.work_dir, "text")
    for seed in range(options.num_seeds):
        for name in options.changes:
            point = Point(name, float(options.minutes), seed)
            folder = os.path.join(options.work_dir, f"ablation_{point.name}")
            yield point, "pretrain", partial(_pretrained, options, point, folder)
            found = light_evaluations(options.data_dir, text_dir, folder)
            for step in options.evaluations:
                yield point, step, found[step]


def _pretrained(options: AblationsOptions, point: Point, folder: str) -> dict[str, Any]:
    """Pre-trains a model with a change; returns its work."""
    change = CHANGES[point.side]
    config = change.made_config()
    pattern = text.training_files(os.path.join(options.work_dir, "text"))
    prepared_dir = os.path.join(options.work_dir, f"prepared_{change.vocab_size}")
    prepared = prepare(
        expand_sources([pattern])[:_NUM_FILES],
        prepared_dir,
        change.vocab_size,
        config.embedding_size or config.hidden_size,
        f"{prepared_dir}.log",
    )
    os.makedirs(folder, exist_ok=True)
    config_file = os.path.join(folder, "config.json")
    write_file(config_file, config.to_json().encode())
    found = {
        "token_vectors": prepared.vectors,
        "config_file": config_file,
        **change.options,
    }
    model = os.path.join(folder, MODEL)
    run = PretrainOptions(
        **found,
        family="compact",
        records_dir=prepared.records,
        vocab_file=prepared.vocabulary,
        output_dir=model,
        budget=f"{options.minutes}m",
        seed=point.seed,
    )
    run_logged("bert_tf.pretrain", run, f"{folder}.log")
    return work_of(model)


def table(results: Sequence[Result]) -> str:
    """Returns a row for each change: means over its seeds, and what it changes."""
    found: dict[tuple[str, str, str], list[float]] = {}
    for result in results:
        for name, value in result.values.items():
            found.setdefault((result.point.side, result.step, name), []).append(value)
    head = ["change", "seeds", *(title for _, _, title, _, _ in _FIGURES), "what"]
    lines = [head, ["---"] * len(head)]
    for side in dict.fromkeys(result.point.side for result in results):
        seeds = {r.point.seed for r in results if r.point.side == side}
        cells = [side, str(len(seeds))]
        for step, name, _, factor, digits in _FIGURES:
            values = found.get((side, step, name))
            shown = f"{factor * statistics.mean(values):.{digits}f}" if values else "–"
            cells.append(shown)
        lines.append([*cells, CHANGES[side].described() if side in CHANGES else ""])
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


if __name__ == "__main__":
    cli.run(AblationsOptions, main, __doc__)
