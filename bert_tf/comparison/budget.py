"""The same time for each system: how many steps or epochs that is."""

import math
import posixpath

from bert_tf.checkpoints import model_dir
from bert_tf.comparison.systems import System
from bert_tf.models import config as configs
from bert_tf.models.families import FAMILIES
from bert_tf.training.run_log import METRICS, read_metrics
from data_pipelines.files.json_files import read_json

# Steps of a trial, and those between two lines of its log, of which the first is
# ignored.
TRIAL_STEPS, TRIAL_INTERVAL = 60, 10
# Static vectors are no better for being read more often than this.
_MAX_EPOCHS = 15
# Share of the time after the start; the rest is for the last evaluation and the report.
_SHARE_OF_STEPS = 0.95


def steps_within(budget: float, trial_dir: str, trial_seconds: float) -> int:
    """The number of steps in `budget` seconds.

    Args:
        budget: seconds.
        trial_dir: the model folder of a trial of `TRIAL_STEPS`.
        trial_seconds: that all of it took.
    """
    seconds = _seconds_of_steps(trial_dir)[1:]
    steps_per_second = TRIAL_INTERVAL * len(seconds) / sum(seconds)
    around = max(0.0, trial_seconds - TRIAL_STEPS / steps_per_second)
    steps = steps_per_second * _SHARE_OF_STEPS * max(budget - around, 0.0)
    return max(TRIAL_STEPS, int(steps))


def epochs_within(budget: float, one_epoch: float, two_epochs: float) -> int:
    """The number of epochs in a number of seconds, after trials of one and of two.

    Counting words, which is in both, is no part of an epoch.
    """
    epoch = max(two_epochs - one_epoch, 1.0)
    epochs = int((budget - (one_epoch - epoch)) / epoch)
    return max(1, min(epochs, _MAX_EPOCHS))


def training_seconds(output_dir: str) -> float:
    """The time of all steps, also of a run that was stopped and resumed."""
    return sum(_seconds_of_steps(output_dir))


def _seconds_of_steps(output_dir: str) -> list[float]:
    """The time between two lines of the log."""
    options = read_json(posixpath.join(output_dir, model_dir.OPTIONS))
    tokens = options["batch_size"] * options["sequence_length"]
    last, seconds = 0, []
    for record in read_metrics(posixpath.join(output_dir, METRICS)):
        if record["split"] == "train":
            steps = record["step"] - last
            seconds.append(steps * tokens / record["tokens_per_second"])
            last = record["step"]
    return seconds


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
    }
    return configs.preset(preset, vocab_size, **changes)
