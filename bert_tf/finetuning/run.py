"""One run of fine-tuning: from an encoder's weights to the best checkpoint on dev."""

import dataclasses
import math
import posixpath
import time
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import keras
import numpy as np
import tensorflow as tf

from bert_tf.checkpoints import model_dir
from bert_tf.checkpoints.tensors import Tensors
from bert_tf.finetuning.results import RunResult, RunSettings
from bert_tf.models.config import BertConfig
from bert_tf.optim.layer_rates import LayerRates
from bert_tf.optim.optimizers import MomentOptimizer, make_optimizer
from bert_tf.optim.schedule import WarmupLinearDecay
from bert_tf.prediction.predictor import Predictor
from bert_tf.tasks.auxiliary_lm import AuxiliaryObjective, WithLanguageModel
from bert_tf.tasks.kinds import KINDS
from bert_tf.training.distribution import JitCompile, is_chief, wait_for_all
from bert_tf.training.loop import Phase, seed_of_attempt, train
from bert_tf.training.run_log import RunLog
from bert_tf.training.trainer import POLICIES, Trainer
from data_pipelines.files.json_files import read_json, write_json
from data_pipelines.finetuning import batches as finetuning
from data_pipelines.programs import cli
from data_pipelines.rows.features import Features
from data_pipelines.tokenizers.vocabulary import Vocabulary

CHECKPOINTS = "checkpoints"
_BEST = "best.json"

# Lines of metrics.jsonl of a run, if the user does not say.
_LOGGED_STEPS = 50
# Share of the steps in which gradual unfreezing reaches the embeddings.
_UNFREEZING_SHARE = 0.5


@dataclasses.dataclass(frozen=True)
class TrainingOptions:
    """How a model is fine-tuned, alike in all runs of a search."""

    weight_decay: float = cli.option(0.01, "Except of biases and norms.")
    warmup_fraction: float = cli.option(0.1, "Share of the steps of the warm-up.")
    layer_decay: float = cli.option(
        1.0, "Factor of the learning rate from each layer to the one below."
    )
    reinit_layers: int = cli.option(
        0, "So many top layers, and the pooler, start from random weights."
    )
    lm_weight: float = cli.option(
        0.0,
        "Of a causal model: how much the loss of the next token counts beside the "
        "task's; 0.5 in GPT's paper.",
    )
    gradual_unfreezing: bool = cli.option(
        False, "The head learns first, then one layer more at a time."
    )
    class_weights: Literal["none", "balanced"] = cli.option(
        "none", "balanced: rare classes count more, all classes the same in sum."
    )
    max_train_examples: int | None = cli.option(
        None, "Trains on the first so many examples alone."
    )
    evaluations_per_epoch: int = cli.option(
        1, "Evaluations on dev, from which the best checkpoint is chosen."
    )
    log_every: int | None = cli.option(
        None, "Steps between two lines of metrics.jsonl. Default: a 50th of all."
    )
    dtype: Literal["float32", "bfloat16", "float16"] = cli.option(
        "float32", "What is computed in; the weights stay float32."
    )

    def __post_init__(self) -> None:
        if not 0 <= self.warmup_fraction < 1 or not 0 < self.layer_decay <= 1:
            raise ValueError(
                f"Received warmup_fraction={self.warmup_fraction}, layer_decay="
                f"{self.layer_decay}. Expected a share in [0, 1) and one in (0, 1]."
            )
        if self.lm_weight < 0:
            raise ValueError(
                f"Received lm_weight={self.lm_weight}. Expected 0 or more."
            )
        if self.evaluations_per_epoch < 1:
            raise ValueError(
                f"Received evaluations_per_epoch={self.evaluations_per_epoch}. "
                "Expected 1 or more."
            )

    @property
    def policy(self) -> str:
        """The Keras dtype policy."""
        return POLICIES[self.dtype]


@dataclasses.dataclass(frozen=True)
class Start:
    """What all runs of a search begin with; it is loaded once.

    Attributes:
        config: of the encoder.
        description: of the model.
        vocabulary: of the model.
        weights: of the encoder, and of heads that are taken along, by name; none for
            random ones.
        features: sequences to train on.
        dev: examples to choose the best checkpoint by.
        tests: examples of other splits, for a last look at each run.
    """

    config: BertConfig
    description: model_dir.Description
    vocabulary: Vocabulary
    weights: dict[str, np.ndarray]
    features: Features
    dev: Sequence[Any]
    tests: Mapping[str, Sequence[Any]]


