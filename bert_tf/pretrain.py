"""Raw text to a pre-trained BERT.

    python -m bert_tf.pretrain --input_files='corpus/*.txt' --output_dir=models/mine \\
        --preset=mini --num_train_steps=10000

The vocabulary is learned first unless one is given, the text is tokenized once, and
the model is trained. The same command goes on where a stopped one was. In the end the
output folder is a model folder, with `report.html` to look at.
"""

import dataclasses
import datetime
import posixpath
import statistics
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from bert_tf.checkpoints import model_dir
from bert_tf.models.config import BertConfig
from bert_tf.models.families import make_config
from bert_tf.models.objectives import OBJECTIVES, make_pretrainer
from bert_tf.models.size import pretraining_step_flops
from bert_tf.optim.optimizers import MomentOptimizer, make_optimizer
from bert_tf.optim.schedule import WarmupLinearDecay
from bert_tf.pretraining.options import PretrainOptions
from bert_tf.pretraining.unigram_baseline import count_labels, unigram_metrics
from bert_tf.report.pretraining import cloze_guesses, pretraining_report
from bert_tf.training.distribution import (
    FREE_OPTIONS,
    is_chief,
    lost_workers_named,
    make_strategy,
    num_workers,
)
from bert_tf.training.hardware import POLICIES, peak_flops_per_second
from bert_tf.training.loop import (
    PREEMPTED_EXIT_CODE,
    Phase,
    Preempted,
    train,
)
from bert_tf.training.output_dir import claim_for_all
from bert_tf.training.run_log import METRICS, MFU, RunLog, read_metrics
from bert_tf.training.seeds import data_seed
from bert_tf.training.trainer import Trainer
from bert_tf.word_vectors.keyed_vectors import read_token_vectors
from data_pipelines.create_pretraining_data import create_pretraining_data
from data_pipelines.files.atomic import write_file
from data_pipelines.learn_vocabulary import learn_vocabulary
from data_pipelines.pretraining.batches import (
    evaluation_batches,
    streams_of,
    training_batches,
)
from data_pipelines.pretraining.documents import documents_from_records
from data_pipelines.pretraining.record_folder import (
    check_casing,
    check_vocabulary,
    lost_records,
    read_manifest,
    record_files,
)
from data_pipelines.programs import cli
from data_pipelines.tokenizers.vocabulary import Vocabulary

CHECKPOINTS = "checkpoints"
RECORDS = "records"
REPORT = "report.html"

# What may differ when a run is gone on with: it has no part in the result.
_FREE_OPTIONS = (
    "output_dir",
    "num_processes",
    "eval_every",
    "num_eval_batches",
    "checkpoint_every",
    "log_every",
    "skip_corrupt_records",
    *FREE_OPTIONS,
)
# Share of the steps that the paper (appendix A.2) trains on long rows.
_LONG_SHARE = 0.1
# Batches whose labels are counted for the unigram baseline.
_COUNTED_BATCHES = 200


def pretrain(options: PretrainOptions) -> None:
    """Trains a model into `options.output_dir`, or goes on with it.

    Raises:
        ValueError: options, files or the folder do not fit each other.
        bert_tf.training.loop.NonFiniteLoss: the run has diverged.
        bert_tf.training.loop.Preempted: SIGTERM; the same call goes on.
    """
    strategy = make_strategy(options)
    with strategy.scope(), lost_workers_named(strategy):
        try:
            _pretrain(options, strategy)
        except tf.errors.DataLossError as error:
            raise _damaged_records(options) from error


