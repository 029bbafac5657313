"""The start that all runs of a search share: data, description, weights."""

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
    """A dataset, with its labels, and its examples; those of other splits by name."""

    dataset: Dataset
    train: Sequence[Any]
    dev: Sequence[Any]
    tests: Mapping[str, Sequence[Any]]


@dataclasses.dataclass(frozen=True)
class Start:
    """The beginning of all runs; it is loaded once.

    Attributes:
        weights: of the encoder, and of reused heads, by name; none for random ones.
        features: sequences to train on.
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
            "There is no development example. Expected some, to choose the best "
            "checkpoint by."
        )
    tests = {split: read(dataset, split, data_dir)[0] for split in test_splits}
    return Data(dataset, train[:max_train_examples], dev, tests)


def training_features(
    description: Description, encoding: Encoding, train: Sequence[Any]
) -> Features:
    """The sequences to train on, in memory."""
    kind = KINDS[description.kind]
    examples: Any = kind.training_examples(encoding, train)
    if description.document_context and kind.join_documents is not None:
        # The sentences of a document share the windows.
        examples = kind.join_documents(examples)
    return encode_all(encoding, examples)
