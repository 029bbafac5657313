"""Pre-trains BERT from raw text.

    python -m bert_tf.pretrain --input_files='corpus/*.txt' --output_dir=models/mine \\
        --preset=mini --num_train_steps=10000

A vocabulary is learned unless one is given, the text is tokenized once, and the model
is trained. The same command resumes a stopped run. At the end the output folder is a
model folder, with a report in `report.html`.

    python -m bert_tf.pretrain --input_files='corpus/*.txt' --output_dir=models/mine \\
        --preset=tiny --budget=4m

With a budget the whole command ends in time on any machine: the first steps are timed,
and the number of steps is planned accordingly. `plan.json` in the output folder has the
plan, by which the run can be repeated.
"""

import dataclasses
import math
import posixpath
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from bert_tf.checkpoints import model_dir
from bert_tf.checkpoints.description import PRETRAINING, Description
from bert_tf.checkpoints.model_dir import Checkpoint
from bert_tf.models.config import BertConfig
from bert_tf.models.objectives import OBJECTIVES
from bert_tf.optim.optimizers import make_optimizer
from bert_tf.pretraining import (
    data,
    initial_model,
    model_config,
    planning,
    token_vectors,
)
from bert_tf.pretraining.options import PretrainOptions
from bert_tf.pretraining.unigram_baseline import unigram_baseline
from bert_tf.report.pretraining import cloze_guesses, pretraining_report, run_facts
from bert_tf.training import distribution, output_dir
from bert_tf.training.budget import (
    Budget,
    Clock,
    process_clock,
    seconds_of,
    stopwatch,
)
from bert_tf.training.distribution import is_chief
from bert_tf.training.hardware import POLICIES, peak_flops_per_second
from bert_tf.training.loop import train
from bert_tf.training.optimizer_state import (
    OptimizerState,
    assign_optimizer,
    read_optimizer,
    write_optimizer,
)
from bert_tf.training.plan import Plan
from bert_tf.training.planner import Planner
from bert_tf.training.run_log import METRICS, RunLog, read_metrics
from bert_tf.training.trainer import Trainer
from data_pipelines.files.atomic import write_file
from data_pipelines.learn_vocabulary import learn_vocabulary
from data_pipelines.pretraining import record_folder
from data_pipelines.pretraining.work_units import RecordOptions
from data_pipelines.pretraining.write_records import write_records
from data_pipelines.programs import cli
from data_pipelines.tokenizers.vocabulary import Vocabulary

CHECKPOINTS = "checkpoints"
RECORDS = "records"
REPORT = "report.html"
# The model before its cool-down, see `optimizer_state`.
BEFORE_COOLDOWN = "before_cooldown"

# Options that may differ when a run is resumed: they do not influence the result.
_FREE_OPTIONS = (
    "output_dir",
    "num_processes",
    "eval_every",
    "num_eval_batches",
    "checkpoint_every",
    "log_every",
    "skip_corrupt_records",
    *distribution.FREE_OPTIONS,
)
# Options that may differ until the model is finished.
_UNFINISHED_OPTIONS = ("budget",)


@dataclasses.dataclass(frozen=True)
class _Inputs:
    """The inputs of a run, once its folder is claimed and missing parts are made.

    Attributes:
        options: the options with all defaults written out, and without a sentence task
            that the text does not allow.
        vocabulary, config, records: the vocabulary, the model's config, and the text.
        description: the description of the model.
        initial, optimizer: the model that it starts from, and the state of its
            optimizer if this is continued.
        vectors: vectors that the token table starts from, see
            `token_vectors.initial_vectors`.
        plan: the plan that the run repeats.
    """

    options: PretrainOptions
    vocabulary: Vocabulary
    config: BertConfig
    description: Description
    initial: Checkpoint | None
    optimizer: OptimizerState | None
    vectors: tuple[np.ndarray, np.ndarray] | None
    records: data.Records
    plan: Plan | None


@dataclasses.dataclass(frozen=True)
class _Trained:
    """A model after its training.

    Attributes:
        model, num_steps: the model, and its number of training steps.
        heldout: held-out batches, if there are any.
        baseline: the metrics of the unigram baseline on them.
        planner: the planner of the run.
    """

    model: Any
    num_steps: int
    heldout: tf.data.Dataset | None
    baseline: dict[str, float] | None
    planner: Planner


