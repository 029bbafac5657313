"""Fine-tunes a pre-trained BERT for a task, on a dataset or on your own files.

    python -m bert_tf.finetune --model_dir=models/mine --dataset=glue/sst2 \\
        --output_dir=models/sst2

    python -m bert_tf.finetune --model_dir=models/mine --kind=classification \\
        --train_file=train.csv --dev_file=dev.csv --output_dir=models/own

The best checkpoint on the development set, of all runs (`--num_seeds`,
`--search=paper`), becomes the model. If interrupted, the same command resumes.
`report.html` shows the result.
"""

import dataclasses
import importlib
import posixpath
import sys
from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from bert_tf.baselines.scores import baseline_scores
from bert_tf.checkpoints import model_dir
from bert_tf.checkpoints.description import Description
from bert_tf.finetuning.heads import balanced_weights, reused_heads
from bert_tf.finetuning.options import FREE, FinetuneOptions
from bert_tf.finetuning.results import (
    RESULT,
    RUNS,
    RunResult,
    RunSettings,
    best_result,
    result_lines,
)
from bert_tf.finetuning.run import CHECKPOINTS, train_run
from bert_tf.finetuning.start import (
    Data,
    Start,
    describe,
    encoder_config,
    read_data,
    training_features,
)
from bert_tf.models.config import BertConfig
from bert_tf.prediction.predictor import Predictor
from bert_tf.report.evaluation import Evaluation
from bert_tf.report.finetuning import finetuning_report
from bert_tf.tasks.kinds import KINDS
from bert_tf.training.distribution import is_chief, lost_workers_named, make_strategy
from bert_tf.training.output_dir import (
    claim_for_all,
    is_finished_for_all,
    locked_for_all,
)
from bert_tf.training.run_log import METRICS, read_metrics
from data_pipelines.files.atomic import remove, write_file
from data_pipelines.files.json_files import read_json, write_json
from data_pipelines.programs import cli
from data_pipelines.programs.extras import extra

REPORT = "report.html"


def finetune(options: FinetuneOptions) -> dict[str, float]:
    """Trains a model in `options.output_dir`, or resumes an interrupted training.

    Returns:
        The metrics of the model on the development set.

    Raises:
        ImportError: the extra `finetune` is not installed.
        ValueError: the options, files or folders do not fit each other.
        bert_tf.training.loop.NonFiniteLoss: a run has diverged.
        bert_tf.training.loop.Preempted: Ctrl-C or SIGTERM; the same call resumes.
    """
    # The metrics need these packages: a missing one is reported before training.
    with extra("finetune"):
        for package in ("sklearn", "seqeval", "scipy"):
            importlib.import_module(package)
    strategy = make_strategy(options)
    folder = options.output_dir
    with lost_workers_named(strategy), locked_for_all(strategy, folder):
        return _finetune(options, strategy)


def _finetune(
    options: FinetuneOptions, strategy: tf.distribute.Strategy
) -> dict[str, float]:
    runs, count = options.settings(), strategy.num_replicas_in_sync
    for run in runs:
        if run.batch_size % count:
            raise ValueError(
                f"Received batch_size={run.batch_size} for {count} replicas. "
                f"Expected a multiple of {count}, so that each gets the same number "
                "of examples."
            )
    claims = options.output_dir, options, FREE
    if is_finished_for_all(strategy, *claims, options.inputs()):
        return read_json(posixpath.join(options.output_dir, model_dir.DEV_METRICS))
    config, vocabulary, origin = model_dir.load_description(options.model_dir)
    # Read before anything is written: most mistakes are found here.
    dataset, limit = options.chosen_dataset(), options.max_train_examples
    data = read_data(dataset, options.data_dir, limit, options.tests)
    config = _config(options, config, data.dataset.kind)
    description = _description(options, config, origin, data)
    # TFDS has prepared the dataset by now.
    claim_for_all(strategy, *claims, options.inputs())

    encoding = model_dir.make_encoding(description, vocabulary)
    weights = {}
    if not options.random_weights:
        reused = reused_heads(KINDS[description.kind], origin)
        weights = model_dir.load_encoder_weights(options.model_dir, reused)
    features = training_features(description, encoding, data.train)
    if options.class_weights == "balanced":
        classes = features["label"].numpy()
        class_weights = balanced_weights(classes, len(description.labels or ()))
        features["weight"] = tf.constant(class_weights[classes])
    start = Start(config, description, encoding, weights, features, data)
    with strategy.scope():
        results = [_result(options, start, run, strategy) for run in runs]
    best = best_result(results, description.metrics[0])
    if is_chief(strategy):
        return _write(options, start, results, best)
    return best.metrics


