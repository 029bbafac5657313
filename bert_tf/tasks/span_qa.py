"""Where in a context the answer to a question stands (paper, sections 4.2 and 4.3)."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from keras import ops

from bert_tf.config import BertConfig
from bert_tf.layers import elementwise
from bert_tf.layers.gather import gather_tokens
from bert_tf.tasks.heads import EncoderWithHead, sequence_layout, sequence_vectors

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

    def call(self, inputs: dict[str, Any], training: bool = False) -> dict[str, Any]:
        """See the class."""
        x = self.token_vectors(inputs, training)["sequence_output"]
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
        no more spans; `null_scores` float32 (windows,), that of the `[CLS]`.
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


def span_answer(
    context: str,
    decoded: dict[str, np.ndarray],
    token_starts: Sequence[np.ndarray],
    token_ends: Sequence[np.ndarray],
) -> SpanAnswer:
    """The best guesses over all windows of one question.

    Args:
        context: the text.
        decoded: of `decode_spans`, and `second_starts`; the windows of this question.
        token_starts, token_ends: bytes of the context, of each window.
    """
    encoded = context.encode()
    spans: list[tuple[float, int, int]] = []
    for window, scores in enumerate(decoded["scores"]):
        shift = decoded["second_starts"][window]
        for place in np.flatnonzero(scores > _NOWHERE / 2):
            start = token_starts[window][decoded["starts"][window, place] - shift]
            end = token_ends[window][decoded["ends"][window, place] - shift]
            spans.append((float(scores[place]), int(start), int(end)))
    spans.sort(key=lambda span: (-span[0], span[1], span[2]))
    null_score = float(decoded["null_scores"].min())
    guesses: dict[str, SpanGuess] = {}
    for score, start, end in spans:
        text = encoded[start:end].decode("utf-8", "replace")
        if text not in guesses and len(guesses) < NUM_BEST:
            first = len(encoded[:start].decode("utf-8", "replace"))
            guesses[text] = SpanGuess(text, first, first + len(text), score)
    best = list(guesses.values())
    scores = np.array([guess.score for guess in best] + [null_score])
    weights = np.exp(scores - scores.max())
    weights /= weights.sum()
    best = [
        dataclasses.replace(guess, probability=float(weight))
        for guess, weight in zip(best, weights[:-1], strict=True)
    ]
    top = best[0].score if best else _NOWHERE
    return SpanAnswer(tuple(best), null_score - top)