def _pretrain(options: PretrainOptions, strategy: tf.distribute.Strategy) -> None:
    output_dir = options.output_dir
    chief = is_chief(strategy)
    _check_workers(options, strategy)
    vectors = None
    if options.config_file:
        # Even if the vocabulary, which the rest is compared with, is yet to be learned.
        _check_length(options, BertConfig.from_file(options.config_file))
    if options.vocab_file:
        vocabulary = Vocabulary.from_file(
            options.vocab_file, options.lower_case, options.strip_accents
        )
        config = _config(options, vocabulary)
        if options.token_vectors:
            vectors = _token_vectors(options.token_vectors, vocabulary, config)
    # Nothing is written before this line.
    if claim_for_all(strategy, output_dir, options, _FREE_OPTIONS):
        return
    if not options.vocab_file:
        vocabulary = _learned_vocabulary(options)
        config = _config(options, vocabulary)
    records_dir, manifest = _records(options, vocabulary)

    keras.utils.set_random_seed(options.seed)
    model = make_pretrainer(
        options.objective,
        config,
        sentence_head=options.sentence_task is not None,
        dtype=POLICIES[options.dtype],
    )
    if vectors:
        model.encoder.embeddings.assign_rows(*vectors)
    if config.architecture == "elmo":
        model.encoder.embeddings.set_vocabulary(vocabulary.tokens)
    objective = OBJECTIVES[options.objective].loss(options.sentence_task is not None)
    trainer = Trainer(
        model,
        _optimizer(options),
        objective,
        seed=options.seed,
        accumulation_steps=options.accumulation_steps,
        jit_compile=options.jit_compile,
        strategy=strategy,
    )
    phases = _phases(options, config, records_dir, vocabulary)
    heldout = _heldout(options, records_dir, vocabulary)
    baseline = None
    if heldout is not None:
        baseline = unigram_metrics(
            count_labels(
                phases[0].batches(0, 1, 0).take(_COUNTED_BATCHES), config.vocab_size
            ),
            count_labels(heldout, config.vocab_size),
            objective.losses,
        )
    peak = peak_flops_per_second(options.dtype)
    log = RunLog(output_dir, options.num_train_steps, peak, is_chief=chief)
    log.say(
        f"{model.count_params():,} weights, {len(vocabulary):,} pieces, "
        f"{manifest['counts']['documents']:,} documents of "
        f"{manifest['counts']['tokens']:,} tokens; this machine multiplies matrices "
        f"at {peak / 1e9:,.0f} GFLOP/s in {options.dtype}."
    )
    if options.skip_corrupt_records and chief:
        for line in _lost_records(records_dir):
            log.say(f"{line}: left out.")
    if vectors:
        log.say(f"{int(vectors[1].sum()):,} pieces start from {options.token_vectors}.")
    if baseline is not None:
        log.unigram_baseline(baseline)

    def evaluate(step: int) -> None:
        if heldout is not None:
            log.evaluation(step, trainer.evaluate(heldout))

    try:
        train(
            trainer,
            phases,
            posixpath.join(output_dir, CHECKPOINTS),
            log,
            checkpoint_every=options.checkpoint_every,
            log_every=options.log_every,
            eval_every=options.eval_every,
            evaluate=evaluate,
        )
    finally:
        log.close()
    if not chief:
        return
    _write_report(options, model, vocabulary, manifest, heldout, baseline)
    # The weights come last: with them the folder is a finished model.
    model_dir.save(
        output_dir,
        model,
        vocabulary,
        model_dir.Description(
            kind="pretraining",
            objective=options.objective,
            sentence_task=options.sentence_task,
        ),
        dataclasses.asdict(options),
    )
    print(f"Wrote the model to {output_dir}; look at {output_dir}/{REPORT}.")


def _lost_records(records_dir: str) -> list[str]:
    """A line for each file that can not be read whole."""
    return [
        f"{path} is damaged: {lost:,} of {count:,} records can not be read"
        for split in ("train", "heldout")
        for path, (lost, count) in lost_records(records_dir, split).items()
    ]


def _damaged_records(options: PretrainOptions) -> ValueError:
    records_dir = options.records_dir or posixpath.join(options.output_dir, RECORDS)
    return ValueError(
        f"{'; '.join(_lost_records(records_dir))}. Expected all of them: restore the "
        "files, or leave them out with --skip_corrupt_records; the same command goes "
        "on from the last checkpoint."
    )


def _check_workers(options: PretrainOptions, strategy: tf.distribute.Strategy) -> None:
    """Raises ValueError where batches can not be divided, or work not be shared."""
    count = strategy.num_replicas_in_sync
    if options.batch_size % (count * options.accumulation_steps):
        raise ValueError(
            f"Received batch_size={options.batch_size} and accumulation_steps="
            f"{options.accumulation_steps} for {count} replicas. Expected a multiple "
            f"of {count * options.accumulation_steps}: an equal slice for each."
        )
    if num_workers(strategy) > 1 and not options.records_dir:
        raise ValueError(
            "Received input_files with several workers. Expected --records_dir and "
            "--vocab_file: make them once with data_pipelines.learn_vocabulary and "
            "create_pretraining_data, where all can read them."
        )