def train_run(
    start: Start,
    settings: RunSettings,
    options: TrainingOptions,
    encoding: finetuning.Encoding,
    folder: str,
    strategy: tf.distribute.Strategy,
    jit_compile: JitCompile = "auto",
) -> RunResult:
    """Trains a model, and leaves its best weights in the folder.

    Args:
        start: what the runs share.
        settings: in what they differ.
        options: of the training.
        encoding: of the kind.
        folder: of this run: `metrics.jsonl`, `model.safetensors`, checkpoints while
            it goes on; the same call goes on where a stopped one was.
        strategy: of the training, whose scope is entered.
        jit_compile: what XLA compiles, see `Trainer`.
    """
    began = time.monotonic()
    keras.utils.set_random_seed(settings.seed)
    model = model_dir.make_model(start.config, start.description, options.policy)
    assign_encoder(model, start.weights, options.reinit_layers)
    total = finetuning.num_groups(start.features, encoding.group_size)
    num_steps = max(1, math.ceil(total * settings.num_epochs / settings.batch_size))
    steps_per_epoch = max(1, math.ceil(num_steps / settings.num_epochs))
    objective = KINDS[start.description.kind].objective(
        model, class_weights(start, options.class_weights)
    )
    trained = model
    if options.lm_weight:
        trained = WithLanguageModel(model, start.weights, name="with_language_model")
        objective = AuxiliaryObjective(objective, options.lm_weight)
    trainer = Trainer(
        trained,
        _optimizer(settings, options, num_steps, len(model.encoder.blocks)),
        objective,
        seed=settings.seed,
        jit_compile=jit_compile,
        strategy=strategy,
    )
    row_length = finetuning.row_length_of(start.features, encoding.max_length)

    def batches(replica: int, num_replicas: int, attempt: int) -> tf.data.Dataset:
        return finetuning.training_batches(
            start.features,
            start.vocabulary,
            batch_size=settings.batch_size,
            row_length=row_length,
            seed=seed_of_attempt(settings.seed, attempt),
            group_size=encoding.group_size,
            shard_index=replica,
            num_shards=num_replicas,
        )

    chief = is_chief(strategy)
    log = RunLog(folder, num_steps, heldout_name="dev", is_chief=chief)
    log.say(f"{settings.name}: {num_steps:,} steps of {settings.batch_size} examples.")
    best = _Best(folder, start, model, encoding, log, chief)
    every = max(1, steps_per_epoch // options.evaluations_per_epoch)
    checkpoints = posixpath.join(folder, CHECKPOINTS)
    try:
        train(
            trainer,
            [Phase(num_steps, batches, {"examples": settings.batch_size})],
            checkpoints,
            checkpoint_every=every,
            log_every=options.log_every or max(1, num_steps // _LOGGED_STEPS),
            eval_every=every,
            on_progress=log.progress,
            on_evaluate=best.evaluate,
            on_resume=log.resume,
        )
        # Until the chief has written the best weights.
        wait_for_all(strategy)
        result = best.result(settings, time.monotonic() - began)
    finally:
        log.close()
    if chief:
        tf.io.gfile.rmtree(checkpoints)
    return result


def assign_encoder(
    model: keras.Model, weights: dict[str, np.ndarray], reinit_layers: int = 0
) -> None:
    """Gives a model the weights of an encoder; those of its head stay as they are.

    So does a pooler where the encoder has none. Weights of heads are taken where they
    are given.

    Args:
        model: with an encoder of the same config.
        weights: by name; none: the model stays as it is.
        reinit_layers: so many blocks from the top, and the pooler, keep their weights
            (Zhang et al. 2021, section 4).

    Raises:
        ValueError: a weight is missing, or of another shape.
    """
    if not weights:
        return
    num_layers = model.encoder.config.num_hidden_layers
    kept = [
        f"encoder/block_{index}/"
        for index in range(num_layers - reinit_layers, num_layers)
    ]
    if reinit_layers or "encoder/pooler/kernel" not in weights:
        kept.append("encoder/pooler/")
    for name, variable in model_dir.weights_of(model).items():
        is_encoder = name.startswith(model_dir.ENCODER)
        if name.startswith(tuple(kept)) or not (is_encoder or name in weights):
            continue
        if name not in weights or weights[name].shape != tuple(variable.shape):
            found = weights[name].shape if name in weights else "missing"
            raise ValueError(
                f"The weight {name} is {found}. Expected the shape "
                f"{tuple(variable.shape)} of the config beside it."
            )
        variable.assign(weights[name])


def class_weights(start: Start, kind: str) -> list[float] | None:
    """Weights of the classes so that each weighs the same in the training data."""
    if kind == "none":
        return None
    labels = start.description.labels
    if not KINDS[start.description.kind].balanced_classes or labels is None:
        raise ValueError(
            f"Received class_weights={kind!r} for the kind {start.description.kind}. "
            "Expected classification: leave it out."
        )
    counts = np.bincount(start.features["label"].numpy(), minlength=len(labels))
    return (counts.sum() / (len(labels) * np.maximum(counts, 1))).tolist()


def _optimizer(
    settings: RunSettings, options: TrainingOptions, num_steps: int, num_layers: int
) -> MomentOptimizer:
    rates = None
    if options.layer_decay < 1 or options.gradual_unfreezing:
        layers = num_layers + 1
        every = 0
        if options.gradual_unfreezing:
            every = max(1, int(_UNFREEZING_SHARE * num_steps) // layers)
        rates = LayerRates(num_layers, options.layer_decay, every)
    # Without bias correction fine-tuning on small data fails now and then (Mosbach et
    # al. 2020).
    return make_optimizer(
        "adamw",
        WarmupLinearDecay(
            settings.learning_rate,
            num_steps,
            int(options.warmup_fraction * num_steps),
        ),
        weight_decay=options.weight_decay,
        layer_rates=rates,
    )


class _Best:
    """Evaluates on dev, and keeps the best weights in the folder of the run."""

    def __init__(
        self,
        folder: str,
        start: Start,
        model: keras.Model,
        encoding: finetuning.Encoding,
        log: RunLog,
        is_chief: bool,
    ) -> None:
        self.is_chief = is_chief
        self.folder = folder
        self.start = start
        self.model = model
        self.log = log
        description = start.description
        self.predictor = Predictor(
            description.kind, model, encoding, description.document_context
        )
        # Encoded and packed once: it is asked again after each epoch.
        self.chunks = list(self.predictor.chunks(start.dev))
        self.found: dict[str, Any] | None = None
        path = posixpath.join(folder, _BEST)
        if tf.io.gfile.exists(path):
            self.found = read_json(path)

    def evaluate(self, step: int) -> None:
        """Called by the training loop."""
        description, dev = self.start.description, self.start.dev
        kind, names = self.predictor.kind, description.metrics
        answers = self._answers(None)
        threshold = kind.best_threshold(dev, answers)
        if kind.refine is not None:
            # The texts that are corrected again depend on it.
            answers = self._answers(threshold)
        metrics = kind.score(dev, answers, names, description.labels, threshold)
        self.log.evaluation(step, metrics)
        collapsed = kind.is_collapsed(dev, answers)
        if collapsed:
            self.log.say("All of dev was given one class: the run has collapsed.")
        if self.found and self.found["metrics"][names[0]] >= metrics[names[0]]:
            return
        self.found = {"step": step, "metrics": metrics, "collapsed": collapsed}
        if not self.is_chief:
            return
        path = posixpath.join(self.folder, model_dir.WEIGHTS)
        model_dir.write_weights(path, Tensors.of(model_dir.weights_of(self.model)))
        path = posixpath.join(self.folder, _BEST)
        write_json(path, self.found)

    def _answers(self, threshold: float | None) -> list[Any]:
        return [
            answer
            for chunk in self.chunks
            for _, answer in self.predictor.answer(chunk, threshold)
        ]

    def result(self, settings: RunSettings, seconds: float) -> RunResult:
        """After the last step, which is evaluated too."""
        found: dict[str, Any] = self.found or {}
        path = posixpath.join(self.folder, model_dir.WEIGHTS)
        if self.start.tests:
            model_dir.assign_weights(self.model, path)
        return RunResult(
            settings,
            found["metrics"],
            found["step"],
            seconds,
            found["collapsed"],
            {split: self._test(split) for split in self.start.tests},
        )

    def _test(self, split: str) -> dict[str, float]:
        description, examples = self.start.description, self.start.tests[split]
        threshold = (self.found or {})["metrics"].get("threshold")
        answers = [a for _, a in self.predictor.answers(examples, threshold)]
        metrics = self.predictor.kind.score(
            examples, answers, description.metrics, description.labels, threshold
        )
        shown = "  ".join(f"{name} {value:.4f}" for name, value in metrics.items())
        self.log.say(f"{split}, best checkpoint:  {shown}")
        return metrics
