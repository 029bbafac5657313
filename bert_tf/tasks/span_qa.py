"""Span question answering: finds an answer in a context (paper, sections 4.2, 4.3)."""

import operator
from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf
from keras import ops

from bert_tf.layers import elementwise
from bert_tf.layers.gather import gather_tokens, sequence_layout
from bert_tf.metrics import squad
from bert_tf.models.config import BertConfig
from bert_tf.models.objective import sequence_weights
from bert_tf.tasks.endpoints import (
    Answers,
    Endpoint,
    Served,
    characters_before,
    strings,
)
from bert_tf.tasks.heads import EncoderWithHead, sequence_vectors
from bert_tf.tasks.kind import Columns, Kind, Lengths, Task, Tensors, split_line
from bert_tf.tasks.span_answers import (
    NOWHERE,
    NUM_SHOWN,
    SpanAnswer,
    decode_spans,
    read_span_answers,
    span_answers,
)
from data_pipelines.datasets.examples import Question
from data_pipelines.datasets.sources import Dataset
from data_pipelines.datasets.tables import Row
from data_pipelines.finetuning.span_qa import SpanQAEncoding
from data_pipelines.rows.packing import filled_rows

# As in google-research/bert, run_squad.py.
_STRIDE = 128


@keras.saving.register_keras_serializable("bert_tf")
class BertSpanQA(EncoderWithHead):
    """Computes start and end logits of each token.

    Call arguments:
        inputs: the inputs of the encoder, as packed rows with `lengths`.
        training: whether dropout is on.

    Output:
        dict of `start` and `end`, float32 logits (sequences, row length), very
        negative after the sequence's end.
    """

    own_arguments = ()

    def __init__(self, config: BertConfig, **kwargs: Any) -> None:
        super().__init__(config, 2, **kwargs)

    def answer(
        self, encoded: dict[str, Any], inputs: dict[str, Any], training: bool
    ) -> dict[str, Any]:
        """Applies the head."""
        x = encoded["sequence_output"]
        if self.bilstm is None:
            tokens, mask = sequence_layout(inputs)
            logits = gather_tokens(self.scores(x, training), tokens)
        else:
            vectors, mask = sequence_vectors(x, inputs)
            logits = self.scores(self.through_lstm(vectors, mask), training)
        logits = ops.where(mask[:, :, None], logits, NOWHERE)
        return {"start": logits[:, :, 0], "end": logits[:, :, 1]}


class SpanQAObjective:
    """Mean of the cross-entropies of start and end, by the weights of the windows."""

    losses = ("loss_per_window",)

    def weights(self, batch: Any) -> dict[str, Any]:
        """Total weight of the windows, and their number; float32 scalars."""
        count = ops.sum(ops.ones_like(batch["start"], dtype="float32"))
        total = ops.sum(sequence_weights(batch, batch["start"]))
        return {"loss_per_window": total, "exact": count}

    def sums(self, logits: dict[str, Any], batch: Any) -> dict[str, Any]:
        """The sums of losses and of windows with both ends right; float32 scalars."""
        starts, start_right = elementwise.cross_entropy(logits["start"], batch["start"])
        ends, end_right = elementwise.cross_entropy(logits["end"], batch["end"])
        weights = sequence_weights(batch, batch["start"])
        return {
            "loss_per_window": ops.sum((starts + ends) * weights) / 2,
            "exact": ops.sum(start_right * end_right),
        }


def _columns(example: Question, answer: SpanAnswer, task: Task) -> Columns:
    text = answer.text(task.threshold)
    top = answer.best[0] if text else None
    return {
        "prediction": text,
        "start": top.start if top else -1,
        "end": top.end if top else -1,
        "probability": top.probability if top else None,
        "no_answer_score": answer.no_answer_score,
        "best": [
            {"text": guess.text, "probability": guess.probability}
            for guess in answer.best[:NUM_SHOWN]
        ],
    }


def _unanswered(task: Task) -> Columns:
    return {
        "prediction": None,
        "start": -1,
        "end": -1,
        "probability": None,
        "no_answer_score": None,
        "best": [],
    }


def _metrics(
    examples: Sequence[Question], answers: Sequence[SpanAnswer], task: Task
) -> dict[str, float]:
    texts = [answer.text(None) for answer in answers]
    if task.threshold is None:
        found = squad.squad_scores(examples, texts)
    else:
        scores = [answer.no_answer_score for answer in answers]
        found = squad.squad_scores(examples, texts, scores, task.threshold)
    return {**{name: found[name] for name in task.metrics}, **found}


def _best_threshold(
    examples: Sequence[Question], answers: Sequence[SpanAnswer]
) -> float | None:
    if not any(example.is_impossible for example in examples):
        return None
    texts = [answer.text(None) for answer in answers]
    scores = [answer.no_answer_score for answer in answers]
    return squad.squad_scores(examples, texts, scores)["best_f1_thresh"]


