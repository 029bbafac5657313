"""Finds the best spans of each window, and the best answers over all windows."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from bert_tf.tasks.endpoints import truncated
from bert_tf.tasks.kind import Tensors
from data_pipelines.finetuning.span_qa import SpanQAEncoding
from data_pipelines.rows.features import Features

# As in google-research/bert, run_squad.py.
NUM_BEST = 20
MAX_ANSWER_TOKENS = 30
# The number of best spans that are shown.
NUM_SHOWN = 5
# The logit of a place where no span can start or end.
NOWHERE = -1e9


def decode_spans(logits: dict[str, Any], batch: Any) -> dict[str, Any]:
    """Finds the best spans of each window; in graph.

    A span has up to `MAX_ANSWER_TOKENS` tokens of the context, and belongs to the
    window in which its first token has the most context.

    Returns:
        `starts` and `ends` int32 (windows, best), token indices in the sequence, and
        `scores` float32 (windows, best), best first, very negative if there are no
        more spans; `null_scores` float32 (windows,), the score of `[CLS]`;
        `second_starts`, unchanged.
    """
    start, end = logits["start"], logits["end"]
    width = tf.shape(start)[1]
    missing = width - tf.shape(batch["may_start"])[1]
    may_start = tf.pad(batch["may_start"], [[0, 0], [0, missing]]) > 0
    place = tf.range(width)[tf.newaxis, :]
    is_context = place >= batch["second_starts"][:, tf.newaxis]
    is_context &= place < batch["lengths"][:, tf.newaxis] - 1
    start = tf.where(may_start, start, NOWHERE)
    end = tf.where(is_context, end, NOWHERE)
    end = tf.pad(end, [[0, 0], [0, MAX_ANSWER_TOKENS]], constant_values=NOWHERE)
    spans = tf.stack(
        [start + end[:, shift : shift + width] for shift in range(MAX_ANSWER_TOKENS)],
        axis=2,
    )  # (windows, start, length - 1)
    flat = tf.reshape(spans, [tf.shape(start)[0], width * MAX_ANSWER_TOKENS])
    scores, chosen = tf.math.top_k(flat, NUM_BEST)
    starts = chosen // MAX_ANSWER_TOKENS
    return {
        "starts": starts,
        "ends": starts + chosen % MAX_ANSWER_TOKENS,
        "scores": scores,
        "null_scores": logits["start"][:, 0] + logits["end"][:, 0],
        "second_starts": batch["second_starts"],
    }


@dataclasses.dataclass(frozen=True)
class SpanGuess:
    """A possible answer.

    Attributes:
        text: the span as in the context.
        start, end: its first character in the context, and the one after its last.
        score: the sum of its start and end logits.
        probability: its probability among the guesses for this question.
    """

    text: str
    start: int
    end: int
    score: float
    probability: float = 0.0


@dataclasses.dataclass(frozen=True)
class SpanAnswer:
    """The answer to one question.

    Attributes:
        best: guesses, best first, each text once, without the empty answer.
        no_answer_score: the score of no answer minus that of the best guess.
    """

    best: tuple[SpanGuess, ...]
    no_answer_score: float

    def text(self, threshold: float | None) -> str:
        """The answer; "" if `no_answer_score` exceeds the threshold."""
        if threshold is not None and self.no_answer_score > threshold:
            return ""
        return self.best[0].text if self.best else ""


def span_answers(
    decoded: Tensors, origin: Features, encoding: SpanQAEncoding | None = None
) -> Tensors:
    """Finds the best guesses over all windows of each question; in graph.

    Returns:
        Ragged (questions, (guesses)), best first and each text once: `starts` and
        `ends` int32, byte offsets in the context; `scores` float32, the sum of start
        and end logits; `probabilities` float32, among these guesses and no answer. Also
        `no_answer_scores` float32 (questions,), the score of no answer minus that of
        the best guess; `no_answer_probabilities` float32 and `truncated` bool
        (questions,).
    """
    contexts, example = origin["contexts"], origin["example"]
    found = tf.where(decoded["scores"] > NOWHERE / 2)
    window = found[:, 0]
    shift = tf.gather(decoded["second_starts"], window)

    def bytes_of(places: Any, offsets: tf.RaggedTensor) -> Any:
        tokens = tf.gather_nd(places, found) - shift
        first = tf.gather(offsets.row_starts(), window)
        return tf.gather(offsets.values, first + tf.cast(tokens, first.dtype))

    spans = {
        "question": tf.cast(tf.gather(example, window), tf.int64),
        "starts": bytes_of(decoded["starts"], origin["token_starts"]),
        "ends": bytes_of(decoded["ends"], origin["token_ends"]),
        "scores": tf.gather_nd(decoded["scores"], found),
    }
    # A piece that is a space alone has no text: offsets exclude spaces.
    has_text = spans["ends"] > spans["starts"]
    spans = {name: tf.boolean_mask(values, has_text) for name, values in spans.items()}
    # Stable sorts, from the least to the most significant key.
    for name, sign in (("ends", 1), ("starts", 1), ("scores", -1), ("question", 1)):
        order = tf.argsort(sign * spans[name], stable=True)
        spans = {name: tf.gather(values, order) for name, values in spans.items()}

    question = spans.pop("question")
    texts = tf.strings.substr(
        tf.gather(contexts, question), spans["starts"], spans["ends"] - spans["starts"]
    )
    keys = tf.strings.join([tf.strings.as_string(question), texts], " ")
    places = tf.range(tf.size(keys))
    distinct, number = tf.unique(keys)
    firsts = tf.math.unsorted_segment_min(places, number, tf.size(distinct))
    is_first = tf.gather(firsts, number) == places
    guesses = {
        name: tf.RaggedTensor.from_value_rowids(
            tf.boolean_mask(values, is_first),
            tf.boolean_mask(question, is_first),
            nrows=tf.size(contexts, tf.int64),
        )[:, :NUM_BEST]
        for name, values in spans.items()
    }

    null_scores = tf.math.segment_min(decoded["null_scores"], example)
    scores = guesses["scores"]
    best = tf.maximum(tf.reduce_max(scores, axis=1), NOWHERE)
    top = tf.maximum(best, null_scores)
    weights = scores.with_values(
        tf.exp(scores.values - tf.gather(top, scores.value_rowids()))
    )
    null_weights = tf.exp(null_scores - top)
    total = tf.reduce_sum(weights, axis=1) + null_weights
    return {
        **guesses,
        "probabilities": weights.with_values(
            weights.values / tf.gather(total, weights.value_rowids())
        ),
        "no_answer_scores": null_scores - best,
        "no_answer_probabilities": null_weights / total,
        "truncated": truncated(origin),
    }


def read_span_answers(answers: Tensors, questions: Sequence[Any]) -> list[SpanAnswer]:
    """Reads the answers of `span_answers` to all questions, as plain Python."""
    names = ("starts", "ends", "scores", "probabilities")
    columns = [answers[name].to_list() for name in names]
    nulls = answers["no_answer_scores"].numpy().tolist()
    found = []
    for question, null_score, *rows in zip(questions, nulls, *columns, strict=True):
        encoded = question.context.encode()
        guesses = []
        for start, end, score, probability in zip(*rows, strict=True):
            text = encoded[start:end].decode("utf-8", "replace")
            first = len(encoded[:start].decode("utf-8", "replace"))
            guess = SpanGuess(text, first, first + len(text), score, probability)
            guesses.append(guess)
        found.append(SpanAnswer(tuple(guesses), null_score))
    return found
