"""The model that a pre-training starts from, in place of random weights."""

import dataclasses
import posixpath
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from bert_tf.checkpoints import formats, model_dir
from bert_tf.checkpoints.description import PRETRAINING, Description
from bert_tf.checkpoints.model_dir import Checkpoint, weights_of
from bert_tf.models.config import BertConfig
from bert_tf.models.families import Recipe
from bert_tf.pretraining.model_config import check_row_length
from bert_tf.pretraining.options import PretrainOptions
from data_pipelines.files.fingerprints import present
from data_pipelines.tokenizers.vocabulary import Vocabulary

# The parts that may be new: the model that is trained further may lack them.
_NEW_PARTS = {
    "mlm_head/": "head for masked tokens",
    "sentence_head/": "head for pairs of sentences",
    "encoder/pooler/": "pooler",
}


def read_initial_model(source: str) -> Checkpoint:
    """Reads a model of any format that `bert_tf.convert` reads.

    Of a fine-tuned model the encoder is used, without its head.

    Raises:
        FileNotFoundError: there is no model.
        ValueError: the model is broken.
    """
    _, checkpoint = formats.read(source)
    description = checkpoint.description
    if description.kind != PRETRAINING:
        objective = "next_token" if checkpoint.config.causal else "masked_lm"
        description = Description(
            PRETRAINING, head={"mlm_head": False}, objective=objective
        )
    return dataclasses.replace(checkpoint, description=description)


def options_for(options: PretrainOptions, description: Description) -> PretrainOptions:
    """Returns the options with the objective and the sentence task of a model.

    Raises:
        ValueError: an objective was chosen that the model does not have.
    """
    if options.objective not in (None, description.objective):
        raise ValueError(
            f"Received objective={options.objective} and the initial model "
            f"{options.initial_model_dir}, whose objective is {description.objective}. "
            "Expected the same: leave the option out, or train a new model."
        )
    sentences: Any = options.sentences or description.sentence_task
    objective: Any = description.objective
    return dataclasses.replace(
        options,
        objective=objective,
        sentences=sentences or "full_sentences",
    )


def check_vocabulary(options: PretrainOptions, vocabulary: Vocabulary) -> None:
    """Raises ValueError if options of the vocabulary differ from a model's."""
    source = options.initial_model_dir
    for name in ("lower_case", "strip_accents"):
        received, expected = getattr(options, name), getattr(vocabulary, name)
        if received not in (None, expected):
            raise ValueError(
                f"Received {name}={received} and the initial model {source}, whose "
                f"vocabulary has {name}={expected}. Expected the same: leave the "
                "option out."
            )
    if options.vocab_file is None:
        return
    other = Vocabulary.from_file(options.vocab_file)
    if other.fingerprint != vocabulary.fingerprint:
        raise ValueError(
            f"Received vocab_file={options.vocab_file}, {len(other):,} pieces, and the "
            f"initial model {source}, whose vocabulary has {len(vocabulary):,} and is "
            "another one. Expected the vocabulary of the model: leave the option out."
        )


def config_for(
    options: PretrainOptions, config: BertConfig, recipe: Recipe
) -> BertConfig:
    """Returns the config of a model with a pooler, if the sentence task needs one.

    Raises:
        ValueError: rows are longer than the model has positions.
    """
    check_row_length(config, options.longest_row)
    has_task = recipe.sentence_task is not None
    return dataclasses.replace(config, pooler=config.pooler or has_task)


def description_for(description: Description, recipe: Recipe) -> Description:
    """Returns the description of a model that is trained further."""
    head = {n: v for n, v in description.head.items() if n != "mlm_head"}
    return Description(
        PRETRAINING,
        sentence_task=recipe.sentence_task,
        head=head,
        objective=recipe.objective,
    )


def assign_weights(
    model: Any, checkpoint: Checkpoint, source: str, say: Callable[[str], None]
) -> None:
    """Assigns the weights of a model that is trained further.

    Heads that it lacks keep their random weights; the user is told.

    Args:
        model: a model of `description_for`.
        checkpoint: the model to start from.
        source: its name, for messages.
        say: receives messages for the user.

    Raises:
        ValueError: a weight is missing, or has another shape.
    """
    stored = checkpoint.weights
    new: dict[str, None] = {}
    for name, variable in weights_of(model).items():
        if name in stored.shapes:
            variable.assign(stored.read(name))
            continue
        part = next((p for p in _NEW_PARTS if name.startswith(p)), None)
        if part is None:
            raise ValueError(
                f"{source} has no weight {name}. Expected all weights of its encoder: "
                "restore its files."
            )
        new[_NEW_PARTS[part]] = None
    for part in new:
        say(f"{source} has no {part}: a new one is randomly initialized.")


def files_of(source: str | None) -> list[str]:
    """The files of a model's folder, whose contents determine a run."""
    if source is None or not tf.io.gfile.isdir(source):
        return []
    ours = model_dir.files_of(source)
    names = sorted(tf.io.gfile.listdir(source))
    return ours or present(*(posixpath.join(source, name) for name in names))