def _config(options: PretrainOptions, vocabulary: Vocabulary) -> BertConfig:
    if options.config_file:
        config = BertConfig.from_file(options.config_file)
    else:
        config = make_config(options.family, options.preset, len(vocabulary))
    if options.objective == "next_token":
        # No task reads a row as a whole.
        config = dataclasses.replace(config, causal=True, pooler=False)
    if options.sentence_task is not None and not options.config_file:
        config = dataclasses.replace(config, pooler=True)
    _check_length(options, config)
    model_dir.check_sizes(config, vocabulary)
    if config.causal and options.objective != "next_token":
        raise ValueError(
            f"Received objective={options.objective} and a config with causal=true. "
            "Expected objective=next_token: a causal model does not see what comes "
            "after a mask."
        )
    is_elmo = config.architecture == "elmo"
    if is_elmo != (options.objective == "both_directions"):
        raise ValueError(
            f"Received objective={options.objective} and the architecture "
            f"{config.architecture}. Expected objective=both_directions and "
            "architecture=elmo, or none of them: see --family."
        )
    if is_elmo and options.token_vectors:
        raise ValueError(
            "Received token_vectors for ELMo, whose vectors are made of characters. "
            "Expected none: leave it out."
        )
    return config


def _token_vectors(
    path: str, vocabulary: Vocabulary, config: BertConfig
) -> tuple[np.ndarray, np.ndarray]:
    vectors, is_found = read_token_vectors(path, vocabulary)
    expected = config.embedding_size or config.hidden_size
    if vectors.shape[1] != expected:
        raise ValueError(
            f"{path} has vectors of {vectors.shape[1]} numbers. Expected {expected}, "
            "the width of the model's token table: learn them with "
            f"--vector_size={expected}."
        )
    return vectors, is_found


def _check_length(options: PretrainOptions, config: BertConfig) -> None:
    longest = max(options.sequence_length, options.long_sequence_length or 0)
    if longest > config.max_sequence_length:
        raise ValueError(
            f"Received rows of {longest} tokens. Expected at most "
            f"{config.max_sequence_length}, the positions of the model: lower "
            "--sequence_length, or raise max_position_embeddings in a --config_file."
        )


def _learned_vocabulary(options: PretrainOptions) -> Vocabulary:
    path = posixpath.join(options.output_dir, model_dir.VOCABULARY)
    if not tf.io.gfile.exists(path):
        vocabulary = learn_vocabulary(
            input_files=options.input_files or (),
            vocab_size=options.vocab_size,
            tokenizer=options.tokenizer,
            lower_case=options.lower_case,
            strip_accents=options.strip_accents,
            num_processes=options.num_processes,
        )
        for name, content in vocabulary.to_files(path).items():
            write_file(name, content)
    return Vocabulary.from_file(path, options.lower_case, options.strip_accents)


def _records(
    options: PretrainOptions, vocabulary: Vocabulary
) -> tuple[str, dict[str, Any]]:
    """The folder of the records, made if need be, and its manifest."""
    if options.records_dir:
        manifest = read_manifest(options.records_dir)
        check_vocabulary(manifest, vocabulary)
        check_casing(manifest, vocabulary)
        return options.records_dir, manifest
    records_dir = posixpath.join(options.output_dir, RECORDS)
    manifest = create_pretraining_data(
        input_files=options.input_files or (),
        vocabulary=vocabulary,
        output_dir=records_dir,
        num_processes=options.num_processes,
        holdout_fraction=options.holdout_fraction,
        separator=options.separator,
        seed=options.seed,
    )
    return records_dir, manifest


def _optimizer(options: PretrainOptions) -> MomentOptimizer:
    learning_rate = WarmupLinearDecay(
        options.learning_rate, options.num_train_steps, options.warmup_steps
    )
    return make_optimizer(
        options.optimizer,
        learning_rate,
        weight_decay=options.weight_decay,
        beta_2=options.beta_2,
    )


