"""Each system is trained for the same time: how many steps that is, a trial tells."""

import dataclasses
import math
import posixpath
from typing import Any

import tensorflow as tf

from bert_tf.checkpoints import model_dir
from bert_tf.comparison import programs
from bert_tf.comparison.systems import System
from bert_tf.models import config as configs
from bert_tf.models.families import FAMILIES
from bert_tf.training.run_log import METRICS, read_metrics
from data_pipelines.files.atomic import remove, write_file
from data_pipelines.files.json_files import read_json, write_json

MODEL, VECTORS, NGRAM, LOG = "model", "vectors.bin", "trigrams.npz", "log.txt"
TRAINED = "training.json"

# Of a trial, from which the rate is read: the first of these intervals is left out.
_TRIAL_STEPS, _TRIAL_INTERVAL = 60, 10
# Static vectors are no better for being read more often than this.
_MAX_EPOCHS = 15
# Of what is left after the start, for the last evaluation and the report.
_SHARE_OF_STEPS = 0.95


@dataclasses.dataclass(frozen=True)
class Text:
    """What all systems with one tokenizer are trained on.

    Attributes:
        input_files: the corpus.
        separator: of its documents.
        vocab_file: of its pieces.
        records_dir: the same text in these pieces, with a part held out.
        lower_case: whether capitals are taken away.
    """

    input_files: tuple[str, ...]
    separator: str
    vocab_file: str
    records_dir: str
    lower_case: bool


@dataclasses.dataclass(frozen=True)
class Trained:
    """What training came to.

    Attributes:
        seconds: of the training; of static vectors and n-grams, of the whole program.
        amount: what was gone through, such as "1,200 steps".
    """

    seconds: float
    amount: str


def train(
    system: System,
    text: Text,
    folder: str,
    budget: float,
    options: dict[str, Any],
    vocab_size: int,
) -> Trained:
    """Trains a system in its folder, or goes on with it.

    Args:
        system: what is trained.
        text: on which it is.
        folder: gets `model`, a model folder, or the file of n-grams.
        budget: seconds.
        options: of `pretrain`, for all systems alike.
        vocab_size: pieces.

    Raises:
        programs.Failed: a program did.
    """
    path = posixpath.join(folder, TRAINED)
    if tf.io.gfile.exists(path):
        return Trained(**read_json(path))
    tf.io.gfile.makedirs(folder)
    if system.verb == "ngram":
        trained = _train_ngram(system, text, folder)
    elif system.verb == "word_vectors":
        trained = _train_vectors(system, text, folder, budget, options)
    else:
        trained = _pretrain(system, text, folder, budget, options, vocab_size)
    write_json(path, dataclasses.asdict(trained))
    return trained


def _train_ngram(system: System, text: Text, folder: str) -> Trained:
    path = posixpath.join(folder, NGRAM)
    remove(path)
    seconds = programs.run(
        "bert_tf.ngram.train",
        {
            "records_dir": text.records_dir,
            "vocab_file": text.vocab_file,
            "model_file": path,
            **system.options,
        },
        posixpath.join(folder, LOG),
    )
    return Trained(seconds, "all of the text, once")


def _train_vectors(
    system: System, text: Text, folder: str, budget: float, options: dict[str, Any]
) -> Trained:
    log = posixpath.join(folder, LOG)
    path = posixpath.join(folder, VECTORS)

    def learn(path: str, num_epochs: int) -> float:
        remove(path)
        values = {
            "input_files": text.input_files,
            "separator": text.separator,
            "vectors_file": path,
            "vector_size": configs.PRESETS[options["preset"]]["hidden_size"],
            "num_epochs": num_epochs,
            **system.options,
        }
        return programs.run("bert_tf.learn_vectors", values, log)

    # What is not an epoch (counting words) is in both: two points are a line.
    trial = posixpath.join(folder, "trial.bin")
    one, two = learn(trial, 1), learn(trial, 2)
    remove(trial)
    epoch = max(two - one, 1.0)
    epochs = int((budget - (one - epoch)) / epoch)
    epochs = max(1, min(epochs, _MAX_EPOCHS))
    seconds = learn(path, epochs)
    model = posixpath.join(folder, MODEL)
    if not tf.io.gfile.exists(model):
        programs.run("bert_tf.convert", {"source": path, "output_dir": model}, log)
    return Trained(seconds, f"{epochs} epochs")


