"""Evaluates a fine-tuned model on labelled examples, or a pre-trained one on text.

    python -m bert_tf.evaluate --model_dir=models/sst2 --data_dir=data --split=dev
    python -m bert_tf.evaluate --model_dir=models/mine --records_dir=records
    python -m bert_tf.evaluate --model_dir=models/mine --dataset=blimp --data_dir=blimp

The dataset is the one that the model was trained on, unless another one or files are
given. `--output_dir` receives `metrics.json`, `report.html` and, for questions,
`predictions.json` for SQuAD's official script. A pre-trained model predicts masked
tokens of held-out text; if it predicts the next token, its perplexity is printed. Or it
chooses the acceptable sentence of each minimal pair of BLiMP.
"""

import dataclasses
import posixpath
import sys
from typing import Any, Literal

from bert_tf.checkpoints import model_dir
from bert_tf.checkpoints.description import PRETRAINING, Description
from bert_tf.checkpoints.model_dir import LoadedModel
from bert_tf.prediction.likelihood import minimal_pair_scores
from bert_tf.prediction.predictor import Predictor
from bert_tf.pretraining.heldout import METRICS, heldout_scores
from bert_tf.report.evaluation import Evaluation
from bert_tf.report.finetuning import evaluation_report
from bert_tf.tasks.data_options import DataOptions, check_pairs, read
from bert_tf.tasks.kinds import KINDS
from data_pipelines.datasets import minimal_pairs
from data_pipelines.datasets.sources import Dataset
from data_pipelines.files.atomic import new_folder, require_new, write_file
from data_pipelines.files.json_files import to_json
from data_pipelines.programs import cli

REPORT = "report.html"


@dataclasses.dataclass(frozen=True)
class EvaluateOptions(DataOptions):
    """Options of the program, besides the data."""

    model_dir: str = cli.option(
        cli.REQUIRED, "The model folder, written by bert_tf.finetune or pretrain."
    )
    split: str = cli.option("dev", "The split of the dataset: dev, test, ...")
    output_dir: str | None = cli.option(None, "A new folder for metrics and a report.")
    batch_size: int = cli.option(64, "Number of examples that are run at once.")
    records_dir: str | None = cli.option(
        None, "For a pre-trained model: records with a held-out part."
    )
    sequence_length: int = cli.option(128, "With records: tokens of a row.")
    num_eval_batches: int = cli.option(
        100, "With records: the maximum number of batches."
    )
    max_pairs: int | None = cli.option(
        None, "With --dataset=blimp: the first pairs of each set. Default: all."
    )


def evaluate(options: EvaluateOptions) -> dict[str, float]:
    """Evaluates the model on the examples or the records, and may write the metrics.

    Raises:
        ValueError: the model and the dataset have different kinds or labels.
        FileNotFoundError: the model or the data is missing.
    """
    if options.output_dir is not None:
        require_new(options.output_dir)
    loaded = model_dir.load(options.model_dir)
    _check_question(options, loaded.description.kind)
    files: dict[str, str] = {}
    if options.records_dir is not None:
        metrics = heldout_scores(
            loaded,
            options.records_dir,
            sequence_length=options.sequence_length,
            batch_size=options.batch_size,
            num_batches=options.num_eval_batches,
        )
    elif options.dataset == minimal_pairs.NAME:
        pairs = minimal_pairs.read_minimal_pairs(options.data_dir, options.max_pairs)
        metrics = minimal_pair_scores(
            loaded, pairs, options.batch_size, show_progress=sys.stderr.isatty()
        )
    else:
        evaluation = _evaluation(loaded, options)
        metrics = evaluation.metrics
        if options.output_dir is not None:
            files = _files(evaluation, options)
    if options.output_dir is not None:
        with new_folder(options.output_dir) as folder:
            for name, text in {METRICS: _json(metrics), **files}.items():
                write_file(posixpath.join(folder, name), text.encode())
    return metrics