def _extra_files(
    examples: Sequence[Question], answers: Sequence[SpanAnswer], threshold: float | None
) -> dict[str, Any]:
    # The formats of SQuAD's official script.
    pairs = list(zip(examples, answers, strict=True))
    return {
        "predictions.json": {e.id: a.text(threshold) for e, a in pairs},
        "null_odds.json": {e.id: a.no_answer_score for e, a in pairs},
    }


def _read_line(name: str, line: str, task: Task) -> tuple[Columns, Question]:
    question, *rest = split_line(
        name, line, "a question and its context, separated by a tab"
    )
    context = "\t".join(rest)
    columns = {"question": question, "context": context}
    return columns, Question(name, "", question, context, (), False)


def _read_row(number: int, row: Row) -> Question:
    question, context = row.value("question"), row.value("context")
    return Question(row.get("id") or str(number), "", question, context, (), False)


def _encoding_arguments(lengths: Lengths, dataset: Dataset) -> dict[str, Any]:
    # A short model leaves less room than the paper's stride.
    question = min(lengths.max_question_length, lengths.max_length // 3)
    # There are at most four special tokens, see `packing.pair_room`.
    room = lengths.max_length - 4 - question
    stride = lengths.stride or min(_STRIDE, room)
    return {"stride": stride, "max_question_length": question}


def _foreign_lengths(longest: int) -> Lengths:
    # The lengths of transformers' pipeline("question-answering").
    length = min(384, longest)
    return Lengths(length, min(128, length // 3), 64, in_windows=False)


def _outputs(answers: Tensors, columns: dict[str, Any], task: Task) -> Answers:
    """The answers to questions on contexts of any length, for clients.

    Returns:
        `answer` string (questions,), a span of the context, or "" for no answer;
        `start`, `end` int32 (questions,), its character offsets, and `start_byte`,
        `end_byte`, its byte offsets, -1 for no answer; `probability` float32
        (questions,), of the best span among the best spans and no answer;
        `no_answer_probability` and `no_answer_score` float32 (questions,), the latter
        the score of no answer minus that of the best span; `best_answers` string and
        `best_probabilities` float32 (questions, NUM_SHOWN); `truncated` bool
        (questions,), whether the question, not the context, was truncated.
    """
    context = columns["context"]
    starts, ends, probabilities = (
        filled_rows(answers[name], NUM_SHOWN, missing)
        for name, missing in (("starts", -1), ("ends", -1), ("probabilities", 0.0))
    )
    flat = tf.strings.substr(
        tf.repeat(context, NUM_SHOWN),
        tf.reshape(tf.maximum(starts, 0), [-1]),
        tf.reshape(ends - starts, [-1]),
    )
    texts = tf.reshape(flat, tf.shape(starts))
    has_answer = starts[:, 0] >= 0
    if task.threshold is not None:
        has_answer &= answers["no_answer_scores"] <= task.threshold
    start = tf.where(has_answer, starts[:, 0], -1)
    end = tf.where(has_answer, ends[:, 0], -1)
    return {
        "answer": tf.where(has_answer, texts[:, 0], ""),
        "start": characters_before(context, start),
        "end": characters_before(context, end),
        "start_byte": start,
        "end_byte": end,
        "probability": probabilities[:, 0],
        "no_answer_probability": answers["no_answer_probabilities"],
        "no_answer_score": answers["no_answer_scores"],
        "best_answers": texts,
        "best_probabilities": probabilities,
        "truncated": answers["truncated"],
    }


def _endpoints(served: Served) -> dict[str, Endpoint]:
    ask = served.endpoint(
        [strings("questions"), strings("contexts")],
        lambda question, context: {"question": question, "context": context},
        lambda answers, columns: _outputs(answers, columns, served.task),
    )
    return {"answer": ask}


SPAN_QA = Kind(
    name="span_qa",
    encoding=SpanQAEncoding,
    encoding_arguments=_encoding_arguments,
    model=BertSpanQA,
    head_arguments=lambda dataset, start: {},
    objective=lambda model: SpanQAObjective(),
    decode=decode_spans,
    answers=span_answers,
    read=read_span_answers,
    columns=_columns,
    unanswered=_unanswered,
    measure=_metrics,
    endpoints=_endpoints,
    read_line=_read_line,
    read_row=_read_row,
    # An empty tuple is a known label; the metrics distinguish unknown from no answer.
    label_of=operator.attrgetter("answers"),
    best_threshold=_best_threshold,
    default_max_length=384,
    foreign_lengths=_foreign_lengths,
    extra_files=_extra_files,
)
