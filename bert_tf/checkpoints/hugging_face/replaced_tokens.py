"""ELECTRA as two models of transformers: the discriminator, and its generator.

The discriminator's folder is `ElectraForPreTraining`; the generator, which transformers
saves as a model of its own, is `ElectraForMaskedLM` in a folder within.
"""

import dataclasses
import os
from typing import Any

import numpy as np

from bert_tf.checkpoints.description import PRETRAINING, Description
from bert_tf.checkpoints.hugging_face.model_types.electra import ELECTRA
from bert_tf.checkpoints.model_dir import ENCODER, Checkpoint
from bert_tf.checkpoints.tensors import Tensors
from bert_tf.models.config import BertConfig
from bert_tf.models.replaced_token_detection import generator_config

OBJECTIVE, CLASS_NAME, GENERATOR = (
    "replaced_tokens",
    "ElectraForPreTraining",
    "generator",
)
DISCRIMINATOR = dataclasses.replace(
    ELECTRA,
    heads={
        PRETRAINING: {
            "transform": "discriminator_predictions.dense",
            "detector": "discriminator_predictions.dense_prediction",
        }
    },
    left_out=(),
)
_HEADS = ("transform/", "detector/")
_EMBEDDINGS, _OWN = f"{ENCODER}embeddings/", "generator/"
_PROJECTION = {
    f"{_OWN}input_projection/{part}": f"{_EMBEDDINGS}projection/{part}"
    for part in ("kernel", "bias")
}


def parts(checkpoint: Checkpoint) -> tuple[Checkpoint, Checkpoint]:
    """The encoder with the head that detects replaced tokens, and the generator.

    Raises:
        ValueError: theirs do not compute the model; the differences are named.
    """
    discriminator, generator = _discriminator_of(checkpoint), _generator_of(checkpoint)
    others: dict[str, Any] = {}
    for model_type, part in ((DISCRIMINATOR, discriminator), (ELECTRA, generator)):
        others |= model_type.missing(part.config, part.vocabulary, part.description)
    config = checkpoint.config
    if config.embedding_size not in (None, config.hidden_size):
        # Here the generator reads projected embeddings.
        others["embedding_size"] = config.embedding_size
    if others:
        raise ValueError(
            f"Received a model of the objective {OBJECTIVE} with {others}, which "
            "ELECTRA of transformers does not have. Expected one of --family=electra: "
            "use --encoder_only to convert the encoder alone."
        )
    return discriminator, generator


def _discriminator_of(checkpoint: Checkpoint) -> Checkpoint:
    names = [n for n in checkpoint.weights.shapes if n.startswith((ENCODER, *_HEADS))]
    weights = checkpoint.weights.renamed({name: name for name in names})
    description = dataclasses.replace(
        checkpoint.description, objective="masked_lm", head={"mlm_head": False}
    )
    return dataclasses.replace(checkpoint, weights=weights, description=description)


def _generator_of(checkpoint: Checkpoint) -> Checkpoint:
    """The generator of a model, as a masked language model with embeddings."""
    config = _generator_config(checkpoint.config)
    names = {}
    for name in checkpoint.weights.shapes:
        if name.startswith(_EMBEDDINGS) or name.startswith("mlm_head/"):
            names[name] = name
        elif name in _PROJECTION:
            names[_PROJECTION[name]] = name
        elif name.startswith(_OWN):
            names[ENCODER + name.removeprefix(_OWN)] = name
    return Checkpoint(
        config,
        checkpoint.vocabulary,
        Description(PRETRAINING),
        checkpoint.weights.renamed(names),
    )


def joined(discriminator: Checkpoint, generator: Checkpoint) -> Checkpoint | None:
    """The model of a discriminator and its generator.

    Args:
        discriminator: the encoder and the head that detects replaced tokens.
        generator: the generator as a model of its own.

    Returns:
        The model; None if the generator is not of the size and the embeddings that ours
        has for this discriminator.
    """
    config = discriminator.config
    if (
        generator.config != _generator_config(config)
        or config.embedding_size not in (None, config.hidden_size)
        or not generator.description.has_mlm_head
    ):
        return None
    shared = [n for n in discriminator.weights.shapes if n.startswith(_EMBEDDINGS)]
    for name in shared:
        one, other = (c.weights.read(name) for c in (discriminator, generator))
        if not np.array_equal(one, other):
            return None
    back = {theirs: ours for ours, theirs in _PROJECTION.items()}
    own = discriminator.weights
    places = {name: (own, name) for name in own.shapes}
    for name in generator.weights.shapes:
        if name in shared:
            continue
        ours = back.get(name, name)
        if ours.startswith(ENCODER):
            ours = _OWN + ours.removeprefix(ENCODER)
        places[ours] = (generator.weights, name)
    weights = Tensors(
        {ours: tensors.shapes[name] for ours, (tensors, name) in places.items()},
        lambda ours: places[ours][0].read(places[ours][1]),
    )
    return dataclasses.replace(
        discriminator,
        description=Description(PRETRAINING, objective=OBJECTIVE),
        weights=weights,
    )


def generator_folder(folder: str) -> str:
    """The folder of the generator in that of the discriminator."""
    return os.path.join(folder, GENERATOR)


def _generator_config(config: BertConfig) -> BertConfig:
    small = generator_config(config)
    width = config.hidden_size
    return dataclasses.replace(
        small, embedding_size=None if width == small.hidden_size else width
    )
