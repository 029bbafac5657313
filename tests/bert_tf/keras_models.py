"""Small models of the whole family, and what Keras does with them."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from bert_tf.models.families import FAMILIES, make_encoder
from bert_tf.models.objectives import make_pretrainer
from bert_tf.tasks.auxiliary_lm import WithLanguageModel
from bert_tf.tasks.classification import BertClassifier
from bert_tf.tasks.correction import BertCorrector
from bert_tf.tasks.multiple_choice import BertMultipleChoice
from bert_tf.tasks.span_qa import BertSpanQA
from bert_tf.tasks.token_tagging import BertTagger
from tests.bert_tf.small_models import random_batch, randomize, small_config
from tests.seeds import set_seed

_SMALL = {
    "roberta": {"max_position_embeddings": 25},
    "albert": {"embedding_size": 8},
    "modern": {"local_attention": 2},
}


def family_config(name: str) -> Any:
    """A small config of a member of the family."""
    return small_config(**{**FAMILIES[name].config, **_SMALL.get(name, {})})


def _pretrainer(name: str, **arguments: Any) -> keras.Model:
    recipe, config = FAMILIES[name].recipe, family_config(name)
    has_head = recipe.objective == "masked_lm" and config.pooler
    return make_pretrainer(recipe.objective, config, has_head, **arguments)


def _with_language_model(**arguments: Any) -> keras.Model:
    task = BertClassifier(family_config("gpt"), 3, name="task", **arguments)
    return WithLanguageModel(task, name="both")


@dataclasses.dataclass(frozen=True)
class Small:
    """How to make a small model, and what it reads beside the encoder's inputs."""

    make: Callable[..., keras.Model]
    inputs: tuple[str, ...] = ()


_MLM = ("mlm_positions", "mlm_ids", "mlm_weights")
_CONFIG = family_config("bert")

ENCODERS = {
    name: Small(
        functools.partial(lambda n, **a: make_encoder(family_config(n), **a), name)
    )
    for name in FAMILIES
}
PRETRAINERS = {
    f"{name} pretrainer": Small(
        functools.partial(_pretrainer, name), _MLM if name == "electra" else _MLM[:1]
    )
    for name in FAMILIES
}
HEADS = {
    "classifier": Small(functools.partial(BertClassifier, _CONFIG, 3)),
    "classifier without pooler": Small(
        functools.partial(BertClassifier, family_config("roberta"), 3)
    ),
    "features": Small(
        functools.partial(
            BertClassifier, _CONFIG, 3, features="weighted_last_4", lstm_units=3
        )
    ),
    "sigmoid": Small(
        functools.partial(BertClassifier, _CONFIG, 1, output_activation="sigmoid")
    ),
    "tagger": Small(functools.partial(BertTagger, _CONFIG, 3), ("word_positions",)),
    "span_qa": Small(functools.partial(BertSpanQA, _CONFIG)),
    "choice": Small(functools.partial(BertMultipleChoice, _CONFIG, 2)),
    "corrector": Small(functools.partial(BertCorrector, _CONFIG), ("is_asked",)),
    "with language model": Small(_with_language_model),
}
MODELS = {**ENCODERS, **PRETRAINERS, **HEADS}


def make_model(name: str, **arguments: Any) -> keras.Model:
    """Makes a small model whose weights are all random."""
    set_seed(0)
    model = MODELS[name].make(**arguments)
    randomize(model)
    return model


def batch_of(name: str) -> dict[str, tf.Tensor]:
    """All inputs that the model of this name reads, in rows of one sequence each."""
    batch = random_batch()
    batch["is_asked"] = tf.cast(batch["padding_mask"], tf.int32)
    batch["word_positions"] = tf.constant(
        [[1, 3, -1], [1, 2, 4], [2, -1, -1], [1, 2, 3]]
    )
    names = ("token_ids", "segment_ids", "padding_mask", *MODELS[name].inputs)
    return {key: batch[key] for key in names}


def symbolic(batch: dict[str, tf.Tensor]) -> dict[str, Any]:
    """A `keras.Input` of any length for each tensor."""
    return {
        name: keras.Input(
            (None,) * (len(value.shape) - 1), dtype=value.dtype, name=name
        )
        for name, value in batch.items()
    }


def assert_equal(found: Any, expected: Any) -> None:
    """Equal to the bit, in the same structure."""
    tf.nest.assert_same_structure(dict_of(found), dict_of(expected))
    pairs = zip(tf.nest.flatten(found), tf.nest.flatten(expected), strict=True)
    for one, other in pairs:
        np.testing.assert_array_equal(one, other)


def dict_of(outputs: Any) -> dict[str, Any]:
    return dict(outputs) if isinstance(outputs, dict) else {"output": outputs}
