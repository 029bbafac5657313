"""Encodes a text and its choices as one sequence per choice."""

import dataclasses
from collections.abc import Sequence

import tensorflow as tf

from data_pipelines.datasets.examples import ChoiceExample
from data_pipelines.rows.features import Features
from data_pipelines.rows.packing import join, pair_room, truncate_pair
from data_pipelines.tokenizers.tokenizer import Tokenizer


@dataclasses.dataclass(frozen=True)
class MultipleChoiceEncoding:
    """Encoding `[CLS] text [SEP] choice [SEP]` per choice (paper, section 4.4).

    Attributes:
        tokenizer: tokenizer of the model.
        max_length: maximum number of tokens of a sequence; longer ones are truncated.
        group_size: number of choices, the same for all examples.
    """

    tokenizer: Tokenizer
    max_length: int
    group_size: int

    def columns(self, examples: Sequence[ChoiceExample]) -> dict[str, tf.Tensor]:
        """Converts examples to tensors; missing labels are -1.

        Raises:
            ValueError: an example has another number of choices.
        """
        for example in examples:
            if len(example.choices) != self.group_size:
                raise ValueError(
                    f"Received {len(example.choices)} choices (example {example.id}). "
                    f"Expected {self.group_size}, as in all other examples: correct "
                    "the example."
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
        """Encodes texts as sequences, in the TensorFlow graph.

        Args:
            columns: `first` string `(texts,)`, `choices` string `(texts, choices)`;
                optionally `label` int32 `(texts,)`, which is passed through.

        Returns:
            Two dicts. Inputs of the model and its objective: `token_ids` int32
            `(texts * choices, (tokens))`, the choices of a text one after another;
            `second_starts` and `label` int32 `(texts * choices,)`. Origin: `example`
            int32 and `truncated` bool `(texts * choices,)`; `choices`, unchanged.
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
