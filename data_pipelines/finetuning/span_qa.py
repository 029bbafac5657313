"""Encodes questions and contexts of any length as windows with the answer's tokens."""

import dataclasses
from collections.abc import Callable, Sequence

import tensorflow as tf

from data_pipelines.datasets.examples import Question
from data_pipelines.finetuning.encoding import check_stride
from data_pipelines.rows.features import Features
from data_pipelines.rows.packing import join, pair_room
from data_pipelines.rows.windows import most_context, slices, windows
from data_pipelines.tokenizers.tokenizer import Tokenizer


@dataclasses.dataclass(frozen=True)
class SpanQAEncoding:
    """Encoding `[CLS] question [SEP] window of the context [SEP]` (section 4.2).

    Attributes:
        tokenizer: tokenizer of the model.
        max_length: maximum number of tokens of a sequence.
        stride: tokens from the start of one window to the start of the next.
        max_question_length: maximum number of tokens; longer questions are truncated.

    Raises:
        ValueError: the windows would leave gaps between them.
    """

    tokenizer: Tokenizer
    max_length: int
    stride: int
    max_question_length: int
    group_size: int = dataclasses.field(default=1, init=False)

    def __post_init__(self) -> None:
        room = pair_room(self.max_length, self.tokenizer.vocabulary)
        room -= self.max_question_length
        unit = f"context with a question of {self.max_question_length} tokens"
        check_stride(self.stride, self.max_length, room, unit)

    def columns(self, examples: Sequence[Question]) -> dict[str, tf.Tensor]:
        """Converts questions to tensors, with byte offsets of first answers, or -1."""
        spans = [_bytes_of_answer(example) for example in examples]
        return {
            "question": tf.constant([e.question for e in examples], tf.string),
            "context": tf.constant([e.context for e in examples], tf.string),
            "answer_start": tf.constant([start for start, _ in spans], tf.int32),
            "answer_end": tf.constant([end for _, end in spans], tf.int32),
        }

    def encode(self, columns: dict[str, tf.Tensor]) -> tuple[Features, Features]:
        """Encodes texts as sequences, in the TensorFlow graph.

        Args:
            columns: `question` and `context` string `(questions,)`; optionally
                `answer_start` and `answer_end`, int32 byte offsets in the context, from
                which labels are computed.

        Returns:
            Two dicts. Inputs of the model and its objective: `token_ids` int32
            `(sequences, (tokens))`; `second_starts` int32 `(sequences,)`; `start`
            and `end` int32 `(sequences,)`, the first and last token of the answer, or
            0, the `[CLS]`, in a window without it; `may_start` int32 `(sequences,
            (tokens))`: 1 for tokens of the context with the most context in this
            window, else 0. Origin: `example` int32 `(sequences,)`; `token_starts`,
            `token_ends` int32 `(sequences, (context tokens))`, byte offsets in the
            context; `contexts`, unchanged; `truncated` bool `(sequences,)`, whether the
            question was truncated.
        """
        question = self.tokenizer.tokenize(columns["question"])
        truncated = question.row_lengths() > self.max_question_length
        question = question[:, : self.max_question_length]
        context, starts, ends = self.tokenizer.tokenize_with_offsets(columns["context"])
        room = pair_room(self.max_length, self.tokenizer.vocabulary)
        room -= tf.cast(question.row_lengths(), tf.int32)
        text, start, length = windows(
            tf.cast(context.row_lengths(), tf.int32), room, self.stride
        )
        question = tf.gather(question, text)
        token_ids, second_starts = join(
            question, slices(context, text, start, length), self.tokenizer.vocabulary
        )
        most = most_context(text, start, length, self.max_length, self.stride)
        before = tf.zeros_like(tf.ragged.range(second_starts))
        after = tf.zeros([tf.size(text), 1], tf.int32)
        features: Features = {
            "token_ids": token_ids,
            "second_starts": second_starts,
            "may_start": tf.concat([before, tf.cast(most, tf.int32), after], axis=1),
        }
        if "answer_start" in columns:
            # Count tokens that end before the answer, and that begin before its end.
            first = _count(ends, tf.less_equal, columns["answer_start"])
            last = _count(starts, tf.less, columns["answer_end"]) - 1
            first, last = tf.gather(first, text), tf.gather(last, text)
            inside = (first >= start) & (last < start + length) & (first <= last)
            inside &= tf.gather(columns["answer_start"], text) >= 0
            shift = second_starts - start
            features["start"] = tf.where(inside, first + shift, 0)
            features["end"] = tf.where(inside, last + shift, 0)
        return features, {
            "example": text,
            "token_starts": slices(starts, text, start, length),
            "token_ends": slices(ends, text, start, length),
            "contexts": columns["context"],
            "truncated": tf.gather(truncated, text),
        }


def _count(
    places: tf.RaggedTensor, compare: Callable[..., tf.Tensor], bound: tf.Tensor
) -> tf.Tensor:
    # Compares the values as one vector: broadcasting a ragged tensor takes hundreds of
    # ops.
    bounds = tf.gather(bound, places.value_rowids())
    is_so = tf.cast(compare(places.values, bounds), tf.int32)
    return tf.reduce_sum(places.with_values(is_so), axis=1)


def _bytes_of_answer(example: Question) -> tuple[int, int]:
    # Answers that are not in the context, with a start of -1, come last.
    answer = example.answers[0] if example.answers else None
    if answer is None or answer.start < 0:
        return -1, -1
    start = len(example.context[: answer.start].encode())
    return start, start + len(answer.text.encode())
