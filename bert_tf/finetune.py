"""A pre-trained BERT to a model of one task, by one dataset or files of your own.

    python -m bert_tf.finetune --model_dir=models/mine --dataset=glue/sst2 \\
        --output_dir=models/sst2

    python -m bert_tf.finetune --model_dir=models/mine --kind=classification \\
        --train_file=train.csv --dev_file=dev.csv --output_dir=models/own

The development set says which checkpoint, and of several runs (`--num_seeds`,
`--search=paper`) which one, becomes the model. The same command goes on where a stopped
one was. `report.html` shows what came of it.
"""

import dataclasses
import itertools
import json
import posixpath
from collections.abc import Sequence
from typing import Any, Literal

import tensorflow as tf

from bert_tf.baselines.scores import baseline_scores
from bert_tf.checkpoints import model_dir
from bert_tf.finetuning.results import (
    RESULT,
    RUNS,
    RunResult,
    RunSettings,
    best_result,
    summaries,
)
from bert_tf.finetuning.run import Start, TrainingOptions, train_run
from bert_tf.layers.scalar_mix import Features
from bert_tf.prediction.predictor import Answerer
from bert_tf.report.evaluation import Evaluation
from bert_tf.report.finetuning import finetuning_report
from bert_tf.tasks import scoring
from bert_tf.tasks.correction_passes import with_further_passes
from bert_tf.tasks.data_options import (
    DataOptions,
    dataset_of,
    encoding_arguments,
    read,
    training_examples,
)
from bert_tf.training.distribution import (
    FREE_OPTIONS,
    DistributionOptions,
    is_chief,
    lost_workers_named,
    make_strategy,
)
from bert_tf.training.loop import PREEMPTED_EXIT_CODE, Preempted
from bert_tf.training.output_dir import claim_for_all
from bert_tf.training.run_log import METRICS, read_metrics
from data_pipelines.datasets.sources import Dataset
from data_pipelines.files.atomic import write_file
from data_pipelines.files.json_files import read_json
from data_pipelines.finetuning import batches
from data_pipelines.programs import cli

REPORT = "report.html"

# Appendix A.3 of the paper.
_PAPER_GRID = {
    "learning_rate": (5e-5, 3e-5, 2e-5),
    "batch_size": (16, 32),
    "num_epochs": (2.0, 3.0, 4.0),
}
# Kinds whose head reads the pooler.
_POOLED = ("classification", "regression", "multiple_choice")
_FREE_OPTIONS = (
    "output_dir",
    "log_every",
    "evaluations_per_epoch",
    *FREE_OPTIONS,
)


@dataclasses.dataclass(frozen=True)
class FinetuneOptions(DataOptions, TrainingOptions, DistributionOptions):
    """What the program can be told, besides the data and the training."""

    model_dir: str = cli.option(
        cli.REQUIRED, "The model folder to start from, pre-trained or fine-tuned."
    )
    output_dir: str = cli.option(
        cli.REQUIRED, "Folder of the model, its runs, logs and report."
    )
    batch_size: int = cli.option(32, "Examples of a step.")
    learning_rate: float = cli.option(5e-5, "At the end of the warm-up.")
    num_epochs: float = cli.option(3.0, "Passes through the training data.")
    seed: int = cli.option(0, "Of the head, the order and the dropout.")
    num_seeds: int = cli.option(1, "Runs with seeds that follow one another.")
    search: Literal["none", "paper"] = cli.option(
        "none",
        "paper: all of learning rates 5e-5, 3e-5, 2e-5, batches of 16 and 32, 2 to 4 "
        "epochs; the best on the development set is kept.",
    )
    features: Literal["none", Features] = cli.option(
        "none", "Keeps the encoder as it is, and reads these layers of it (table 7)."
    )
    lstm_units: int = cli.option(
        0, "With features: a two-layer BiLSTM so wide before the dense layer."
    )
    dropout: float = cli.option(
        0.1,
        "In the encoder and before the head. As in the paper (appendix A.3), however "
        "the model was pre-trained: without it small data is learned by heart.",
    )
    random_weights: bool = cli.option(
        False, "Starts from random weights, to see what pre-training is worth."
    )
    test_splits: tuple[str, ...] = cli.option(
        (), "Labelled splits for a last look at each run, such as dev_mismatched."
    )
    baselines: bool = cli.option(
        True, "Whether the report compares with what simple guesses score."
    )

    def __post_init__(self) -> None:
        TrainingOptions.__post_init__(self)
        if self.batch_size < 1 or self.num_seeds < 1 or not self.num_epochs > 0:
            raise ValueError(
                f"Received batch_size={self.batch_size}, num_seeds={self.num_seeds}, "
                f"num_epochs={self.num_epochs}. Expected numbers above 0."
            )

    def settings(self) -> list[RunSettings]:
        """Of all runs."""
        grid: Any = {name: (getattr(self, name),) for name in _PAPER_GRID}
        if self.search == "paper":
            grid = _PAPER_GRID
        seeds = range(self.seed, self.seed + self.num_seeds)
        return [RunSettings(*v) for v in itertools.product(*grid.values(), seeds)]


