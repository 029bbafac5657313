"""The model folder: everything that is needed to use a model, guessed from nothing.

bert_config.json    sizes and variants, Google's names
vocab.txt           the pieces, and of byte-level BPE merges.txt beside it
model.json          casing, the kind of model, what its heads are
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

from bert_tf.checkpoints.sentence_vector import SentenceVector
from bert_tf.checkpoints.tensors import (
    Tensors,
    differences,
    open_safetensors,
    write_safetensors,
)
from bert_tf.models.config import BertConfig
from bert_tf.models.objectives import make_pretrainer
from bert_tf.tasks.kinds import KINDS
from data_pipelines.files.atomic import complete_file, write_file
from data_pipelines.files.json_files import read_json, write_json
from data_pipelines.finetuning.batches import Encoding
from data_pipelines.tokenizers import tokenizer
from data_pipelines.tokenizers.tokenizer import Tokenizer
from data_pipelines.tokenizers.vocabulary import Vocabulary

CONFIG = "bert_config.json"
VOCABULARY = "vocab.txt"
DESCRIPTION = "model.json"
OPTIONS = "options.json"
# Of a fine-tuned model, beside it.
DEV_METRICS = "dev_metrics.json"
WEIGHTS = "model.safetensors"

_FORMAT = 1
# What the names of its weights begin with, in every model.
ENCODER = "encoder/"


PRETRAINING = "pretraining"


@dataclasses.dataclass(frozen=True)
class Description:
    """What `model.json` says beside the config.

    Attributes:
        kind: "pretraining", or one of `KINDS`.
        lower_case: whether texts are lower-cased before they are split into pieces.
        strip_accents: whether accents are taken away; None: as `lower_case`.
        objective: what it was pre-trained on, one of `OBJECTIVES`.
        sentence_task: what the sentence head was trained on; None without one.
        dataset: what it was fine-tuned on.
        metrics: names of that dataset's metrics, the most important first.
        head: arguments of the kind's model, besides the config.
        encoding: arguments of the kind's encoding, besides the tokenizer.
        document_context: whether sentences are tagged together with those around them.
        pairs: whether a classifier was fine-tuned on pairs of texts.
        sentence_vector: of encoders that were trained to give one vector for a text.
        threshold: of span answers: from which no-answer score on there is none; None:
            every question has an answer. Of corrections: the least probability of an
            edit.
    """

    kind: str
    lower_case: bool
    sentence_task: str | None = None
    dataset: str | None = None
    metrics: tuple[str, ...] = ()
    head: dict[str, Any] = dataclasses.field(default_factory=dict)
    encoding: dict[str, Any] = dataclasses.field(default_factory=dict)
    document_context: bool = False
    threshold: float | None = None
    sentence_vector: SentenceVector | None = None
    strip_accents: bool | None = None
    pairs: bool = False
    objective: str = "masked_lm"

    @property
    def has_mlm_head(self) -> bool:
        """Whether it guesses masked tokens."""
        return self.kind == PRETRAINING and self.head.get("mlm_head", True)

    @property
    def labels(self) -> tuple[str, ...] | None:
        """Names of classes or tags, in the order of their ids."""
        labels = self.encoding.get("labels")
        return None if labels is None else tuple(labels)


@dataclasses.dataclass(frozen=True)
class LoadedModel:
    """A model and what its inputs are made with."""

    model: Any
    vocabulary: Vocabulary
    description: Description

    @property
    def encoding(self) -> Encoding:
        """The data side of a fine-tuned model."""
        return make_encoding(self.description, self.vocabulary)

    @property
    def tokenizer(self) -> Tokenizer:
        """What cuts its texts into pieces."""
        return make_tokenizer(self.description, self.vocabulary)


def make_model(config: BertConfig, description: Description, dtype: Any = None) -> Any:
    """The model that is described, with random weights."""
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


def make_tokenizer(description: Description, vocabulary: Vocabulary) -> Tokenizer:
    """What cuts texts into pieces for the model that is described."""
    return tokenizer.make_tokenizer(
        vocabulary, description.lower_case, description.strip_accents
    )


def make_encoding(description: Description, vocabulary: Vocabulary) -> Encoding:
    """How the examples of a fine-tuned model become sequences."""
    arguments = dict(description.encoding)
    if arguments.get("labels") is not None:
        arguments["labels"] = tuple(arguments["labels"])
    return KINDS[description.kind].encoding(
        make_tokenizer(description, vocabulary), **arguments
    )


def check_sizes(config: BertConfig, vocabulary: Vocabulary) -> None:
    """Raises ValueError where the vocabulary has more pieces than the embedding."""
    if len(vocabulary) > config.vocab_size:
        raise ValueError(
            f"The vocabulary has {len(vocabulary)} pieces, but the config says "
            f"vocab_size={config.vocab_size}. Expected at most as many: raise "
            "vocab_size in the config, or use the vocabulary of this model."
        )


def save(
    path: str,
    model: keras.Model,
    vocabulary: Vocabulary,
    description: Description,
    options: dict[str, Any],
) -> None:
    """Writes the model folder of a model; see `write`."""
    weights = Tensors.of(weights_of(model))
    write(path, model.encoder.config, vocabulary, description, options, weights)


def write(
    path: str,
    config: BertConfig,
    vocabulary: Vocabulary,
    description: Description,
    options: dict[str, Any],
    weights: Tensors,
) -> None:
    """Writes a model folder; each file appears complete or not at all.

    Args:
        path: the folder, made if it is missing. Files of an earlier save are
            replaced, weights last.
        config: of the encoder.
        vocabulary: of the model.
        description: what `model.json` is to say.
        options: plain values, for the record.
        weights: by their names.
    """
    check_sizes(config, vocabulary)
    record = {"format": _FORMAT, **dataclasses.asdict(description)}
    tf.io.gfile.makedirs(path)
    for name, content in (
        (CONFIG, config.to_json().encode()),
        *vocabulary.to_files(VOCABULARY).items(),
    ):
        write_file(posixpath.join(path, name), content)
    write_json(posixpath.join(path, DESCRIPTION), record)
    write_json(posixpath.join(path, OPTIONS), options)
    write_weights(posixpath.join(path, WEIGHTS), weights)


def load(path: str, dtype: Any = None) -> LoadedModel:
    """Reads a model folder.

    Args:
        path: the folder.
        dtype: a Keras dtype policy to compute in; the weights stay float32.

    Raises:
        FileNotFoundError: the folder, or a file of it, is missing.
        ValueError: a file is broken, or the weights are not those of the config;
            every missing, extra and mis-shaped one is named.
    """
    config, vocabulary, description = load_description(path)
    model = make_model(config, description, dtype)
    assign_weights(model, posixpath.join(path, WEIGHTS))
    return LoadedModel(model, vocabulary, description)


def load_description(path: str) -> tuple[BertConfig, Vocabulary, Description]:
    """All of a model folder but its weights.

    Raises:
        FileNotFoundError, ValueError: as `load`.
    """
    _check_complete(path)
    config = BertConfig.from_file(posixpath.join(path, CONFIG))
    vocabulary = Vocabulary.from_file(posixpath.join(path, VOCABULARY))
    check_sizes(config, vocabulary)
    return config, vocabulary, _read_description(posixpath.join(path, DESCRIPTION))


def _check_complete(path: str) -> None:
    if not tf.io.gfile.isdir(path):
        raise FileNotFoundError(
            f"No model folder at {path!r}. Expected a folder that bert_tf.pretrain or "
            "bert_tf.finetune wrote."
        )
    for name in (CONFIG, VOCABULARY, DESCRIPTION, WEIGHTS):
        if not tf.io.gfile.exists(posixpath.join(path, name)):
            raise FileNotFoundError(
                f"The model folder {path!r} lacks {name}. Expected all of {CONFIG}, "
                f"{VOCABULARY}, {DESCRIPTION}, {WEIGHTS}: an unfinished training is "
                "finished by running the same command again."
            )


def load_encoder_weights(
    path: str, others: tuple[str, ...] = ()
) -> dict[str, np.ndarray]:
    """The weights of the encoder in a model folder, by their names in any model.

    Args:
        path: the folder.
        others: what the names of other weights begin with that are wanted, too.
    """
    tensors = open_safetensors(posixpath.join(path, WEIGHTS))
    wanted = (ENCODER, *others)
    names = (name for name in tensors.shapes if name.startswith(wanted))
    return {name: tensors.read(name) for name in names}


def write_weights(path: str, weights: Tensors) -> None:
    """Writes a safetensors file; it appears complete or not at all."""
    with complete_file(path) as temporary:
        write_safetensors(temporary, weights, {"format": "bert_tf"})


def assign_weights(model: keras.Model, path: str) -> None:
    """Gives a model the weights of a safetensors file: all of them, or it raises."""
    tensors = open_safetensors(path)
    variables = weights_of(model)
    check_weights(tensors.shapes, Tensors.of(variables).shapes, path)
    for name, variable in variables.items():
        variable.assign(tensors.read(name))


def check_weights(
    found: Mapping[str, tuple[int, ...]],
    expected: Mapping[str, tuple[int, ...]],
    path: str,
) -> None:
    """Raises ValueError where names or shapes differ; each is named."""
    problems = differences(found, expected)
    if problems:
        raise ValueError(
            f"The weights in {path} are not those of the config beside them: "
            f"{'; '.join(problems)}. Expected the folder as it was written: restore "
            "its files."
        )


def weights_of(model: keras.Model) -> dict[str, Any]:
    """Variables by their path inside the model, without its own (counted) name.

    Those of a frozen encoder are among them; the states of dropout generators, which
    are whole numbers, are not.
    """
    prefix = f"{model.name}/"
    return {
        w.path.removeprefix(prefix): w
        for w in model.weights
        if keras.backend.is_float_dtype(w.dtype)
    }


def description_from(values: dict[str, Any], path: str) -> Description:
    """A description from the values of its fields, as JSON has them.

    Raises:
        ValueError: they are not such; `path` is named.
    """
    try:
        values = dict(values)
        values["metrics"] = tuple(values.get("metrics", ()))
        if values.get("sentence_vector") is not None:
            values["sentence_vector"] = SentenceVector(**values["sentence_vector"])
        return Description(**values)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path} does not describe a model: {error}") from None


def _read_description(path: str) -> Description:
    try:
        values = read_json(path)
        version = values.pop("format")
        if version != _FORMAT:
            raise ValueError(f"format {version}, expected {_FORMAT}")
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"{path} does not describe a model: {error}") from None
    return description_from(values, path)