def pretrain(options: PretrainOptions, clock: Clock | None = None) -> None:
    """Trains a model into `options.output_dir`, or resumes the run there.

    Args:
        options: see `PretrainOptions`.
        clock: returns the seconds since the command started, for a budget. Default:
            the seconds since this call.

    Raises:
        ValueError: options, files and the folder do not fit each other.
        bert_tf.training.budget.TooShort: the budget leaves no time to train.
        bert_tf.training.loop.NonFiniteLoss: the run has diverged.
        bert_tf.training.loop.Preempted: Ctrl-C, SIGTERM or SIGHUP came; the same call
            resumes the run.
    """
    seconds = math.inf if options.budget is None else seconds_of(options.budget)
    budget = Budget(seconds, clock or stopwatch())
    strategy = distribution.make_strategy(options)
    with (
        strategy.scope(),
        distribution.lost_workers_named(strategy),
        output_dir.locked_for_all(strategy, options.output_dir),
    ):
        try:
            inputs = _prepare(options, strategy, budget)
            if inputs is None:
                return
            trained = _run(inputs, strategy, budget)
        except tf.errors.DataLossError as error:
            folder = options.records_dir or _path(options, RECORDS)
            raise ValueError(
                f"{'; '.join(data.damaged_files(folder))}. Expected all of them: "
                "restore the files, or leave them out with --skip_corrupt_records; the "
                "same command resumes from the last checkpoint."
            ) from error
        if is_chief(strategy):
            _write(options, inputs, trained)
            trained.planner.finish()


def _prepare(
    options: PretrainOptions, strategy: tf.distribute.Strategy, budget: Budget
) -> _Inputs | None:
    """Claims the folder and makes what is missing; None if the model is finished."""
    distribution.check_batch_size(
        strategy, options.recipe.batch_size, options.accumulation_steps
    )
    claims = options.output_dir, options.resolved(), _FREE_OPTIONS, _files(options)
    if output_dir.is_finished_for_all(strategy, *claims):
        return None
    if distribution.num_workers(strategy) > 1 and options.is_planned:
        raise ValueError(
            "Received a budget or a plan with several workers. Expected "
            "--num_train_steps: the clocks of several machines do not agree."
        )
    if distribution.num_workers(strategy) > 1 and not options.records_dir:
        raise ValueError(
            "Received input_files with several workers. Expected --records_dir and "
            "--vocab_file: make them once with data_pipelines.learn_vocabulary and "
            "create_pretraining_data, where all workers can read them."
        )
    if distribution.num_workers(strategy) > 1 and options.recipe.learn_vectors:
        raise ValueError(
            "Received vectors to learn with several workers. Expected --token_vectors, "
            "learned once with bert_tf.learn_vectors, or --nolearn_vectors."
        )
    if options.recipe.learn_vectors:
        token_vectors.require_gensim()
    vocabulary, vectors, initial, optimizer = None, None, None, None
    is_chosen = options.sentences is not None
    if options.initial_model_dir is not None:
        initial = initial_model.read_initial_model(options.initial_model_dir)
        vocabulary = initial.vocabulary
        initial_model.check_vocabulary(options, vocabulary)
        options = initial_model.options_for(options, initial.description)
        config = initial_model.config_for(options, initial.config, options.recipe)
        if options.continue_optimizer:
            optimizer = read_optimizer(options.initial_model_dir or "")
    if options.config_file:
        # Checked now: the other checks need the vocabulary, which may not exist yet.
        config = BertConfig.from_file(options.config_file)
        model_config.check_row_length(config, options.longest_row)
    if options.vocab_file and initial is None:
        vocabulary = Vocabulary.from_file(
            options.vocab_file, options.lower_case, options.strip_accents
        )
        config = model_config.pretraining_config(options, vocabulary)
        if options.token_vectors:
            vectors = token_vectors.initial_vectors(
                options.token_vectors, vocabulary, config
            )
    plan = planning.given_plan(options)
    # Nothing is written before this line.
    path, resolved, free_options, files = claims
    free_options = (*free_options, *_UNFINISHED_OPTIONS)
    output_dir.claim_for_all(strategy, path, resolved, free_options, files)
    if vocabulary is None:
        with budget.stage("vocabulary"):
            vocabulary = _learned_vocabulary(options)
        config = model_config.pretraining_config(options, vocabulary)
    with budget.stage("records"):
        records = _records(options, vocabulary)
        sentences = data.possible_sentences(
            records,
            vocabulary,
            options.rows(options.recipe.sequence_length),
            is_chosen=is_chosen,
        )
    options = dataclasses.replace(options.resolved(), sentences=sentences)
    if options.learn_vectors:
        with budget.stage("vectors"):
            vectors = _learned_vectors(options, records, vocabulary, config, budget)
    recipe = options.recipe
    description = Description(
        PRETRAINING, recipe.sentence_task, objective=recipe.objective
    )
    if initial is not None:
        # The text may not have allowed the sentence task.
        config = initial_model.config_for(options, initial.config, recipe)
        description = initial_model.description_for(initial.description, recipe)
    return _Inputs(
        options=options,
        vocabulary=vocabulary,
        config=config,
        description=description,
        initial=initial,
        optimizer=optimizer,
        vectors=vectors,
        records=records,
        plan=plan,
    )


def _run(inputs: _Inputs, strategy: tf.distribute.Strategy, budget: Budget) -> _Trained:
    """Makes the model and trains it."""
    options, records, vocabulary = inputs.options, inputs.records, inputs.vocabulary
    first_step = 0 if inputs.optimizer is None else inputs.optimizer.num_steps
    schedule = planning.make_schedule(options, first_step)
    with budget.stage("model"):
        trainer = _trainer(inputs, strategy, schedule)
        batches = {"batch_size": options.recipe.batch_size, "seed": options.seed}
        phases = data.training_phases(
            records, vocabulary, options.phases(), inputs.config, **batches
        )
        heldout = data.heldout_batches(
            records,
            vocabulary,
            options.rows(options.recipe.sequence_length),
            num_batches=options.max_eval_batches,
            **batches,
        )
        baseline = None
        if heldout is not None:
            training = phases[0].batches(0, 1, 0)
            baseline = unigram_baseline(
                training, heldout, inputs.config.vocab_size, trainer.objective.losses
            )
        peak = peak_flops_per_second(options.recipe.dtype)
    log = RunLog(
        options.output_dir, options.num_steps, peak, is_chief=is_chief(strategy)
    )
    _describe(inputs, trainer, peak, log)
    if baseline is not None:
        log.unigram_baseline(baseline)
    planner = planning.make_planner(
        *(options, schedule, inputs.plan, budget, log.say),
        phases=phases,
        peak=peak,
        num_weights=trainer.model.count_params(),
        heldout=heldout,
    )

    def evaluate(step: int) -> None:
        if heldout is not None:
            few = heldout.take(planner.num_eval_batches or -1)
            log.evaluation(step, trainer.evaluate(few))

    try:
        train(
            trainer,
            phases,
            _path(options, CHECKPOINTS),
            log,
            # Those of a planned run are in its plan.
            checkpoint_every=options.checkpoint_every or options.num_steps,
            log_every=options.log_every or options.num_steps,
            eval_every=options.eval_every,
            evaluate=evaluate,
            planner=planner,
            milestones=_milestones(inputs, trainer),
        )
    finally:
        log.close()
    steps = int(trainer.step.numpy())
    return _Trained(trainer.model, steps, heldout, baseline, planner)


def _files(options: PretrainOptions) -> dict[str, list[str]]:
    """The files whose contents determine the result, by option."""
    initial = initial_model.files_of(options.initial_model_dir)
    return {**options.inputs(), "initial_model_dir": initial}


def _milestones(inputs: _Inputs, trainer: Trainer) -> dict[int, Callable[[], None]]:
    """What is written while a run trains: the model before a cool-down."""
    options = inputs.options
    step = options.num_steps - options.cooldown_steps
    if options.schedule != "constant" or step < 1:
        return {}

    def write() -> None:
        if not is_chief(trainer.strategy):
            return
        folder, model = _path(options, BEFORE_COOLDOWN), trainer.model
        values = dataclasses.asdict(options)
        model_dir.save(folder, model, inputs.vocabulary, inputs.description, values)
        write_optimizer(trainer.optimizer, model, folder)

    return {step: write}


def _describe(inputs: _Inputs, trainer: Trainer, peak: float, log: RunLog) -> None:
    """Logs the sizes of the model and of its data."""
    options, records = inputs.options, inputs.records
    counts = records.manifest["counts"]
    log.say(
        f"{trainer.model.count_params():,} weights, {len(inputs.vocabulary):,} pieces, "
        f"{counts['documents']:,} documents of {counts['tokens']:,} tokens; this "
        f"machine multiplies matrices at {peak / 1e9:,.0f} GFLOP/s in "
        f"{options.recipe.dtype}."
    )
    if records.skip_corrupt and is_chief(trainer.strategy):
        for line in data.damaged_files(records.folder):
            log.say(f"{line}: left out.")
    if inputs.vectors:
        count = int(inputs.vectors[1].sum())
        source = options.token_vectors or _path(options, token_vectors.LEARNED)
        log.say(f"{count:,} pieces start from {source}.")


