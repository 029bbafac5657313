"""Where in a context the answer to a question stands (paper, sections 4.2 and 4.3)."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import tensorflow as tf
from keras import ops

from bert_tf.layers import elementwise
from bert_tf.layers.gather import gather_tokens, sequence_layout
from bert_tf.models.config import BertConfig
from bert_tf.tasks.heads import EncoderWithHead, sequence_vectors

# As in google-research/bert, run_squad.py.
NUM_BEST = 20
MAX_ANSWER_TOKENS = 30

_NOWHERE = -1e9


class BertSpanQA(EncoderWithHead):
    """Start and end logits of each token.

    Call arguments:
        inputs: the encoder's, as packed rows with `lengths`.
        training: whether dropout is on.

    Output:
        dict of `start` and `end`, float32 logits (sequences, row length), very
        negative after the sequence's end.
    """

    def __init__(self, config: BertConfig, **kwargs: Any) -> None:
        super().__init__(config, 2, **kwargs)

    def answer(
        self, encoded: dict[str, Any], inputs: dict[str, Any], training: bool
    ) -> dict[str, Any]:
        """See the class."""
        x = encoded["sequence_output"]
        if self.bilstm is None:
            tokens, mask = sequence_layout(inputs)
            logits = gather_tokens(self.scores(x, training), tokens)
        else:
            vectors, mask = sequence_vectors(x, inputs)
            logits = self.scores(self.through_lstm(vectors, mask), training)
        logits = ops.where(mask[:, :, None], logits, _NOWHERE)
        return {"start": logits[:, :, 0], "end": logits[:, :, 1]}

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor."""
        config = super().get_config()
        del config["num_outputs"]
        return config


class SpanQAObjective:
    """Mean of the cross-entropies of start and end."""

    losses = ("loss_per_window",)

    def weights(self, batch: Any) -> dict[str, Any]:
        """Number of windows, float32 scalars."""
        count = ops.sum(ops.ones_like(ops.cast(batch["start"], "float32")))
        return {"loss_per_window": count, "exact": count}

    def sums(self, logits: dict[str, Any], batch: Any) -> dict[str, Any]:
        """Losses, and windows with both ends right, summed; float32 scalars."""
        starts, start_right = elementwise.cross_entropy(logits["start"], batch["start"])
        ends, end_right = elementwise.cross_entropy(logits["end"], batch["end"])
        return {
            "loss_per_window": ops.sum(starts + ends) / 2,
            "exact": ops.sum(start_right * end_right),
        }


def decode_spans(logits: dict[str, Any], batch: Any) -> dict[str, Any]:
    """The best spans of each window; in graph.

    All spans of up to `MAX_ANSWER_TOKENS` tokens of the context are looked at whose
    first token has most context in this window.

    Args:
        logits: of `BertSpanQA`.
        batch: `may_start`, `second_starts` and `lengths` of `SpanQAEncoding`.

    Returns:
        `starts` and `ends` int32 (windows, best), token numbers in the sequence, and
        `scores` float32 (windows, best), best first, very negative where there are
        no more spans; `null_scores` float32 (windows,), that of the `[CLS]`;
        `second_starts` as it was.
    """
    start, end = logits["start"], logits["end"]
    width = tf.shape(start)[1]
    may_start = batch["may_start"]
    missing = width - tf.shape(may_start)[1]
    may_start = tf.pad(may_start, [[0, 0], [0, missing]], constant_values=-1) > 0
    place = tf.range(width)[tf.newaxis, :]
    is_context = place >= batch["second_starts"][:, tf.newaxis]
    is_context &= place < batch["lengths"][:, tf.newaxis] - 1
    start = tf.where(may_start, start, _NOWHERE)
    end = tf.where(is_context, end, _NOWHERE)
    end = tf.pad(end, [[0, 0], [0, MAX_ANSWER_TOKENS]], constant_values=_NOWHERE)
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
        text: as it stands in the context; "" for no answer.
        start: its first character in the context; -1 for no answer.
        end: the character after its last.
        score: sum of its start and end logits.
        probability: among the guesses for this question.
    """

    text: str
    start: int
    end: int
    score: float
    probability: float = 0.0


@dataclasses.dataclass(frozen=True)
class SpanAnswer:
    """What the model makes of one question.

    Attributes:
        best: guesses, best first, each text once, no answer among them.
        no_answer_score: how much better no answer is than the best guess.
    """

    best: tuple[SpanGuess, ...]
    no_answer_score: float

    def text(self, threshold: float | None) -> str:
        """The answer: "" if no answer is better by more than the threshold."""
        if threshold is not None and self.no_answer_score > threshold:
            return ""
        return self.best[0].text if self.best else ""


def span_answers(decoded: dict[str, Any], origin: dict[str, Any]) -> dict[str, Any]:
    """The best guesses over all windows of each question; in graph.

    Args:
        decoded: of `decode_spans`.
        origin: of `SpanQAEncoding`: `example`, `token_starts` and `token_ends` of each
            window, and `contexts`.

    Returns:
        Ragged (questions, (guesses)), best first and each text once: `starts` and
        `ends` int32, bytes of the context; `scores` float32, sum of start and end
        logits; `probabilities` float32, among these guesses and no answer. And
        `no_answer_scores` float32 (questions,), how much better no answer is than the
        best guess; `no_answer_probabilities` float32 (questions,).
    """
    contexts, example = origin["contexts"], origin["example"]
    found = tf.where(decoded["scores"] > _NOWHERE / 2)
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
    # Sorted by the last of these keys first: each sort keeps the order of the one
    # before where its own keys are equal.
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
    best = tf.maximum(tf.reduce_max(scores, axis=1), _NOWHERE)
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
    }


def read_span_answers(
    answers: dict[str, Any], contexts: Sequence[str]
) -> list[SpanAnswer]:
    """What `span_answers` made, as plain Python.

    Args:
        answers: of all questions.
        contexts: their texts.
    """
    names = ("starts", "ends", "scores", "probabilities")
    columns = [answers[name].to_list() for name in names]
    nulls = answers["no_answer_scores"].numpy().tolist()
    found = []
    for context, null_score, *rows in zip(contexts, nulls, *columns, strict=True):
        encoded = context.encode()
        guesses = []
        for start, end, score, probability in zip(*rows, strict=True):
            text = encoded[start:end].decode("utf-8", "replace")
            first = len(encoded[:start].decode("utf-8", "replace"))
            guess = SpanGuess(text, first, first + len(text), score, probability)
            guesses.append(guess)
        found.append(SpanAnswer(tuple(guesses), null_score))
    return found
