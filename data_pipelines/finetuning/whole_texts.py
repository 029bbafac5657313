"""Texts and pairs of texts to sequences of which every token is asked for, once."""

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
    """`[CLS] A [SEP]` or `[CLS] A [SEP] B [SEP]`, with the places of the pieces.

    Attributes:
        in_windows: what is done with a text that is too long. False: its end is cut
            off. True: it becomes several sequences that overlap by half, and each
            token is asked for in the one where it has most context. Of a pair, the
            second text is windowed; the first precedes each window, cut
            off where it would leave the second less than half of the room.
    """

    tokenizer: Tokenizer
    max_length: int
    in_windows: bool = False
    group_size: int = dataclasses.field(default=1, init=False)

    def columns(self, examples: Sequence[TextExample]) -> dict[str, tf.Tensor]:
        """Examples, all single or all pairs, as vectors; labels are not looked at."""
        return text_columns(examples)

    def encode(self, columns: dict[str, tf.Tensor]) -> tuple[Features, Features]:
        """Texts to sequences, in graph.

        Args:
            columns: `first` string `(texts,)` and, for pairs, `second`.

        Returns:
            Two dicts. What the model takes: `token_ids` int32 `(sequences,
            (tokens))`; `second_starts` int32 `(sequences,)`; `is_asked` int32
            `(sequences, (tokens))`: 1 for tokens whose vectors are wanted, which are
            in order those of the text, else 0. And where it comes from: `example`
            int32 `(sequences,)`, the place of the text; of each text, special tokens
            included, `token_ids`, `starts`, `ends` int32 `(texts, (tokens))`, the
            last two bytes of the text, or -1 for special tokens; `truncated` bool
            `(texts,)`; `empty`, whether there is no piece, bool `(texts,)`.
        """
        vocabulary = self.tokenizer.vocabulary
        texts = [columns[name] for name in ("first", "second") if name in columns]
        is_pair = len(texts) > 1
        whole, front, truncated, empty = self._whole(
            [self.tokenizer.tokenize_with_offsets(values) for values in texts]
        )
        token_ids, starts, ends = whole

        # The last segment is windowed; what is before it, and the last [SEP], is not.
        body = tf.cast(token_ids.row_lengths(), tf.int32) - front - 1
        # Of a pair, the first text may take half of the room.
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
        """Ids, starts and ends with special tokens, cut as far as they have to be.

        And how many of them are before the last segment, whether tokens were cut off,
        and whether there were none.
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
        """The numbers of tokens of each segment that are kept."""
        if len(lengths) == 1:
            room = self.max_length - 2
            return lengths if self.in_windows else [tf.minimum(lengths[0], room)]
        first, second = lengths
        room = pair_room(self.max_length, self.tokenizer.vocabulary)
        kept_first, kept_second = truncated_lengths(first, second, room)
        return [kept_first, second if self.in_windows else kept_second]


def _repeated(values: tf.Tensor, times: tf.Tensor) -> tf.RaggedTensor:
    return tf.ragged.range(times).with_values(tf.repeat(values, times))
