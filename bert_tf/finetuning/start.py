"""Data, description and initial weights, which all runs of a search share."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from bert_tf.checkpoints.description import Description
from bert_tf.models.config import BertConfig
from bert_tf.tasks.data_options import read
from bert_tf.tasks.kind import Kind, Lengths
from bert_tf.tasks.kinds import KINDS
from data_pipelines.datasets.sources import Dataset
from data_pipelines.finetuning.encoding import Encoding, encode_all
from data_pipelines.rows.features import Features


@dataclasses.dataclass(frozen=True)
class Data:
    """A dataset with its labels, and its examples; test examples are by split."""

    dataset: Dataset
    train: Sequence[Any]
    dev: Sequence[Any]
    tests: Mapping[str, Sequence[Any]]


@dataclasses.dataclass(frozen=True)
class Start:
    """The start of all runs, which is loaded once.

    Attributes:
        config: the configuration of the encoder.
        description: the description of the model.
        encoding: the encoding of its examples.
        weights: weights of the encoder and of reused heads, by name; empty to start
            from random weights.
        features: the training sequences.
        data: the dataset and its examples.
    """

    config: BertConfig
    description: Description
    encoding: Encoding
    weights: dict[str, np.ndarray]
    features: Features
    data: Data


def read_data(
    dataset: Dataset,
    data_dir: str | None,
    max_train_examples: int | None,
    test_splits: Sequence[str],
) -> Data:
    """Reads the splits of a dataset, with arguments as in `FinetuneOptions`.

    Raises:
        ValueError: there are no development examples.
    """
    train, dataset = read(dataset, "train", data_dir)
    dev, _ = read(dataset, "dev", data_dir)
    if not dev:
        raise ValueError(
            "There are no development examples. Expected at least one, to select the "
            "best checkpoint."
        )
    tests = {split: read(dataset, split, data_dir)[0] for split in test_splits}
    return Data(dataset, train[:max_train_examples], dev, tests)


def encoder_config(
    config: BertConfig, kind: Kind, dropout: float, is_frozen: bool = False
) -> BertConfig:
    """The config of the encoder below a new head: with a pooler, if the head reads it.

    A head with a transform reads none.

    Args:
        config: the config of the model that is fine-tuned.
        kind: the kind of the head.
        dropout: rate in the encoder and before the head.
        is_frozen: whether the head reads features of a frozen encoder.
    """
    needs_pooler = (
        kind.is_pooled
        and config.num_hidden_layers > 0
        and not config.head_transform
        and not is_frozen
    )
    return dataclasses.replace(
        config,
        hidden_dropout_prob=dropout,
        attention_probs_dropout_prob=dropout,
        pooler=config.pooler or needs_pooler,
    )


def describe(
    dataset: Dataset,
    config: BertConfig,
    origin: Description,
    lengths: Lengths,
    train: Sequence[Any],
    *,
    document_context: bool = False,
    **head: Any,
) -> Description:
    """The description of a model that is fine-tuned on a dataset.

    Args:
        dataset: with its labels.
        config: the config of the encoder.
        origin: the description of the model that it starts from.
        lengths: to which texts are cut.
        train: the training examples.
        document_context: see `Description`.
        head: more arguments of the kind's model.
    """
    kind = KINDS[dataset.kind]
    pairs = any(getattr(e, "second", None) is not None for e in train)
    if pairs and kind.compares_texts and config.compares_texts:
        head["compares_texts"] = True
    return Description(
        kind=dataset.kind,
        dataset=dataset.name,
        metrics=dataset.metrics,
        head={**head, **kind.head_arguments(dataset, origin.head)},
        encoding={
            **kind.arguments_of_encoding(lengths, dataset),
            **kind.learned_arguments(train),
        },
        document_context=document_context,
        pairs=pairs,
    )


def training_features(
    description: Description,
    encoding: Encoding,
    train: Sequence[Any],
    weights: Mapping[str, float] | None = None,
) -> Features:
    """The sequences to train on, in memory.

    Args:
        description: the description of the model.
        encoding: its encoding.
        train: the training examples.
        weights: weights of the examples, by their ids; None: all 1.
    """
    kind = KINDS[description.kind]
    examples: Any = kind.training_examples(encoding, train)
    if description.document_context and kind.join_documents is not None:
        # The sentences of a document share windows.
        examples = kind.join_documents(examples)
    if weights is None:
        return encode_all(encoding, examples)
    # A kind may have made several examples of one, with its id.
    examples = list(examples)
    return encode_all(encoding, examples, [weights[e.id] for e in examples])
