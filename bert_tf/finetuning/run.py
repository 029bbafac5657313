"""Trains one run of fine-tuning, up to its best checkpoint on dev."""

import math
import posixpath
import time

import keras
import tensorflow as tf

from bert_tf.checkpoints import model_dir
from bert_tf.finetuning.best_checkpoint import BestCheckpoint
from bert_tf.finetuning.heads import assign_encoder
from bert_tf.finetuning.options import TrainingOptions
from bert_tf.finetuning.results import RunResult, RunSettings
from bert_tf.finetuning.start import Start
from bert_tf.optim.warmed_up import warmed_up_adamw
from bert_tf.prediction.predictor import Predictor
from bert_tf.tasks.auxiliary_lm import AuxiliaryObjective, WithLanguageModel
from bert_tf.tasks.kinds import KINDS
from bert_tf.training.distribution import JitCompile, is_chief, wait_for_all
from bert_tf.training.loop import Phase, train
from bert_tf.training.run_log import RunLog
from bert_tf.training.seeds import data_seed
from bert_tf.training.trainer import Trainer
from data_pipelines.finetuning import batches as finetuning

CHECKPOINTS = "checkpoints"

# The number of training lines in the metrics.jsonl of a run.
_LOGGED_STEPS = 50


def train_run(
    start: Start,
    settings: RunSettings,
    options: TrainingOptions,
    folder: str,
    strategy: tf.distribute.Strategy,
    jit_compile: JitCompile = "auto",
) -> RunResult:
    """Trains a model, and leaves its best weights and its checkpoints in the folder.

    Args:
        start, options: data and options that all runs share.
        settings: the settings of this run.
        folder: the folder of this run, with `metrics.jsonl`, `model.safetensors`, and
            checkpoints, from which the same call resumes an interrupted run.
        strategy: the strategy of training, whose scope must be entered.
        jit_compile: see `Trainer`.
    """
    began = time.monotonic()
    keras.utils.set_random_seed(settings.seed)
    description, encoding = start.description, start.encoding
    model = model_dir.make_model(start.config, description, options.policy)
    assign_encoder(model, start.weights, options.reinit_layers)
    total = finetuning.num_groups(start.features, encoding.group_size)
    steps_per_epoch = math.ceil(total / settings.batch_size)
    num_steps = math.ceil(steps_per_epoch * settings.num_epochs)
    objective = KINDS[description.kind].objective(model)
    trained = model
    if options.lm_weight:
        trained = WithLanguageModel(model, start.weights, name="with_language_model")
        objective = AuxiliaryObjective(objective, options.lm_weight)
    layer_rates = options.layer_rates(len(model.encoder.blocks), num_steps)
    trainer = Trainer(
        trained,
        warmed_up_adamw(settings.learning_rate, num_steps, layer_rates=layer_rates),
        objective,
        seed=settings.seed,
        jit_compile=jit_compile,
        strategy=strategy,
    )
    row_length = finetuning.row_length_of(start.features, encoding.max_length)

    def batches(replica: int, num_replicas: int, attempt: int) -> tf.data.Dataset:
        return finetuning.training_batches(
            start.features,
            encoding.tokenizer.vocabulary,
            batch_size=settings.batch_size,
            row_length=row_length,
            seed=data_seed(settings.seed, attempt=attempt),
            group_size=encoding.group_size,
            shard_index=replica,
            num_shards=num_replicas,
        )

    chief = is_chief(strategy)
    log = RunLog(folder, num_steps, heldout_name="dev", is_chief=chief)
    log.say(f"{settings.name}: {num_steps:,} steps of {settings.batch_size} examples.")
    documents = description.document_context
    predictor = Predictor(description.kind, model, encoding, documents)
    best = BestCheckpoint(
        folder, predictor, description.task, start.data.dev, log, chief
    )
    checkpoints = posixpath.join(folder, CHECKPOINTS)
    try:
        train(
            trainer,
            [Phase(num_steps, batches, {"examples": settings.batch_size})],
            checkpoints,
            log,
            checkpoint_every=steps_per_epoch,
            log_every=max(1, num_steps // _LOGGED_STEPS),
            eval_every=steps_per_epoch,
            evaluate=best.evaluate,
        )
        # Waits until the chief has written the best weights.
        wait_for_all(strategy)
        seconds = time.monotonic() - began
        return best.result(settings, start.data.tests, seconds, num_steps)
    finally:
        log.close()