def _pretrain(
    system: System,
    text: Text,
    folder: str,
    budget: float,
    options: dict[str, Any],
    vocab_size: int,
) -> Trained:
    log = posixpath.join(folder, LOG)
    values = {
        "records_dir": text.records_dir,
        "vocab_file": text.vocab_file,
        "lower_case": text.lower_case,
        **options,
        **system.options,
    }
    config_file = posixpath.join(folder, "config.json")
    config = member_config(system, values["preset"], vocab_size)
    write_file(config_file, config.to_json().encode())
    values["config_file"] = config_file
    path = posixpath.join(folder, "steps.json")
    if not tf.io.gfile.exists(path):
        write_json(path, _steps_within(values, folder, budget))
    num_steps = read_json(path, int)
    output_dir = posixpath.join(folder, MODEL)
    programs.run(
        "bert_tf.pretrain",
        {
            **values,
            "output_dir": output_dir,
            "num_train_steps": num_steps,
            "num_warmup_steps": num_steps // 10,
            "eval_every": num_steps,
            "checkpoint_every": max(100, num_steps // 4),
            "log_every": max(1, num_steps // 100),
        },
        log,
    )
    return Trained(_seconds_of(output_dir), f"{num_steps:,} steps")


def member_config(system: System, preset: str, vocab_size: int) -> configs.BertConfig:
    """The config of a system in a size.

    For minutes instead of weeks, all are without dropout, and their weights begin
    larger than the papers': so that a vector of numbers around 1 gives others of 0.9.
    (At a width of 256 that is 0.056. From 0.08, BERT did not leave the plateau on which
    masked models begin in 3,590 steps; from 0.056 it left it in 300.)
    """
    family = FAMILIES[system.options["family"]]
    hidden_size = configs.PRESETS[preset]["hidden_size"]
    changes = {
        "initializer_range": round(0.9 / math.sqrt(hidden_size), 3),
        **family.config,
        "hidden_dropout_prob": 0.0,
        "attention_probs_dropout_prob": 0.0,
        **system.config,
    }
    return configs.preset(preset, vocab_size, **changes)


def _steps_within(values: dict[str, Any], folder: str, budget: float) -> int:
    """How many steps fit, from a trial."""
    trial = posixpath.join(folder, "trial")
    remove(trial)
    seconds = programs.run(
        "bert_tf.pretrain",
        {
            **values,
            "output_dir": trial,
            "num_train_steps": _TRIAL_STEPS,
            "num_warmup_steps": 0,
            "eval_every": _TRIAL_STEPS,
            "log_every": _TRIAL_INTERVAL,
        },
        posixpath.join(folder, LOG),
    )
    records = read_metrics(posixpath.join(trial, METRICS))
    rates = [r["tokens_per_second"] for r in records if r["split"] == "train"][1:]
    tokens = values["batch_size"] * values["sequence_length"]
    steps_per_second = len(rates) / sum(tokens / rate for rate in rates)
    around = max(0.0, seconds - _TRIAL_STEPS / steps_per_second)
    remove(trial)
    steps = steps_per_second * _SHARE_OF_STEPS * max(budget - around, 0.0)
    return max(_TRIAL_STEPS, int(steps))


def _seconds_of(output_dir: str) -> float:
    """Of all steps, from their rates: also of a run that was stopped in between."""
    options = read_json(posixpath.join(output_dir, model_dir.OPTIONS))
    tokens = options["batch_size"] * options["sequence_length"]
    last, seconds = 0, 0.0
    for record in read_metrics(posixpath.join(output_dir, METRICS)):
        if record["split"] == "train":
            steps = record["step"] - last
            seconds += steps * tokens / record["tokens_per_second"]
            last = record["step"]
    return seconds


def _read(path: str) -> str:
    with tf.io.gfile.GFile(path) as file:
        return file.read()
