"""The same time for each system: epochs of static vectors, configs of models."""

import dataclasses
import math

from bert_tf.comparison.systems import System
from bert_tf.models.config import BertConfig
from bert_tf.models.families import make_config

# Static vectors do not improve when the text is read more often than this.
_MAX_EPOCHS = 15


def epochs_within(budget: float, one_epoch: float, two_epochs: float) -> int:
    """Returns the number of epochs in a number of seconds, after two trials.

    Counting words, which is part of both trials, is not part of an epoch.

    Args:
        budget: seconds of the whole training.
        one_epoch, two_epochs: seconds of a training of one epoch, and of two.
    """
    epoch = max(two_epochs - one_epoch, 1.0)
    epochs = int((budget - (one_epoch - epoch)) / epoch)
    return max(1, min(epochs, _MAX_EPOCHS))


def member_config(system: System, preset: str, vocab_size: int) -> BertConfig:
    """Returns the config of a system in a size.

    As training takes minutes instead of weeks, no model has dropout, and the initial
    weights are larger than the papers': a vector of numbers around 1 is mapped to
    numbers around 0.9. (At a width of 256 that is 0.056. With 0.08, BERT did not leave
    the plateau on which masked models begin in 3,590 steps; with 0.056 it left it in
    300.)
    """
    config = make_config(system.options["family"], preset, vocab_size)
    return dataclasses.replace(
        config,
        initializer_range=round(0.9 / math.sqrt(config.hidden_size), 3),
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )
