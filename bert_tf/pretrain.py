"""Raw text to a pre-trained BERT.

    python -m bert_tf.pretrain --input_files='corpus/*.txt' --output_dir=models/mine \\
        --preset=mini --num_train_steps=10000

The vocabulary is learned first unless one is given, the text is tokenized once, and
the model is trained. The same command goes on where a stopped one was. In the end the
output folder is a model folder, with `report.html` to look at.
"""

import dataclasses
import datetime
import math
import posixpath
import statistics
from typing import Any, Literal

import keras
import numpy as np
import tensorflow as tf

from bert_tf import config as configs
from bert_tf import model_dir
from bert_tf.config import BertConfig
from bert_tf.distribution import (
    FREE_OPTIONS,
    DistributionOptions,
    is_chief,
    lost_workers_named,
    make_strategy,
    num_workers,
)
from bert_tf.model_size import pretraining_step_flops
from bert_tf.optim.adamw import AdamW
from bert_tf.optim.lamb import Lamb
from bert_tf.optim.scaled import MomentOptimizer
from bert_tf.optim.schedule import WarmupLinearDecay
from bert_tf.output_dir import claim_for_all
from bert_tf.report.pretraining import cloze_guesses, pretraining_report
from bert_tf.run_log import METRICS, RunLog, read_metrics
from bert_tf.tasks.pretraining import BertPretrainer, PretrainingObjective
from bert_tf.trainer import POLICIES, Trainer, matmul_flops_per_second
from bert_tf.training import (
    PREEMPTED_EXIT_CODE,
    Phase,
    Preempted,
    seed_of_attempt,
    train,
)
from bert_tf.trivial_guesses import count_labels, trivial_metrics
from data_pipelines import cli, corpus, masking, pretraining, sentence_pairs
from data_pipelines.create_pretraining_data import create_pretraining_data
from data_pipelines.learn_vocabulary import learn_vocabulary
from data_pipelines.record_folder import (
    check_casing,
    check_vocabulary,
    lost_records,
    read_manifest,
    record_files,
)
from data_pipelines.token_vectors import read_token_vectors
from data_pipelines.vocabulary import Vocabulary

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
# Batches whose labels are counted for the trivial guesses.
_COUNTED_BATCHES = 200