def _phases(
    options: PretrainOptions,
    config: BertConfig,
    records_dir: str,
    vocabulary: Vocabulary,
) -> list[Phase]:
    files = record_files(records_dir, skip_corrupt=options.skip_corrupt_records)
    documents = documents_from_records(
        files, seed=options.seed, skip_corrupt=options.skip_corrupt_records
    )
    num_streams = streams_of(options.batch_size, len(files))
    num_replicas = tf.distribute.get_strategy().num_replicas_in_sync
    if num_streams % num_replicas:
        raise ValueError(
            f"Received batch_size={options.batch_size} and {len(files)} record files "
            f"for {num_replicas} replicas. Expected multiples of {num_replicas}, so "
            "that each replica has files to itself: see --num_shards of "
            "create_pretraining_data."
        )

    def phase(number: int, end_step: int, sequence_length: int) -> Phase:
        rows = options.rows(sequence_length)

        def batches(replica: int, num_replicas: int, attempt: int) -> tf.data.Dataset:
            return training_batches(
                documents,
                vocabulary,
                rows,
                batch_size=options.batch_size,
                seed=data_seed(options.seed, phase=number, attempt=attempt),
                num_streams=num_streams,
                replica=(replica, num_replicas),
            )

        return Phase(
            end_step=end_step,
            batches=batches,
            work={
                "tokens": options.batch_size * sequence_length,
                "flops": pretraining_step_flops(
                    config, options.batch_size, sequence_length, rows.max_predictions
                ),
            },
        )

    last = options.num_train_steps
    if options.long_sequence_length is None:
        return [phase(0, last, options.sequence_length)]
    border = last - round(_LONG_SHARE * last)
    return [
        phase(0, border, options.sequence_length),
        phase(1, last, options.long_sequence_length),
    ]


def _heldout(
    options: PretrainOptions, records_dir: str, vocabulary: Vocabulary
) -> tf.data.Dataset | None:
    """The same held-out batches for each evaluation; None if nothing is held out."""
    manifest = read_manifest(records_dir)
    if not manifest["holdout_fraction"]:
        return None
    counts = manifest["heldout_counts"]
    if not counts.get("parts"):
        raise ValueError(
            f"None of {manifest['counts']['documents']} documents was held out with "
            f"holdout_fraction={manifest['holdout_fraction']}. Expected at least one: "
            "raise --holdout_fraction, set it to 0 to train without evaluation, or "
            "divide the text into more documents (--separator=blank_line)."
        )
    return (
        evaluation_batches(
            documents_from_records(
                record_files(records_dir, "heldout", options.skip_corrupt_records),
                skip_corrupt=options.skip_corrupt_records,
            ),
            vocabulary,
            options.rows(options.sequence_length),
            batch_size=options.batch_size,
            seed=options.seed,
        )
        .take(options.num_eval_batches)
        .cache()
    )


def _write_report(
    options: PretrainOptions,
    model: Any,
    vocabulary: Vocabulary,
    manifest: dict[str, Any],
    heldout: tf.data.Dataset | None,
    baseline: dict[str, float] | None,
) -> None:
    records = read_metrics(posixpath.join(options.output_dir, METRICS))
    training = [record for record in records if record["split"] == "train"]
    first, last = (
        datetime.datetime.fromisoformat(training[place]["time"]) for place in (0, -1)
    )
    rate = statistics.median(record["tokens_per_second"] for record in training)
    share = statistics.median(record[MFU] for record in training)
    counts, config = manifest["counts"], model.encoder.config
    facts = {
        "model": f"{config.num_hidden_layers} layers of {config.hidden_size}, "
        f"{model.count_params():,} weights",
        "vocabulary": f"{len(vocabulary):,} pieces, "
        f"{'lower-cased' if vocabulary.lower_case else 'cased'}",
        "training text": f"{counts['documents']:,} documents, "
        f"{counts['tokens']:,} tokens, "
        f"{counts['bytes'] / max(counts['tokens'], 1):.2f} bytes a token",
        "training": f"{options.num_train_steps:,} steps of {options.batch_size} rows "
        f"in {options.dtype}, from {first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M} UTC",
        "speed": f"{rate:,.0f} tokens/s, {share:.0%} of the machine's rate at matrix "
        "products (medians)",
    }
    cloze = []
    if heldout is not None:
        batch = next(iter(heldout))
        cloze = cloze_guesses(model, batch, vocabulary)
    name = posixpath.basename(options.output_dir.rstrip("/"))
    page = pretraining_report(
        f"Pre-training of {name}",
        facts=facts,
        records=records,
        trivial=baseline,
        cloze=cloze,
        options=dataclasses.asdict(options),
    )
    write_file(posixpath.join(options.output_dir, REPORT), page.encode())


def main(options: PretrainOptions) -> int:
    """Trains; stopped by SIGTERM, gives the exit code 143."""
    try:
        pretrain(options)
    except Preempted as stopped:
        print(f"{stopped} The same command goes on from there.")
        return PREEMPTED_EXIT_CODE
    return 0


if __name__ == "__main__":
    cli.run(PretrainOptions, main, __doc__)
