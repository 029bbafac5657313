"""Trainers of a small model, for the tests of the step and of the loop."""

import numpy as np
import tensorflow as tf

from bert_tf.models.masked_lm import PretrainingObjective
from bert_tf.optim.optimizers import AdamW
from bert_tf.training.trainer import Trainer
from tests.bert_tf.small_models import VOCABULARY, small_pretrainer

NO_DROPOUT = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}

# By their arguments: each with the values that its variables began with.
_MADE = {}


def small_trainer(
    *, learning_rate=1e-3, model=None, dtype=None, device=None, **arguments
):
    """A trainer at its beginning; for equal arguments it is the same one, put back.

    So its step is traced once, which takes longer than many steps; compiled it is
    where a test is about that. A rate that is a number is no part of the trace.
    """
    is_number = isinstance(learning_rate, float)
    key = (
        None if is_number else learning_rate,
        repr((model, dtype, device, sorted(arguments.items()))),
    )
    if key not in _MADE:
        # Few different shapes of weights: each is compiled by itself.
        sizes = {"num_hidden_layers": 1}
        for size in ("hidden_size", "intermediate_size", "max_position_embeddings"):
            sizes[size] = len(VOCABULARY)
        with tf.device(device):
            trainer = Trainer(
                small_pretrainer(dtype=dtype, **sizes, **(model or {})),
                AdamW(learning_rate, bias_correction=True, weight_decay=0.1),
                PretrainingObjective(),
                **{"jit_compile": "off", **arguments},
            )
        beginning = [tf.convert_to_tensor(value) for value in _variables(trainer)]
        _MADE[key] = trainer, [value.numpy() for value in beginning]
    trainer, beginning = _MADE[key]
    for variable, value in zip(_variables(trainer), beginning, strict=True):
        variable.assign(value)
    if is_number:
        trainer.optimizer.learning_rate = learning_rate
    return trainer


def _variables(trainer):
    """All that a step moves."""
    model, optimizer, *others = trainer.trackables().values()
    return [*model.trainable_variables, *optimizer.variables, *others]


def weights(trainer):
    return [
        np.asarray(variable).copy() for variable in trainer.model.trainable_variables
    ]


def assert_same(some_weights, others, atol=0.0):
    for one, other in zip(some_weights, others, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=atol)