def finetune(options: FinetuneOptions) -> dict[str, float]:
    """Trains a model into `options.output_dir`, or goes on with it.

    Returns:
        The metrics of the model on the development set.

    Raises:
        ValueError: options, files or the folders do not fit each other.
        bert_tf.training.loop.NonFiniteLoss: a run has diverged.
        bert_tf.training.loop.Preempted: SIGTERM; the same call goes on.
    """
    strategy = make_strategy(options)
    with lost_workers_named(strategy):
        return _finetune(options, strategy)


def _finetune(
    options: FinetuneOptions, strategy: tf.distribute.Strategy
) -> dict[str, float]:
    _check_batches(options, strategy)
    config, vocabulary, start = model_dir.load_description(options.model_dir)
    config = dataclasses.replace(
        config,
        hidden_dropout_prob=options.dropout,
        attention_probs_dropout_prob=options.dropout,
    )
    dataset = dataset_of(options)
    # Read before anything is written: most mistakes show here.
    train, dev, dataset = _examples(options, dataset)
    splits = options.test_splits or (("test",) if options.test_file else ())
    tests = {split: read(options, dataset, split)[0] for split in splits}
    is_pooled = dataset.kind in _POOLED and config.num_hidden_layers > 0
    if options.features == "none" and is_pooled and not config.pooler:
        print(f"{options.model_dir} has no pooler: a new one starts from chance.")
        config = dataclasses.replace(config, pooler=True)
    if options.lm_weight and (not config.causal or options.features != "none"):
        raise ValueError(
            f"Received lm_weight={options.lm_weight} for a model with causal="
            f"{config.causal} and features={options.features}. Expected a causal one, "
            "as of bert_tf.pretrain --family=gpt, without features: others do not "
            "predict the next token."
        )
    description = model_dir.Description(
        kind=dataset.kind,
        dataset=dataset.name,
        metrics=dataset.metrics,
        head=_head(options, dataset, start),
        encoding=encoding_arguments(options, dataset, config.max_sequence_length),
        document_context=options.document_context,
        pairs=any(getattr(e, "second", None) is not None for e in train),
    )
    if claim_for_all(strategy, options.output_dir, options, _FREE_OPTIONS):
        path = posixpath.join(options.output_dir, model_dir.DEV_METRICS)
        return read_json(path)
    encoding = model_dir.make_encoding(description, vocabulary)
    examples = training_examples(options, train)
    if dataset.kind == "correction":
        examples = with_further_passes(encoding, examples)
    features = batches.encode_all(encoding, examples)
    weights = {}
    if not options.random_weights:
        taken = _taken_heads(options, dataset.kind, start)
        weights = model_dir.load_encoder_weights(options.model_dir, taken)
    starting = Start(config, description, vocabulary, weights, features, dev, tests)
    with strategy.scope():
        results = [
            _result(options, starting, settings, encoding, strategy)
            for settings in options.settings()
        ]
    if not is_chief(strategy):
        return best_result(results, dataset.metrics[0]).metrics
    return _finish(options, starting, results, dataset, train, encoding)


def _check_batches(options: FinetuneOptions, strategy: tf.distribute.Strategy) -> None:
    count = strategy.num_replicas_in_sync
    for settings in options.settings():
        if settings.batch_size % count:
            raise ValueError(
                f"Received batch_size={settings.batch_size} for {count} replicas. "
                f"Expected a multiple of {count}: as many examples for each."
            )


def _examples(
    options: FinetuneOptions, dataset: Dataset
) -> tuple[list[Any], list[Any], Dataset]:
    """Training and development examples, and the dataset with its labels."""
    train, dataset = read(options, dataset, "train")
    if options.max_train_examples is not None:
        train = train[: options.max_train_examples]
    dev, _ = read(options, dataset, "dev")
    if not dev:
        raise ValueError(
            "There is no development example. Expected some, to choose the best "
            "checkpoint by."
        )
    return train, dev, dataset


def _taken_heads(
    options: FinetuneOptions, kind: str, start: model_dir.Description
) -> tuple[str, ...]:
    """What the names of weights begin with that a model takes along beside the encoder.

    Corrections, and an auxiliary language model, are written by the head of
    pre-training; and who goes on from synthetic errors to real ones keeps what was
    learned.
    """
    taken: tuple[str, ...] = ()
    # The heads of other objectives are of other models.
    has_head = start.objective in ("masked_lm", "next_token")
    if has_head and (kind == "correction" or options.lm_weight):
        taken = ("mlm_head/",)
    if kind == start.kind == "correction":
        taken = (*taken, "head/", "tag_table")
    return taken


def _head(
    options: FinetuneOptions, dataset: Dataset, start: model_dir.Description
) -> dict[str, Any]:
    head: dict[str, Any] = {
        "features": None if options.features == "none" else options.features,
        "lstm_units": options.lstm_units,
    }
    if dataset.kind == "multiple_choice":
        return {**head, "num_choices": dataset.num_choices}
    if dataset.kind == "span_qa":
        return head
    if dataset.kind == "correction":
        names = ("mlm_activation", "mlm_epsilon")
        return {**head, **{name: start.head.get(name) for name in names}}
    outputs = 1 if dataset.labels is None else len(dataset.labels)
    return {**head, "num_outputs": outputs}


def _result(
    options: FinetuneOptions,
    start: Start,
    settings: RunSettings,
    encoding: Any,
    strategy: tf.distribute.Strategy,
) -> RunResult:
    """The result of a run, which is run unless it was finished before."""
    folder = posixpath.join(options.output_dir, RUNS, settings.name)
    path = posixpath.join(folder, RESULT)
    if tf.io.gfile.exists(path):
        with tf.io.gfile.GFile(path) as file:
            return RunResult.from_json(file.read())
    result = train_run(
        start, settings, options, encoding, folder, strategy, options.jit_compile
    )
    if is_chief(strategy):
        write_file(path, result.to_json().encode())
    return result