def _config(options: FinetuneOptions, config: BertConfig, kind: str) -> BertConfig:
    """The config of the encoder with the dropout of the options, and a pooler."""
    if options.lm_weight and (not config.causal or options.features != "none"):
        raise ValueError(
            f"Received lm_weight={options.lm_weight} for a model with causal="
            f"{config.causal} and features={options.features}. Expected a causal "
            "model, as from bert_tf.pretrain --family=gpt, without features: other "
            "models do not predict the next token."
        )
    if options.class_weights != "none" and not KINDS[kind].balanced_classes:
        raise ValueError(
            f"Received class_weights={options.class_weights!r} for kind {kind}. "
            "Expected it only for classification: leave it out."
        )
    is_frozen = options.features != "none"
    found = encoder_config(config, KINDS[kind], options.dropout, is_frozen)
    if found.pooler and not config.pooler:
        print(f"{options.model_dir} has no pooler: a new one is randomly initialized.")
    return found


def _description(
    options: FinetuneOptions, config: BertConfig, origin: Description, data: Data
) -> Description:
    return describe(
        data.dataset,
        config,
        origin,
        options.lengths(data.dataset, config.max_sequence_length),
        data.train,
        document_context=options.document_context,
        features=None if options.features == "none" else options.features,
        lstm_units=options.lstm_units,
    )


def _result(
    options: FinetuneOptions,
    start: Start,
    settings: RunSettings,
    strategy: tf.distribute.Strategy,
) -> RunResult:
    """The result of a run, which is started or resumed unless it is finished."""
    folder = posixpath.join(options.output_dir, RUNS, settings.name)
    path = posixpath.join(folder, RESULT)
    if tf.io.gfile.exists(path):
        result = RunResult.from_json(read_json(path))
    else:
        jit_compile = options.jit_compile
        result = train_run(start, settings, options, folder, strategy, jit_compile)
        if is_chief(strategy):
            write_json(path, dataclasses.asdict(result))
    if is_chief(strategy):
        # Checkpoints are needed until the result is written.
        remove(posixpath.join(folder, CHECKPOINTS))
    return result


def _write(
    options: FinetuneOptions,
    start: Start,
    results: Sequence[RunResult],
    best: RunResult,
) -> dict[str, float]:
    """Writes the best run as the model, with its report."""
    data, dataset, output_dir = start.data, start.data.dataset, options.output_dir
    values = dataclasses.asdict(options)
    folder = posixpath.join(output_dir, RUNS, best.settings.name)
    threshold = best.metrics.get("threshold")
    description = dataclasses.replace(start.description, threshold=threshold)
    model = model_dir.make_model(start.config, description, options.policy)
    model_dir.assign_weights(model, posixpath.join(folder, model_dir.WEIGHTS))
    predictor = Predictor(dataset.kind, model, start.encoding, options.document_context)
    answers = [answer for _, answer in predictor.answers(data.dev, threshold)]
    metrics = predictor.kind.score(data.dev, answers, description.task)
    facts = _facts(options, start, model)
    baselines = {}
    if options.baselines:
        try:
            baselines = baseline_scores(dataset, data.train, data.dev)
        except ImportError as error:
            facts["baselines"] = f"none: {error}"
            print(error, file=sys.stderr)
    for line in result_lines(results, best, metrics, baselines, dataset.metrics[0]):
        print(line)
    evaluation = Evaluation(
        dataset.kind, metrics, data.dev, answers, dataset.labels, threshold
    )
    page = finetuning_report(
        f"Fine-tuning on {dataset.name}",
        facts=facts,
        evaluation=evaluation,
        metrics=dataset.metrics,
        results=results,
        records=read_metrics(posixpath.join(folder, METRICS)),
        baselines=baselines,
        options=values,
    )
    write_file(posixpath.join(output_dir, REPORT), page.encode())
    write_json(posixpath.join(output_dir, model_dir.DEV_METRICS), metrics)
    # The weights come last: they make the folder a finished model.
    vocabulary = start.encoding.tokenizer.vocabulary
    model_dir.save(output_dir, model, vocabulary, description, values)
    print(f"Wrote the model to {output_dir}; see {output_dir}/{REPORT}.")
    return metrics


def _facts(options: FinetuneOptions, start: Start, model: Any) -> dict[str, str]:
    lengths = start.features["token_ids"].row_lengths().numpy()
    begins = "random weights" if options.random_weights else options.model_dir
    return {
        "kind": start.description.kind.replace("_", " "),
        "started from": begins,
        "model": f"{start.config.num_hidden_layers} layers of "
        f"{start.config.hidden_size}, {model.count_params():,} weights",
        "examples": f"{len(start.data.train):,} for training, "
        f"{len(start.data.dev):,} for development",
        "sequences": f"{len(lengths):,}, of {lengths.mean():.1f} tokens on average and "
        f"at most {lengths.max()}",
        "dtype": options.dtype,
    }


def main(options: FinetuneOptions) -> None:
    """Fine-tunes."""
    finetune(options)


if __name__ == "__main__":
    cli.run(FinetuneOptions, main, __doc__, kept=cli.RESUMED)
