"""The model folder: everything needed to use a model, stored explicitly.

bert_config.json    sizes and variants, Google's names
vocab.txt           the pieces; for byte-level BPE, merges.txt beside it
tokenization.json   the kind of tokenizer, the casing, and added tokens
model.json          the kind of model and its heads
options.json        the options it was trained with
model.safetensors   the weights, named by their path in the model
"""

import dataclasses
import posixpath
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from bert_tf.checkpoints import tensors
from bert_tf.checkpoints.description import PRETRAINING, Description, description_from
from bert_tf.checkpoints.tensors import Tensors, open_safetensors
from bert_tf.models.config import BertConfig
from bert_tf.models.objectives import make_pretrainer
from bert_tf.tasks.kinds import KINDS
from data_pipelines.files.atomic import complete_file, write_file
from data_pipelines.files.fingerprints import present
from data_pipelines.files.json_files import read_json, write_json
from data_pipelines.files.paths import is_folder
from data_pipelines.finetuning.encoding import Encoding
from data_pipelines.tokenizers import vocabulary_files
from data_pipelines.tokenizers.tokenizer import Tokenizer, make_tokenizer
from data_pipelines.tokenizers.vocabulary import Vocabulary

CONFIG = "bert_config.json"
VOCABULARY = "vocab.txt"
DESCRIPTION = "model.json"
OPTIONS = "options.json"
# Only in the folder of a fine-tuned model.
DEV_METRICS = "dev_metrics.json"
WEIGHTS = "model.safetensors"

_FORMAT = 1
# The prefix of the names of the encoder's weights, in every model.
ENCODER = "encoder/"


