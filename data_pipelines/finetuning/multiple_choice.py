"""A text and its possible continuations to one sequence for each of them."""

import dataclasses
from collections.abc import Sequence

import tensorflow as tf

from data_pipelines.datasets.examples import ChoiceExample
from data_pipelines.rows.features import Features
from data_pipelines.rows.packing import join, pair_room, truncate_pair
from data_pipelines.tokenizers.tokenizer import Tokenizer


@dataclasses.dataclass(frozen=True)
class MultipleChoiceEncoding:
    """`[CLS] text [SEP] choice [SEP]` for each choice (paper, section 4.4).

    Attributes:
        max_length: tokens of the longest sequence; longer ones are cut off.
        group_size: the number of choices, the same for all examples.
    """

    tokenizer: Tokenizer
    max_length: int
    group_size: int

    def columns(self, examples: Sequence[ChoiceExample]) -> dict[str, tf.Tensor]:
        """Examples as tensors; a label that is not there is -1.

        Raises:
            ValueError: an example has another number of choices.
        """
        for example in examples:
            if len(example.choices) != self.group_size:
                raise ValueError(
                    f"Received {len(example.choices)} choices (example {example.id}). "
                    f"Expected {self.group_size}, as all other examples have."
                )
        labels = [-1 if e.label is None else e.label for e in examples]
        choices = tf.constant(
            [choice for e in examples for choice in e.choices], tf.string
        )
        return {
            "first": tf.constant([example.first for example in examples], tf.string),
            "choices": tf.reshape(choices, [len(examples), self.group_size]),
            "label": tf.constant(labels, tf.int32),
        }

    def encode(self, columns: dict[str, tf.Tensor]) -> tuple[Features, Features]:
        """Texts to sequences, in graph.

        Args:
            columns: `first` string `(texts,)`, `choices` string `(texts, choices)`;
                `label` int32 `(texts,)` is handed on if it is there.

        Returns:
            Two dicts. What the model and its objective take: `token_ids` int32
            `(texts * choices, (tokens))`, the choices of a text one after another;
            `second_starts` and `label` int32 `(texts * choices,)`. And where it
            comes from: `example` int32 and `truncated` bool `(texts * choices,)`;
            `choices` as they were.
        """
        first = self.tokenizer.tokenize(columns["first"])
        example = tf.repeat(tf.range(tf.size(columns["first"])), self.group_size)
        first = tf.gather(first, example)
        second = self.tokenizer.tokenize(tf.reshape(columns["choices"], [-1]))
        room = pair_room(self.max_length, self.tokenizer.vocabulary)
        truncated = first.row_lengths() + second.row_lengths() > room
        token_ids, second_starts = join(
            *truncate_pair(first, second, room), self.tokenizer.vocabulary
        )
        features: Features = {"token_ids": token_ids, "second_starts": second_starts}
        if "label" in columns:
            features["label"] = tf.gather(columns["label"], example)
        return features, {
            "example": example,
            "choices": columns["choices"],
            "truncated": truncated,
        }