@dataclasses.dataclass(frozen=True)
class PretrainOptions(DistributionOptions):
    """What the program can be told. The defaults are the paper's for BERT base."""

    output_dir: str = cli.option(
        cli.REQUIRED, "Folder of the model, its checkpoints, logs and report."
    )
    input_files: tuple[str, ...] | None = cli.option(
        None, "Text: files or patterns such as 'corpus/*.txt', or tfds:NAME."
    )
    records_dir: str | None = cli.option(
        None, "Instead of text: the folder of create_pretraining_data."
    )
    separator: corpus.Separator = cli.option(
        "file", "file: a file is one document. blank_line: empty lines separate them."
    )
    skip_corrupt_records: bool = cli.option(
        False, "Leaves out what can not be read of damaged records, and counts it."
    )
    holdout_fraction: float = cli.option(
        0.02, "Share of the documents that the model is evaluated on. 0: none."
    )
    vocab_file: str | None = cli.option(
        None, "The vocabulary. Default: one is learned from the text."
    )
    vocab_size: int = cli.option(30522, "Pieces of a learned vocabulary.")
    lower_case: bool = cli.option(True, "Whether capitals and accents are taken away.")
    strip_accents: bool | None = cli.option(
        None, "Whether accents are taken away. Default: as lower_case."
    )
    num_processes: int | None = cli.option(
        None, "Processes that read text. Default: one for each core."
    )
    preset: Literal["tiny", "mini", "small", "medium", "base", "large"] = cli.option(
        "base", "Size of the model."
    )
    config_file: str | None = cli.option(
        None, "A bert_config.json, instead of a preset."
    )
    token_vectors: str | None = cli.option(
        None,
        "The file of data_pipelines.learn_token_vectors, or one like it: the token "
        "table starts from its vectors. Default: from random ones.",
    )
    sentences: sentence_pairs.Kind = cli.option(
        "next_sentence",
        "next_sentence: NSP of the paper. sentence_order: SOP of ALBERT. "
        "full_sentences: no sentence task, as RoBERTa.",
    )
    masking_kind: masking.Kind = cli.option(
        "token",
        "What is masked as a whole. next_token: nothing; each token is predicted from "
        "those before it, and the model is causal, as GPT.",
    )
    mlm_rate: float = cli.option(0.15, "Share of the tokens to predict.")
    max_predictions: int | None = cli.option(
        None, "The most of a row of sequence_length. Default: mlm_rate of it."
    )
    sequence_length: int = cli.option(128, "Tokens of a row.")
    long_sequence_length: int | None = cli.option(
        None, "Tokens of a row in the last tenth of the steps; 512 in the paper."
    )
    batch_size: int = cli.option(256, "Rows of a step.")
    accumulation_steps: int = cli.option(
        1, "Slices of a batch that are run one after another, to need less memory."
    )
    num_train_steps: int = cli.option(1_000_000, "Steps in all.")
    optimizer: Literal["adamw_bert", "adamw", "lamb"] = cli.option(
        "adamw_bert",
        "adamw_bert: the original, without bias correction. adamw: with it. "
        "lamb: for large batches.",
    )
    learning_rate: float = cli.option(1e-4, "At the end of the warm-up.")
    beta_2: float = cli.option(
        0.999, "Decay of the gradients' second moment; 0.98 in RoBERTa."
    )
    num_warmup_steps: int | None = cli.option(
        None, "Steps of the warm-up. Default: a hundredth of all."
    )
    weight_decay: float = cli.option(0.01, "Except of biases and norms.")
    dtype: Literal["float32", "bfloat16", "float16"] = cli.option(
        "float32", "What is computed in; the weights stay float32."
    )
    seed: int = cli.option(0, "Of weights, order, pairs, masks and dropout.")
    eval_every: int = cli.option(5000, "Steps between two evaluations.")
    num_eval_batches: int = cli.option(100, "Held-out batches of an evaluation.")
    checkpoint_every: int = cli.option(1000, "Steps between two checkpoints.")
    log_every: int = cli.option(20, "Steps between two lines of metrics.jsonl.")

    def __post_init__(self) -> None:
        if (self.input_files is None) == (self.records_dir is None):
            raise ValueError(
                f"Received input_files={self.input_files} and "
                f"records_dir={self.records_dir}. Expected one of the two."
            )
        if self.records_dir and not self.vocab_file:
            raise ValueError(
                "Received records_dir without vocab_file. Expected the vocabulary that "
                "the records were made with."
            )
        if self.token_vectors and not self.vocab_file:
            raise ValueError(
                "Received token_vectors without vocab_file. Expected the vocabulary "
                "whose pieces have these vectors."
            )
        positive = {
            name: getattr(self, name)
            for name in (
                "sequence_length",
                "batch_size",
                "accumulation_steps",
                "num_train_steps",
                "eval_every",
                "num_eval_batches",
                "checkpoint_every",
                "log_every",
                "learning_rate",
            )
        }
        wrong = {name: value for name, value in positive.items() if not value > 0}
        if wrong:
            raise ValueError(f"Received {wrong}. Expected numbers above 0.")
        if not 0 <= self.beta_2 < 1:
            raise ValueError(
                f"Received beta_2={self.beta_2}. Expected 0 or more, and less than 1."
            )
        if not 0 < self.mlm_rate < 1 or not 0 <= self.holdout_fraction < 1:
            raise ValueError(
                f"Received mlm_rate={self.mlm_rate}, holdout_fraction="
                f"{self.holdout_fraction}. Expected shares between 0 and 1."
            )
        if self.masking_kind == "next_token" and self.sentences != "full_sentences":
            raise ValueError(
                f"Received masking_kind=next_token and sentences={self.sentences}. "
                "Expected full_sentences: the first token, which a sentence task "
                "reads, has nothing before it."
            )
        if self.batch_size % self.accumulation_steps:
            raise ValueError(
                f"Received batch_size={self.batch_size}, accumulation_steps="
                f"{self.accumulation_steps}. Expected a batch of equal slices: choose "
                "a divisor."
            )
        if self.warmup_steps >= self.num_train_steps:
            raise ValueError(
                f"Received num_warmup_steps={self.num_warmup_steps}. Expected less "
                f"than num_train_steps={self.num_train_steps}."
            )

    @property
    def warmup_steps(self) -> int:
        """Steps of the warm-up."""
        if self.num_warmup_steps is None:
            return self.num_train_steps // 100
        return self.num_warmup_steps

    @property
    def sentence_task(self) -> str | None:
        """What the sentence head is trained on; None without one."""
        return None if self.sentences == "full_sentences" else self.sentences

    def predictions_of(self, sequence_length: int) -> int:
        """The most tokens of a row that are predicted."""
        if self.masking_kind == "next_token":
            return sequence_length - 1
        if self.max_predictions is None:
            return math.ceil(self.mlm_rate * sequence_length)
        return round(self.max_predictions * sequence_length / self.sequence_length)