def _trainer(
    inputs: _Inputs, strategy: tf.distribute.Strategy, schedule: planning.Schedule
) -> Trainer:
    options = inputs.options
    recipe = options.recipe
    has_sentence_task = recipe.sentence_task is not None
    keras.utils.set_random_seed(options.seed)
    model = model_dir.make_model(
        inputs.config, inputs.description, POLICIES[recipe.dtype]
    )
    if inputs.initial is not None:
        source = options.initial_model_dir or ""
        initial_model.assign_weights(model, inputs.initial, source, print)
    if inputs.vectors:
        model.encoder.embeddings.assign_rows(*inputs.vectors)
    if inputs.config.architecture == "elmo":
        model.encoder.embeddings.set_vocabulary(inputs.vocabulary.tokens)
    trainer = Trainer(
        model,
        make_optimizer(
            recipe.optimizer,
            schedule,
            weight_decay=options.weight_decay,
            beta_2=recipe.beta_2,
        ),
        OBJECTIVES[recipe.objective].loss(has_sentence_task),
        seed=options.seed,
        accumulation_steps=options.accumulation_steps,
        jit_compile=options.jit_compile,
        strategy=strategy,
    )
    if inputs.optimizer is not None:
        assign_optimizer(trainer.optimizer, model, inputs.optimizer)
    return trainer


def _write(options: PretrainOptions, inputs: _Inputs, trained: _Trained) -> None:
    """Writes the report, and then the weights, which make the model complete."""
    folder, recipe = options.output_dir, inputs.options.recipe
    model, heldout = trained.model, trained.heldout
    records = read_metrics(_path(options, METRICS))
    facts = run_facts(
        model,
        inputs.vocabulary,
        inputs.records.manifest["counts"],
        records,
        training=f"{trained.num_steps:,} steps of {recipe.batch_size} rows in "
        f"{recipe.dtype}",
    )
    cloze = []
    if heldout is not None:
        cloze = cloze_guesses(model, next(iter(heldout)), inputs.vocabulary)
    page = pretraining_report(
        f"Pre-training of {posixpath.basename(folder.rstrip('/'))}",
        facts=facts,
        records=records,
        baseline=trained.baseline,
        cloze=cloze,
        options=dataclasses.asdict(inputs.options),
    )
    write_file(_path(options, REPORT), page.encode())
    # The options as they were given: the same command recognises its folder by them.
    values = dataclasses.asdict(options.resolved())
    model_dir.save(folder, model, inputs.vocabulary, inputs.description, values)
    print(f"Wrote the model to {folder}; look at {folder}/{REPORT}.")


def _path(options: PretrainOptions, name: str) -> str:
    return posixpath.join(options.output_dir, name)


def _learned_vocabulary(options: PretrainOptions) -> Vocabulary:
    path = _path(options, model_dir.VOCABULARY)
    if not tf.io.gfile.exists(path):
        vocabulary = learn_vocabulary(
            input_files=options.input_files or (),
            vocab_size=options.recipe.vocab_size,
            tokenizer=options.recipe.tokenizer,
            lower_case=options.lower_case,
            strip_accents=options.strip_accents,
            num_processes=options.num_processes,
            layout=options,
        )
        for name, content in vocabulary.to_files(path).items():
            write_file(name, content)
    return Vocabulary.from_file(path, options.lower_case, options.strip_accents)


def _learned_vectors(
    options: PretrainOptions,
    records: data.Records,
    vocabulary: Vocabulary,
    config: BertConfig,
    budget: Budget,
) -> tuple[np.ndarray, np.ndarray]:
    path = _path(options, token_vectors.LEARNED)
    width = token_vectors.table_width(config)
    token_vectors.learn_token_vectors(
        path,
        records.folder,
        vocabulary,
        width,
        budget=budget.seconds,
        seed=options.seed,
    )
    return token_vectors.initial_vectors(path, vocabulary, config)


def _records(options: PretrainOptions, vocabulary: Vocabulary) -> data.Records:
    """Opens the given records, or those in the output folder, made if missing."""
    if options.records_dir:
        folder = options.records_dir
        manifest = record_folder.read_manifest(folder)
        record_folder.check_vocabulary(manifest, vocabulary)
        record_folder.check_casing(manifest, vocabulary)
    else:
        folder = _path(options, RECORDS)
        manifest = write_records(
            options.input_files or (),
            vocabulary,
            folder,
            RecordOptions(
                holdout_fraction=options.holdout_fraction,
                separator=options.separator,
                lines=options.lines,
                seed=options.seed,
            ),
            num_processes=options.num_processes,
        )
    return data.Records(folder, manifest, options.skip_corrupt_records)


def main(options: PretrainOptions) -> None:
    """Pre-trains; a budget begins with the process."""
    pretrain(options, process_clock())


if __name__ == "__main__":
    cli.run(PretrainOptions, main, __doc__, kept=cli.RESUMED)