def _check_question(options: EvaluateOptions, kind: str) -> None:
    """Raises ValueError unless the options ask what a model of this kind answers."""
    on_pairs = options.dataset == minimal_pairs.NAME
    on_records = options.records_dir is not None
    if (on_pairs + on_records) != (kind == PRETRAINING):
        raise ValueError(
            f"Received records_dir={options.records_dir}, dataset={options.dataset} "
            f"for a model of kind {kind}. Expected one of --records_dir and "
            f"--dataset={minimal_pairs.NAME} for a pre-trained model, and for no other."
        )
    if options.max_pairs is not None and not on_pairs:
        raise ValueError(
            f"Received max_pairs={options.max_pairs} with dataset={options.dataset}. "
            f"Expected it with --dataset={minimal_pairs.NAME} alone: leave it out."
        )


def _evaluation(loaded: LoadedModel, options: EvaluateOptions) -> Evaluation:
    dataset = described_dataset(options, loaded.description)
    dataset = check_dataset(dataset, loaded.description)
    examples, _ = read(dataset, options.split, options.data_dir)
    task = dataclasses.replace(loaded.description.task, metrics=dataset.metrics)
    predictor = Predictor.of(loaded, options.batch_size)
    answers = [answer for _, answer in predictor.answers(examples, task.threshold)]
    metrics = predictor.kind.score(examples, answers, task)
    return Evaluation(
        dataset.kind, metrics, examples, answers, task.labels, task.threshold
    )


def _files(evaluation: Evaluation, options: EvaluateOptions) -> dict[str, str]:
    """The contents of the report and of the files of the kind, by filename."""
    examples, answers = evaluation.examples, evaluation.answers
    facts = {"model": options.model_dir, "examples": f"{len(examples):,}"}
    title = f"{options.model_dir} on {options.split}"
    page = evaluation_report(title, facts=facts, evaluation=evaluation)
    kind = KINDS[evaluation.kind]
    extra = kind.extra_files(examples, answers, evaluation.threshold)
    return {REPORT: page, **{name: _json(values) for name, values in extra.items()}}


def _json(values: dict[str, Any]) -> str:
    return to_json(values, ensure_ascii=False, indent=2) + "\n"


def described_dataset(options: DataOptions, description: Description) -> Dataset:
    """The dataset of the options, or the one that the model was trained on."""
    files = (options.train_file, options.dev_file, options.test_file)
    if options.dataset is None and not any(files):
        if description.dataset in (None, "files"):
            raise ValueError(
                "The model was trained on files. Expected files for the evaluation: "
                "--dev_file or --test_file, or --dataset."
            )
        options = dataclasses.replace(options, dataset=description.dataset)
    elif options.kind is None and any(files):
        options = dataclasses.replace(options, kind=description.kind)  # type: ignore[arg-type]
    # Tags have the meaning of fine-tuning, which a converted model does not store.
    if options.tags is None and description.metrics:
        are_entities = "entity_f1" in description.metrics
        tags: Literal["entities", "labels"] = "entities" if are_entities else "labels"
        options = dataclasses.replace(options, tags=tags)
    return options.chosen_dataset(description.labels)


def check_dataset(dataset: Dataset, description: Description) -> Dataset:
    """The dataset with the labels of the model.

    Raises:
        ValueError: the model has another kind of head or other labels, or only one of
            model and dataset has pairs of texts.
    """
    if description.kind != dataset.kind:
        raise ValueError(
            f"The model is of kind {description.kind}, the dataset {dataset.name} of "
            f"kind {dataset.kind}. Expected the same kind: fine-tune a model on the "
            "dataset first."
        )
    check_pairs(dataset, description.task.pairs)
    labels = description.labels
    if labels is not None and (extra := set(dataset.labels or ()) - set(labels)):
        raise ValueError(
            f"The dataset {dataset.name} has the labels {sorted(extra)}, which the "
            f"model does not have. Expected a subset of {list(labels)}: fine-tune a "
            "model on the dataset first."
        )
    return dataclasses.replace(dataset, labels=labels)


def main(options: EvaluateOptions) -> None:
    """Evaluates the model, and prints the metrics."""
    for name, value in evaluate(options).items():
        print(f"{name} {value:.4f}")
    if options.output_dir is not None:
        has_report = options.records_dir is None and (
            options.dataset != minimal_pairs.NAME
        )
        look = f"; see {options.output_dir}/{REPORT}" if has_report else ""
        print(f"Wrote {options.output_dir}{look}.")


if __name__ == "__main__":
    cli.run(EvaluateOptions, main, __doc__)