def pretrain(options: PretrainOptions) -> None:
    """Trains a model into `options.output_dir`, or goes on with it.

    Raises:
        ValueError: options, files or the folder do not fit each other.
        bert_tf.training.NonFiniteLoss: the run has diverged.
        bert_tf.training.Preempted: SIGTERM; the same call goes on.
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
        vocabulary = Vocabulary.from_file(options.vocab_file)
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
    model = BertPretrainer(
        config,
        sentence_head=options.sentence_task is not None,
        dtype=POLICIES[options.dtype],
        name="bert",
    )
    if vectors:
        model.encoder.embeddings.start_from(*vectors)
    objective = PretrainingObjective(options.sentence_task is not None)
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
    trivial = None
    if heldout is not None:
        trivial = trivial_metrics(
            count_labels(
                phases[0].batches(0, 1, 0).take(_COUNTED_BATCHES), config.vocab_size
            ),
            count_labels(heldout, config.vocab_size),
            options.sentence_task is not None,
        )
    peak = matmul_flops_per_second(options.dtype)
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
    if trivial is not None:
        log.trivial_guess(trivial)

    def evaluate(step: int) -> None:
        if heldout is not None:
            log.evaluation(step, trainer.evaluate(heldout))

    try:
        train(
            trainer,
            phases,
            posixpath.join(output_dir, CHECKPOINTS),
            checkpoint_every=options.checkpoint_every,
            log_every=options.log_every,
            eval_every=options.eval_every,
            on_progress=log.progress,
            on_evaluate=evaluate,
            on_resume=log.resume,
        )
    finally:
        log.close()
    if not chief:
        return
    _write_report(options, model, vocabulary, manifest, heldout, trivial)
    # The weights come last: with them the folder is a finished model.
    model_dir.save(
        output_dir,
        model,
        vocabulary,
        model_dir.Description(
            kind="pretraining",
            lower_case=options.lower_case,
            strip_accents=options.strip_accents,
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
        config = configs.preset(options.preset, len(vocabulary))
    _check_length(options, config)
    model_dir.check_sizes(config, vocabulary)
    is_causal = options.masking_kind == "next_token"
    if config.causal and not is_causal:
        raise ValueError(
            f"Received masking_kind={options.masking_kind} and a config with causal="
            "true. Expected masking_kind=next_token: a causal model does not see what "
            "comes after a mask."
        )
    if not is_causal:
        return config
    # No task reads a row as a whole.
    return dataclasses.replace(config, causal=True, pooler=False)


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
            lower_case=options.lower_case,
            strip_accents=options.strip_accents,
            num_processes=options.num_processes,
        )
        model_dir.write_file(path, vocabulary.to_bytes())
    return Vocabulary.from_file(path)


def _records(
    options: PretrainOptions, vocabulary: Vocabulary
) -> tuple[str, dict[str, Any]]:
    """The folder of the records, made if need be, and its manifest."""
    if options.records_dir:
        manifest = read_manifest(options.records_dir)
        check_vocabulary(manifest, vocabulary)
        check_casing(manifest, options.lower_case, options.strip_accents)
        return options.records_dir, manifest
    records_dir = posixpath.join(options.output_dir, RECORDS)
    vocab_file = options.vocab_file or posixpath.join(
        options.output_dir, model_dir.VOCABULARY
    )
    manifest = create_pretraining_data(
        input_files=options.input_files or (),
        vocab_file=vocab_file,
        output_dir=records_dir,
        lower_case=options.lower_case,
        strip_accents=options.strip_accents,
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
    if options.optimizer == "lamb":
        return Lamb(
            learning_rate, weight_decay=options.weight_decay, beta_2=options.beta_2
        )
    return AdamW(
        learning_rate,
        bias_correction=options.optimizer == "adamw",
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
    documents = pretraining.documents_from_records(
        files, seed=options.seed, skip_corrupt=options.skip_corrupt_records
    )
    num_streams = pretraining.streams_of(options.batch_size, len(files))
    num_replicas = tf.distribute.get_strategy().num_replicas_in_sync
    if num_streams % num_replicas:
        raise ValueError(
            f"Received batch_size={options.batch_size} and {len(files)} record files "
            f"for {num_replicas} replicas. Expected multiples of {num_replicas}, so "
            "that each replica has files to itself: see --num_shards of "
            "create_pretraining_data."
        )

    def phase(number: int, end_step: int, sequence_length: int) -> Phase:
        max_predictions = options.predictions_of(sequence_length)

        def batches(replica: int, num_replicas: int, attempt: int) -> tf.data.Dataset:
            return pretraining.training_batches(
                documents,
                vocabulary,
                batch_size=options.batch_size,
                sequence_length=sequence_length,
                seed=seed_of_attempt(options.seed + number, attempt),
                sentences=options.sentences,
                masking_kind=options.masking_kind,
                mlm_rate=options.mlm_rate,
                max_predictions=max_predictions,
                num_streams=num_streams,
                replica=replica,
                num_replicas=num_replicas,
            )

        return Phase(
            end_step=end_step,
            batches=batches,
            work={
                "tokens": options.batch_size * sequence_length,
                "flops": pretraining_step_flops(
                    config, options.batch_size, sequence_length, max_predictions
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
        pretraining.evaluation_batches(
            pretraining.documents_from_records(
                record_files(records_dir, "heldout", options.skip_corrupt_records),
                skip_corrupt=options.skip_corrupt_records,
            ),
            vocabulary,
            batch_size=options.batch_size,
            sequence_length=options.sequence_length,
            seed=options.seed,
            sentences=options.sentences,
            masking_kind=options.masking_kind,
            mlm_rate=options.mlm_rate,
            max_predictions=options.predictions_of(options.sequence_length),
        )
        .take(options.num_eval_batches)
        .cache()
    )


def _write_report(
    options: PretrainOptions,
    model: BertPretrainer,
    vocabulary: Vocabulary,
    manifest: dict[str, Any],
    heldout: tf.data.Dataset | None,
    trivial: dict[str, float] | None,
) -> None:
    records = read_metrics(posixpath.join(options.output_dir, METRICS))
    training = [record for record in records if record["split"] == "train"]
    first, last = (
        datetime.datetime.fromisoformat(training[place]["time"]) for place in (0, -1)
    )
    rate = statistics.median(record["tokens_per_second"] for record in training)
    share = statistics.median(record["matmul_share"] for record in training)
    counts, config = manifest["counts"], model.encoder.config
    facts = {
        "model": f"{config.num_hidden_layers} layers of {config.hidden_size}, "
        f"{model.count_params():,} weights",
        "vocabulary": f"{len(vocabulary):,} pieces, "
        f"{'lower-cased' if options.lower_case else 'cased'}",
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
        trivial=trivial,
        cloze=cloze,
        options=dataclasses.asdict(options),
    )
    model_dir.write_file(posixpath.join(options.output_dir, REPORT), page.encode())


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