@dataclasses.dataclass(frozen=True)
class Checkpoint:
    """A model as a value: the contents of a model folder.

    Attributes:
        config: the configuration of the encoder.
        vocabulary: the pieces, and the casing of the texts.
        description: the kind of model and its head.
        weights: float32, by their names in a model folder.
        options: contents of `options.json`, for the record.
    """

    config: BertConfig
    vocabulary: Vocabulary
    description: Description
    weights: Tensors
    options: dict[str, Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class LoadedModel:
    """A model with the vocabulary and the description that its inputs need."""

    model: Any
    vocabulary: Vocabulary
    description: Description

    @property
    def encoding(self) -> Encoding:
        """The encoding of the examples of a fine-tuned model."""
        return make_encoding(self.description, self.vocabulary)

    @property
    def tokenizer(self) -> Tokenizer:
        """The tokenizer of its texts."""
        return make_tokenizer(self.vocabulary)


def make_model(config: BertConfig, description: Description, dtype: Any = None) -> Any:
    """Makes the described model, with random weights."""
    if description.kind == PRETRAINING:
        return make_pretrainer(
            description.objective,
            config,
            sentence_head=description.sentence_task is not None,
            dtype=dtype,
            **description.head,
        )
    return KINDS[description.kind].model(
        config, **description.head, dtype=dtype, name="bert"
    )


def make_encoding(description: Description, vocabulary: Vocabulary) -> Encoding:
    """The encoding of a fine-tuned model: it turns examples into sequences."""
    arguments = dict(description.encoding)
    if "labels" in arguments:
        arguments["labels"] = description.labels
    return KINDS[description.kind].encoding(make_tokenizer(vocabulary), **arguments)


def check_sizes(config: BertConfig, vocabulary: Vocabulary) -> None:
    """Raises ValueError if the vocabulary has more pieces than the embedding."""
    if len(vocabulary) > config.vocab_size:
        raise ValueError(
            f"The vocabulary has {len(vocabulary)} pieces, but the config says "
            f"vocab_size={config.vocab_size}. Expected at most that many: raise "
            "vocab_size in the config, or use the vocabulary of this model."
        )


def save(
    path: str,
    model: keras.Model,
    vocabulary: Vocabulary,
    description: Description,
    options: dict[str, Any],
) -> None:
    """Writes the model folder of a model; see `write`.

    Raises:
        ValueError: a weight is NaN or infinite; nothing is written.
    """
    weights = finite_weights(model, path)
    config = model.encoder.config
    write(Checkpoint(config, vocabulary, description, weights, options), path)


def write(checkpoint: Checkpoint, path: str) -> None:
    """Writes a model folder; each file appears complete or not at all.

    The folder is created if it is missing. Files of an earlier save are replaced, the
    weights last.
    """
    check_sizes(checkpoint.config, checkpoint.vocabulary)
    tf.io.gfile.makedirs(path)
    content = checkpoint.config.to_json().encode()
    write_file(posixpath.join(path, CONFIG), content)
    files = checkpoint.vocabulary.to_files(posixpath.join(path, VOCABULARY))
    for name, content in files.items():
        write_file(name, content)
    description = dataclasses.asdict(checkpoint.description)
    write_json(posixpath.join(path, DESCRIPTION), {"format": _FORMAT, **description})
    write_json(posixpath.join(path, OPTIONS), checkpoint.options)
    write_weights(posixpath.join(path, WEIGHTS), checkpoint.weights)


def files_of(path: str, with_weights: bool = True) -> list[str]:
    """The files that a model is read from; empty unless all of them exist."""
    names = (CONFIG, DESCRIPTION, *((WEIGHTS,) if with_weights else ()))
    files = present(*(posixpath.join(path, name) for name in names))
    vocabulary = vocabulary_files.files_of(posixpath.join(path, VOCABULARY))
    is_whole = len(files) == len(names) and vocabulary
    return [*files, *vocabulary] if is_whole else []


def is_there(path: str) -> bool:
    """True if a path is a model folder."""
    return tf.io.gfile.exists(posixpath.join(path, DESCRIPTION))


def load(path: str, dtype: Any = None) -> LoadedModel:
    """Reads a model folder.

    Args:
        path: the folder.
        dtype: a Keras dtype policy to compute in; the weights stay float32.

    Raises:
        FileNotFoundError: the folder, or a file in it, is missing.
        ValueError: a file is corrupt, a weight is not finite, or the weights do not
            match the config; every missing, extra and mis-shaped one is named.
    """
    config, vocabulary, description = load_description(path)
    model = make_model(config, description, dtype)
    assign_weights(model, posixpath.join(path, WEIGHTS))
    return LoadedModel(model, vocabulary, description)


def from_checkpoint(checkpoint: Checkpoint, dtype: Any = None) -> LoadedModel:
    """Makes the model of a checkpoint.

    Args:
        checkpoint: a model of any format; its weights are read here.
        dtype: a Keras dtype policy to compute in; the weights stay float32.

    Raises:
        ValueError: a weight is missing, left over, of another shape or not finite.
    """
    model = make_model(checkpoint.config, checkpoint.description, dtype)
    _assign(model, checkpoint.weights, "the checkpoint")
    return LoadedModel(model, checkpoint.vocabulary, checkpoint.description)


def read(path: str) -> Checkpoint:
    """Reads a model folder without making the model.

    A weight that is not finite raises only when it is read.

    Raises:
        FileNotFoundError, ValueError: as for `load`.
    """
    config, vocabulary, description = load_description(path)
    file = posixpath.join(path, WEIGHTS)
    weights = open_safetensors(file).finite(file)
    _check_weights(weights.shapes, weight_shapes(config, description), file)
    return Checkpoint(config, vocabulary, description, weights)


def load_description(path: str) -> tuple[BertConfig, Vocabulary, Description]:
    """Reads a model folder except its weights.

    Raises:
        FileNotFoundError, ValueError: as for `load`.
    """
    if not is_folder(path):
        raise FileNotFoundError(
            f"No model folder at {path!r}. Expected a folder written by "
            "bert_tf.pretrain or bert_tf.finetune."
        )
    for name in (CONFIG, VOCABULARY, DESCRIPTION, WEIGHTS):
        if not tf.io.gfile.exists(posixpath.join(path, name)):
            raise FileNotFoundError(
                f"The model folder {path!r} lacks {name}. Expected all of {CONFIG}, "
                f"{VOCABULARY}, {DESCRIPTION}, {WEIGHTS}: if training was interrupted, "
                "run the same command again to finish it."
            )
    config = BertConfig.from_file(posixpath.join(path, CONFIG))
    file = posixpath.join(path, DESCRIPTION)
    values = read_json(file)
    if values.pop("format", None) != _FORMAT:
        raise ValueError(f"{file} does not describe a model of format {_FORMAT}.")
    description, casing = description_from(values, file)
    vocabulary = Vocabulary.from_file(posixpath.join(path, VOCABULARY), **casing)
    check_sizes(config, vocabulary)
    return config, vocabulary, description


def load_encoder_weights(
    path: str, others: tuple[str, ...] = ()
) -> dict[str, np.ndarray]:
    """The weights of the encoder in a model folder, by their names in any model.

    Weights whose names begin with one of `others` are included.

    Raises:
        ValueError: a weight is not finite.
    """
    file = posixpath.join(path, WEIGHTS)
    stored = open_safetensors(file).finite(file)
    wanted = (ENCODER, *others)
    names = (name for name in stored.shapes if name.startswith(wanted))
    return {name: stored.read(name) for name in names}


def write_weights(path: str, weights: Tensors) -> None:
    """Writes a safetensors file; it appears complete or not at all."""
    with complete_file(path) as temporary:
        tensors.write_safetensors(temporary, weights, {"format": "bert_tf"})


def assign_weights(model: keras.Model, path: str) -> None:
    """Assigns all weights of a model from a safetensors file, or raises."""
    _assign(model, open_safetensors(path).finite(path), path)


def _assign(model: keras.Model, weights: Tensors, path: str) -> None:
    variables = weights_of(model)
    _check_weights(weights.shapes, Tensors.of(variables).shapes, path)
    for name, variable in variables.items():
        variable.assign(weights.read(name))


def _check_weights(
    found: Mapping[str, tuple[int, ...]],
    expected: Mapping[str, tuple[int, ...]],
    path: str,
) -> None:
    problems = tensors.differences(found, expected)
    if problems:
        raise ValueError(
            f"The weights in {path} do not match the config beside them: "
            f"{'; '.join(problems)}. Expected the folder unchanged: restore its files."
        )


def weights_of(model: keras.Model) -> dict[str, Any]:
    """The weights of a model, by their path without the model's own (numbered) name.

    Those of a frozen encoder are included; the integer states of dropout generators
    are not.
    """
    prefix = f"{model.name}/"
    return {
        w.path.removeprefix(prefix): w
        for w in model.weights
        if keras.backend.is_float_dtype(w.dtype)
    }


def finite_weights(model: keras.Model, path: str) -> Tensors:
    """The weights of a model that will be written to a path.

    Raises:
        ValueError: a weight is NaN or infinite.
    """
    weights = Tensors.of(weights_of(model)).finite(f"the model for {path}")
    for name in weights.shapes:
        weights.read(name)
    return weights


def weight_shapes(
    config: BertConfig, description: Description
) -> dict[str, tuple[int, ...]]:
    """The shape of each weight of a model, without allocating any."""
    with keras.StatelessScope(initialize_variables=False):
        model = make_model(config, description)
    return {name: tuple(weight.shape) for name, weight in weights_of(model).items()}