def _finish(
    options: FinetuneOptions,
    start: Start,
    results: Sequence[RunResult],
    dataset: Dataset,
    train: Sequence[Any],
    encoding: Any,
) -> dict[str, float]:
    """Makes the best run the model, and reports."""
    metric = dataset.metrics[0]
    best = best_result(results, metric)
    folder = posixpath.join(options.output_dir, RUNS, best.settings.name)
    model = model_dir.make_model(start.config, start.description, options.policy)
    model_dir.assign_weights(model, posixpath.join(folder, model_dir.WEIGHTS))
    threshold = best.metrics.get("threshold")
    answerer = Answerer(
        dataset.kind, model, encoding, options.document_context, threshold=threshold
    )
    answers = [answer for _, answer in answerer.answers(start.dev)]
    labels = dataset.labels
    metrics = scoring.score(
        dataset.kind, dataset.metrics, start.dev, answers, labels, threshold
    )
    baselines = {}
    if options.baselines:
        baselines = baseline_scores(dataset, train, start.dev)
    _say(results, best, metrics, baselines, metric)
    page = finetuning_report(
        f"Fine-tuning on {dataset.name}",
        facts=_facts(options, start, train, model),
        evaluation=Evaluation(
            dataset.kind, metrics, start.dev, answers, labels, threshold
        ),
        metrics=dataset.metrics,
        results=results,
        records=read_metrics(posixpath.join(folder, METRICS)),
        baselines=baselines,
        options=dataclasses.asdict(options),
    )
    write = write_file
    write(posixpath.join(options.output_dir, REPORT), page.encode())
    text = json.dumps(metrics, indent=2) + "\n"
    write(posixpath.join(options.output_dir, model_dir.DEV_METRICS), text.encode())
    # The weights come last: with them the folder is a finished model.
    model_dir.save(
        options.output_dir,
        model,
        start.vocabulary,
        dataclasses.replace(start.description, threshold=threshold),
        dataclasses.asdict(options),
    )
    print(
        f"Wrote the model to {options.output_dir}; look at "
        f"{options.output_dir}/{REPORT}."
    )
    return metrics


def _say(
    results: Sequence[RunResult],
    best: RunResult,
    metrics: dict[str, float],
    baselines: dict[str, dict[str, float]],
    metric: str,
) -> None:
    if len(results) > 1:
        for summary in summaries(results, metric):
            settings = summary.settings
            collapsed = summary.num_collapsed
            print(
                f"lr {settings.learning_rate:g}, batch {settings.batch_size}, "
                f"{settings.num_epochs:g} epochs: {metric} {summary.mean:.4f} ± "
                f"{summary.deviation:.4f}, best {summary.best:.4f}, "
                f"{summary.num_runs} runs"
                + (f", {collapsed} collapsed to one class" if collapsed else "")
            )
            for split, (mean, deviation) in summary.tests.items():
                print(f"    {split}: {metric} {mean:.4f} ± {deviation:.4f}")
    lines = {**baselines, "this model": metrics}
    lines = {f"dev, {name}": values for name, values in lines.items()}
    for split, values in best.test_metrics.items():
        lines[f"{split}, this model"] = values
    for name, values in lines.items():
        shown = "  ".join(f"{key} {value:.4f}" for key, value in values.items())
        print(f"{name}:  {shown}")


def _facts(
    options: FinetuneOptions, start: Start, train: Sequence[Any], model: Any
) -> dict[str, str]:
    lengths = start.features["token_ids"].row_lengths().numpy()
    begins = "random weights" if options.random_weights else options.model_dir
    return {
        "kind": start.description.kind.replace("_", " "),
        "started from": begins,
        "model": f"{start.config.num_hidden_layers} layers of "
        f"{start.config.hidden_size}, {model.count_params():,} weights",
        "examples": f"{len(train):,} to train on, {len(start.dev):,} to check with",
        "sequences": f"{len(lengths):,} of {lengths.mean():.1f} tokens on average, "
        f"{lengths.max()} at most",
        "computed in": options.dtype,
    }


def main(options: FinetuneOptions) -> int:
    """Trains; stopped by SIGTERM, gives the exit code 143."""
    try:
        finetune(options)
    except Preempted as stopped:
        print(f"{stopped} The same command goes on from there.")
        return PREEMPTED_EXIT_CODE
    return 0


if __name__ == "__main__":
    cli.run(FinetuneOptions, main, __doc__)
