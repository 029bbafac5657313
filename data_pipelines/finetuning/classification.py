"""Encodes texts and text pairs as sequences with a class or a score."""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from data_pipelines.datasets.examples import TextExample
from data_pipelines.finetuning.encoding import check_stride
from data_pipelines.rows.features import Features
from data_pipelines.rows.packing import join, pair_room, truncate_pair
from data_pipelines.rows.windows import slices, windows
from data_pipelines.tokenizers.tokenizer import Tokenizer


def text_columns(examples: Sequence[TextExample]) -> dict[str, tf.Tensor]:
    """Returns `first`, string (texts,), and for pairs `second`.

    Raises:
        ValueError: some examples are pairs, and some are not.
    """
    columns = {"first": tf.constant([e.first for e in examples], tf.string)}
    singles = [example for example in examples if example.second is None]
    if len(singles) < len(examples):
        if singles:
            raise ValueError(
                f"Received pairs of texts, but a single text in example "
                f"{singles[0].id}: {singles[0].first[:60]!r}. Expected only pairs or "
                "only single texts: in a line, separate the texts of a pair by a tab."
            )
        seconds = [example.second for example in examples]
        columns["second"] = tf.constant(seconds, tf.string)
    return columns


@dataclasses.dataclass(frozen=True)
class ClassificationEncoding:
    """Encoding `[CLS] A [SEP]` or `[CLS] A [SEP] B [SEP]`, labels as ids or scores.

    Attributes:
        tokenizer: tokenizer of the model.
        max_length: maximum number of tokens of a sequence.
        labels: class names in the order of their ids; None if labels are scores.
        stride: None to truncate long texts. A number to split them into windows of the
            last segment that begin `stride` tokens apart; the first text of a pair is
            truncated to half of the available tokens, or to what the stride leaves.

    Raises:
        ValueError: the windows would leave gaps between them.
    """

    tokenizer: Tokenizer
    max_length: int
    labels: tuple[str, ...] | None
    stride: int | None = None
    group_size: int = dataclasses.field(default=1, init=False)

    def __post_init__(self) -> None:
        room = pair_room(self.max_length, self.tokenizer.vocabulary)
        if self.stride is not None:
            check_stride(self.stride, self.max_length, room, "pair")

    def columns(self, examples: Sequence[TextExample]) -> dict[str, tf.Tensor]:
        """Converts examples to tensors; missing labels are -1 or NaN.

        Raises:
            ValueError: a label is unknown.
        """
        columns = text_columns(examples)
        if self.labels is None:
            scores = [math.nan if e.label is None else e.label for e in examples]
            columns["label"] = tf.constant(scores, tf.float32)
        else:
            ids: dict[Any, int] = {name: i for i, name in enumerate(self.labels)}
            for example in examples:
                if example.label is not None and example.label not in ids:
                    raise ValueError(
                        f"Received the label {example.label!r} (example {example.id}). "
                        f"Expected one of the model's labels: {list(self.labels)}."
                    )
            numbers = [-1 if e.label is None else ids[e.label] for e in examples]
            columns["label"] = tf.constant(numbers, tf.int32)
        return columns

    def encode(self, columns: dict[str, tf.Tensor]) -> tuple[Features, Features]:
        """Encodes texts as sequences, in the TensorFlow graph.

        Args:
            columns: `first` string `(texts,)` and, for pairs, `second`; optionally
                `label`, which is passed through.

        Returns:
            Two dicts. Inputs of the model and its objective: `token_ids` int32
            `(sequences, (tokens))`, `second_starts` int32 `(sequences,)`, `label`
            `(sequences,)`. Origin: `example` int32 `(sequences,)`, the index of the
            text; `truncated` bool `(sequences,)`.
        """
        first = self.tokenizer.tokenize(columns["first"])
        second = None
        if "second" in columns:
            second = self.tokenizer.tokenize(columns["second"])
        if self.stride is None:
            example = tf.range(tf.cast(first.nrows(), tf.int32))
            first, second, truncated = self._cut(first, second)
        else:
            first, second, example = self._windows(first, second, self.stride)
            truncated = tf.zeros_like(example, tf.bool)
        token_ids, second_starts = join(first, second, self.tokenizer.vocabulary)
        features: Features = {"token_ids": token_ids, "second_starts": second_starts}
        if "label" in columns:
            features["label"] = tf.gather(columns["label"], example)
        return features, {"example": example, "truncated": truncated}

    def _cut(
        self, first: tf.RaggedTensor, second: tf.RaggedTensor | None
    ) -> tuple[tf.RaggedTensor, tf.RaggedTensor | None, tf.Tensor]:
        if second is None:
            room = self.max_length - 2
            return first[:, :room], None, first.row_lengths() > room
        room = pair_room(self.max_length, self.tokenizer.vocabulary)
        truncated = first.row_lengths() + second.row_lengths() > room
        return *truncate_pair(first, second, room), truncated

    def _windows(
        self, first: tf.RaggedTensor, second: tf.RaggedTensor | None, stride: int
    ) -> tuple[tf.RaggedTensor, tf.RaggedTensor | None, tf.Tensor]:
        if second is None:
            text, start, length = windows(
                tf.cast(first.row_lengths(), tf.int32),
                tf.fill([first.nrows()], self.max_length - 2),
                stride,
            )
            return slices(first, text, start, length), None, text
        room = pair_room(self.max_length, self.tokenizer.vocabulary)
        # The windows must not leave gaps.
        first = first[:, : min(room // 2, room - stride)]
        room -= tf.cast(first.row_lengths(), tf.int32)
        lengths = tf.cast(second.row_lengths(), tf.int32)
        text, start, length = windows(lengths, room, stride)
        return tf.gather(first, text), slices(second, text, start, length), text
