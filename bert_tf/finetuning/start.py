"""Data, description and initial weights, which all runs of a search share."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from bert_tf.checkpoints.description import Description
from bert_tf.models.config import BertConfig
from bert_tf.tasks.data_options import read
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
        class_weights: a weight for each class; None: all 1.
        data: the dataset and its examples.
    """

    config: BertConfig
    description: Description
    encoding: Encoding
    weights: dict[str, np.ndarray]
    features: Features
    class_weights: list[float] | None
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


def training_features(
    description: Description, encoding: Encoding, train: Sequence[Any]
) -> Features:
    """Encodes the training sequences, in memory."""
    kind = KINDS[description.kind]
    examples: Any = kind.training_examples(encoding, train)
    if description.document_context and kind.join_documents is not None:
        # The sentences of a document share windows.
        examples = kind.join_documents(examples)
    return encode_all(encoding, examples)
