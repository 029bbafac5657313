"""Encodes texts and text pairs as sequences for one vector per token."""

import dataclasses
from collections.abc import Sequence

import tensorflow as tf

from data_pipelines.datasets.examples import TextExample
from data_pipelines.finetuning.classification import text_columns
from data_pipelines.rows.features import Features
from data_pipelines.rows.packing import join, pair_room, truncated_lengths
from data_pipelines.rows.windows import most_context, slices, windows
from data_pipelines.tokenizers.tokenizer import Tokenizer


@dataclasses.dataclass(frozen=True)
class WholeTextEncoding:
    """Encoding `[CLS] A [SEP]` or `[CLS] A [SEP] B [SEP]`, with offsets of the pieces.

    Attributes:
        tokenizer: tokenizer of the model.
        max_length: maximum number of tokens of a sequence.
        in_windows: how long texts are treated. False: they are truncated. True: they
            are split into windows that overlap by half, and each token is taken from
            the window with the most context around it. The windows of a pair are of
            the second text; the first precedes each window, truncated so that the
            second keeps at least half of the available tokens.
    """

    tokenizer: Tokenizer
    max_length: int
    in_windows: bool = False
    group_size: int = dataclasses.field(default=1, init=False)

    def columns(self, examples: Sequence[TextExample]) -> dict[str, tf.Tensor]:
        """Converts examples, all single or all pairs, to tensors; ignores labels."""
        return text_columns(examples)

    def encode(self, columns: dict[str, tf.Tensor]) -> tuple[Features, Features]:
        """Encodes texts as sequences, in the TensorFlow graph.

        Args:
            columns: `first` string `(texts,)` and, for pairs, `second`.

        Returns:
            Two dicts. Inputs of the model: `token_ids` int32 `(sequences, (tokens))`;
            `second_starts` int32 `(sequences,)`; `is_asked` int32 `(sequences,
            (tokens))`: 1 for tokens whose vectors are used, in the order of the text,
            else 0. Origin: `example` int32 `(sequences,)`, the index of the text; for
            each text, including special tokens, `token_ids`, and `starts` and `ends` as
            byte offsets in the text, -1 for special tokens, all int32 `(texts,
            (tokens))`; `truncated` bool `(texts,)`; `empty` bool `(texts,)`, whether
            the text has no pieces.
        """
        vocabulary = self.tokenizer.vocabulary
        texts = [columns[name] for name in ("first", "second") if name in columns]
        is_pair = len(texts) > 1
        whole, front, truncated, empty = self._whole(
            [self.tokenizer.tokenize_with_offsets(values) for values in texts]
        )
        token_ids, starts, ends = whole

        # Only the last segment is windowed, not the tokens around it.
        body = tf.cast(token_ids.row_lengths(), tf.int32) - front - 1
        # The first text of a pair may take half of the available tokens.
        least = pair_room(self.max_length, vocabulary) // 2
        stride = max(1, (least if is_pair else self.max_length - 2) // 2)
        text, start, length = windows(body, self.max_length - front - 1, stride)
        front = tf.gather(front, text)
        end = front + tf.gather(body, text)
        one = tf.ones_like(text)
        parts = (
            slices(token_ids, text, 0 * text, front),
            slices(token_ids, text, front + start, length),
            slices(token_ids, text, end, one),
        )
        is_asked = tf.concat(
            [
                _repeated(start == 0, front),
                most_context(text, start, length, self.max_length, stride),
                _repeated(front + start + length == end, one),
            ],
            axis=1,
        )
        sequences = tf.concat(parts, axis=1)
        lengths = tf.cast(sequences.row_lengths(), tf.int32)
        features: Features = {
            "token_ids": sequences,
            "second_starts": front if is_pair else lengths,
            "is_asked": tf.cast(is_asked, tf.int32),
        }
        return features, {
            "example": text,
            "token_ids": token_ids,
            "starts": starts,
            "ends": ends,
            "truncated": truncated,
            "empty": empty,
        }

    def _whole(
        self, segments: list[tuple[tf.RaggedTensor, ...]]
    ) -> tuple[list[tf.RaggedTensor], tf.Tensor, tf.Tensor, tf.Tensor]:
        """Returns ids, starts and ends with special tokens, truncated if necessary.

        Also returns the number of tokens before the last segment, whether tokens were
        truncated, and whether there were none.
        """
        lengths = [tf.cast(ids.row_lengths(), tf.int32) for ids, _, _ in segments]
        kept = self._kept(lengths)
        text = tf.range(tf.size(kept[0]))
        cut = [
            [slices(values, text, 0 * text, length) for values in segment]
            for segment, length in zip(segments, kept, strict=True)
        ]
        second_ids = cut[1][0] if len(cut) > 1 else None
        token_ids, _ = join(cut[0][0], second_ids, self.tokenizer.vocabulary)
        nowhere = -tf.ones([tf.size(kept[0]), 1], tf.int32)
        whole = [token_ids]
        num_separators = self.tokenizer.vocabulary.num_separators
        for index in (1, 2):
            parts = [nowhere, cut[0][index]]
            if len(cut) > 1:
                parts += [nowhere] * num_separators + [cut[1][index]]
            whole.append(tf.concat([*parts, nowhere], axis=1))
        front = tf.ones_like(kept[0])
        if len(cut) > 1:
            front += kept[0] + num_separators
        num_tokens = tf.add_n(lengths)
        return whole, front, tf.add_n(kept) < num_tokens, tf.equal(num_tokens, 0)

    def _kept(self, lengths: list[tf.Tensor]) -> list[tf.Tensor]:
        """Returns the number of tokens to keep of each segment."""
        if len(lengths) == 1:
            room = self.max_length - 2
            return lengths if self.in_windows else [tf.minimum(lengths[0], room)]
        first, second = lengths
        room = pair_room(self.max_length, self.tokenizer.vocabulary)
        kept_first, kept_second = truncated_lengths(first, second, room)
        return [kept_first, second if self.in_windows else kept_second]


def _repeated(values: tf.Tensor, times: tf.Tensor) -> tf.RaggedTensor:
    return tf.ragged.range(times).with_values(tf.repeat(values, times))
