"""A fine-tuned model and labelled examples to metrics; a pre-trained one on records.

    python -m bert_tf.evaluate --model_dir=models/sst2 --data_dir=data --split=dev
    python -m bert_tf.evaluate --model_dir=models/mine --records_dir=records

The dataset is the one that the model was trained on, unless another, or files, are
given. With `--output_dir`, `metrics.json`, `report.html` and, for questions,
`predictions.json` as SQuAD's official script takes it, are written. A pre-trained model
guesses masked tokens of what is held out, and gives its perplexity if it has one.
"""

import dataclasses
import json
import posixpath
from typing import Any

import tensorflow as tf

from bert_tf.checkpoints import model_dir
from bert_tf.checkpoints.model_dir import Description
from bert_tf.prediction.predictor import Answerer
from bert_tf.pretraining.heldout import METRICS, heldout_scores
from bert_tf.report.evaluation import Evaluation
from bert_tf.report.finetuning import evaluation_report
from bert_tf.tasks import scoring
from bert_tf.tasks.data_options import DataOptions, dataset_of, read
from data_pipelines.datasets.sources import Dataset
from data_pipelines.files.atomic import require_new, write_file
from data_pipelines.programs import cli

PREDICTIONS = "predictions.json"
NULL_ODDS = "null_odds.json"
REPORT = "report.html"


@dataclasses.dataclass(frozen=True)
class EvaluateOptions(DataOptions):
    """What the program can be told, besides the data."""

    model_dir: str = cli.option(
        cli.REQUIRED, "The model folder that bert_tf.finetune or pretrain wrote."
    )
    split: str = cli.option("dev", "The part of the dataset: dev, test, ...")
    output_dir: str | None = cli.option(None, "A new folder for metrics and a report.")
    batch_size: int = cli.option(64, "Examples that are run at once.")
    records_dir: str | None = cli.option(
        None, "Of a pre-trained model: records with a part held out."
    )
    sequence_length: int = cli.option(128, "With records: tokens of a row.")
    num_eval_batches: int = cli.option(100, "With records: the most batches.")


def evaluate(options: EvaluateOptions) -> dict[str, float]:
    """The metrics of the model on the examples; writes them if asked to.

    Raises:
        ValueError: the model is not of the kind of the dataset, or has other labels.
        FileNotFoundError: the model or the data is not there.
    """
    _, _, description = model_dir.load_description(options.model_dir)
    is_pretrained = description.kind == model_dir.PRETRAINING
    if is_pretrained != (options.records_dir is not None):
        raise ValueError(
            f"Received records_dir={options.records_dir} for a model of the kind "
            f"{description.kind}. Expected --records_dir for a pre-trained model, and "
            "for no other."
        )
    if options.output_dir is not None:
        require_new(options.output_dir)
    if options.records_dir is not None:
        return _evaluate_pretrained(options, options.records_dir)
    dataset = check_dataset(described_dataset(options, description), description)
    examples, _ = read(options, dataset, options.split)
    answerer = Answerer.of(model_dir.load(options.model_dir), options.batch_size)
    answers = [answer for _, answer in answerer.answers(examples)]
    metrics = scoring.score(
        description.kind,
        dataset.metrics,
        examples,
        answers,
        description.labels,
        description.threshold,
    )
    if options.output_dir is not None:
        _write(options.output_dir, options, description, examples, answers, metrics)
    return metrics


def _evaluate_pretrained(
    options: EvaluateOptions, records_dir: str
) -> dict[str, float]:
    scores = heldout_scores(
        model_dir.load(options.model_dir),
        records_dir,
        sequence_length=options.sequence_length,
        batch_size=options.batch_size,
        num_batches=options.num_eval_batches,
    )
    if options.output_dir is not None:
        _write_files(options.output_dir, {METRICS: json.dumps(scores, indent=2) + "\n"})
    return scores


def described_dataset(options: DataOptions, description: Description) -> Dataset:
    """The dataset of the options, or else the one that the model was trained on."""
    files = (options.train_file, options.dev_file, options.test_file)
    if options.dataset is None and not any(files):
        if description.dataset in (None, "files"):
            raise ValueError(
                "The model was trained on files. Expected files here, too: "
                "--dev_file or --test_file, or --dataset."
            )
        options = dataclasses.replace(options, dataset=description.dataset)
    elif options.kind is None and any(files):
        options = dataclasses.replace(options, kind=description.kind)  # type: ignore[arg-type]
    return dataset_of(options)


def check_dataset(dataset: Dataset, description: Description) -> Dataset:
    """The dataset with the labels of the model.

    Raises:
        ValueError: the model has another kind of head, or other labels.
    """
    if description.kind != dataset.kind:
        raise ValueError(
            f"The model is of the kind {description.kind}, the dataset {dataset.name} "
            f"of the kind {dataset.kind}. Expected the same: fine-tune a model on it "
            "first."
        )
    labels = description.labels
    if dataset.labels is not None and labels is not None:
        extra = sorted(set(dataset.labels) - set(labels))
        if extra:
            raise ValueError(
                f"The dataset {dataset.name} has the labels {extra}, which the model "
                f"has not. Expected some of {list(labels)}: fine-tune a model on it "
                "first."
            )
    return dataclasses.replace(dataset, labels=labels)


def _write(
    folder: str,
    options: EvaluateOptions,
    description: Description,
    examples: list[Any],
    answers: list[Any],
    metrics: dict[str, float],
) -> None:
    files = {METRICS: json.dumps(metrics, indent=2) + "\n"}
    if description.kind == "span_qa":
        pairs = list(zip(examples, answers, strict=True))
        texts = {e.id: a.text(description.threshold) for e, a in pairs}
        files[PREDICTIONS] = json.dumps(texts, ensure_ascii=False, indent=2) + "\n"
        scores = {e.id: a.no_answer_score for e, a in pairs}
        files[NULL_ODDS] = json.dumps(scores, indent=2) + "\n"
    files[REPORT] = evaluation_report(
        f"{options.model_dir} on {options.split}",
        facts={"model": options.model_dir, "examples": f"{len(examples):,}"},
        evaluation=Evaluation(
            description.kind,
            metrics,
            examples,
            answers,
            description.labels,
            description.threshold,
        ),
    )
    _write_files(folder, files)


def _write_files(folder: str, files: dict[str, str]) -> None:
    tf.io.gfile.makedirs(folder)
    for name, text in files.items():
        write_file(posixpath.join(folder, name), text.encode())


def main(options: EvaluateOptions) -> None:
    """Evaluates, and prints the metrics."""
    for name, value in evaluate(options).items():
        print(f"{name} {value:.4f}")
    if options.output_dir is not None:
        has_report = options.records_dir is None
        look = f"; look at {options.output_dir}/{REPORT}" if has_report else ""
        print(f"Wrote {options.output_dir}{look}.")


if __name__ == "__main__":
    cli.run(EvaluateOptions, main, __doc__)
