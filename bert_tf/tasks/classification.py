"""The kinds classification and regression: a class or a score for one or two texts."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from keras import ops

from bert_tf.layers import elementwise
from bert_tf.metrics import classification
from bert_tf.tasks.endpoints import Answers, Endpoint, Served, strings, truncated
from bert_tf.tasks.heads import EncoderWithHead, sequence_vectors
from bert_tf.tasks.kind import Columns, Kind, Lengths, Task, Tensors
from data_pipelines.datasets.examples import TextExample
from data_pipelines.datasets.sources import Dataset
from data_pipelines.finetuning.classification import ClassificationEncoding
from data_pipelines.rows.features import Features


class BertClassifier(EncoderWithHead):
    """Logits from the pooled output (paper, section 4.1), or from features.

    Features of a frozen encoder are averaged over the tokens, after the BiLSTM if there
    is one. So is the output of an encoder without a pooler.

    Call arguments:
        inputs: the encoder's; packed rows with `lengths`, too, for an average.
        training: whether dropout is on.

    Output:
        float32 logits (sequences, outputs).
    """

    def answer(
        self, encoded: dict[str, Any], inputs: dict[str, Any], training: bool
    ) -> Any:
        """Applies the head."""
        if self.mix is None and self.encoder.pooler is not None:
            return self.scores(encoded["pooled_output"], training)
        vectors, mask = sequence_vectors(encoded["sequence_output"], inputs)
        # A narrow dtype could not count the tokens of a long sequence.
        vectors = ops.cast(self.through_lstm(vectors, mask), "float32")
        weights = ops.cast(mask, "float32")[:, :, None]
        total = ops.sum(vectors * weights, axis=1)
        return self.scores(total / ops.sum(weights, axis=1), training)


class ClassificationObjective:
    """Mean cross-entropy, each example weighted by its class.

    Args:
        class_weights: one for each class; None: all 1.
    """

    losses = ("loss_per_example",)

    def __init__(self, class_weights: Sequence[float] | None = None) -> None:
        self.class_weights = class_weights

    def labels(self, batch: Any) -> Any:
        """int32 (examples,)."""
        return batch["label"]

    def _weights(self, batch: Any) -> Any:
        labels = self.labels(batch)
        if self.class_weights is None:
            return ops.ones_like(ops.cast(labels, "float32"))
        weights = ops.convert_to_tensor(np.asarray(self.class_weights, "float32"))
        return ops.take(weights, labels)

    def weights(self, batch: Any) -> dict[str, Any]:
        """Total weight of the examples, and their number; float32 scalars."""
        count = ops.sum(ops.ones_like(ops.cast(self.labels(batch), "float32")))
        return {"loss_per_example": ops.sum(self._weights(batch)), "accuracy": count}

    def sums(self, logits: Any, batch: Any) -> dict[str, Any]:
        """Losses and right answers, summed; float32 scalars."""
        losses, right = elementwise.cross_entropy(logits, self.labels(batch))
        total = ops.sum(losses * self._weights(batch))
        return {"loss_per_example": total, "accuracy": ops.sum(right)}


class RegressionObjective:
    """Mean squared error."""

    losses = ("squared_error",)

    def weights(self, batch: Any) -> dict[str, Any]:
        """Number of examples, float32 scalar."""
        return {"squared_error": ops.sum(ops.ones_like(batch["label"]))}

    def sums(self, scores: Any, batch: Any) -> dict[str, Any]:
        """Squared errors, summed; float32 scalar."""
        errors = scores[:, 0] - batch["label"]
        return {"squared_error": ops.sum(ops.square(errors))}


def decode_classes(logits: Any, batch: Any) -> dict[str, Any]:
    """`probabilities` float32 (sequences, classes); in graph."""
    return {"probabilities": ops.softmax(logits, axis=-1)}


def decode_scores(scores: Any, batch: Any) -> dict[str, Any]:
    """`score` float32 (sequences,); in graph."""
    return {"score": scores[:, 0]}


@dataclasses.dataclass(frozen=True)
class ClassAnswer:
    """A class of a text.

    Attributes:
        label: the most probable one.
        probabilities: float (classes,).
    """

    label: str
    probabilities: np.ndarray


@dataclasses.dataclass(frozen=True)
class ScoreAnswer:
    """A score of a text."""

    score: float


def class_tensors(
    decoded: Tensors, origin: Features, encoding: ClassificationEncoding
) -> Tensors:
    """The class of each text, or pair of texts.

    Returns:
        `label` string (texts,); `probability` float32 (texts,), its own;
        `probabilities` float32 (texts, classes), and `labels` string (texts, classes),
        whose they are; `truncated` bool (texts,), whether the end was cut off.
    """
    # Over the windows of each text.
    means = tf.math.segment_mean(decoded["probabilities"], origin["example"])
    labels = tf.constant(encoding.labels)
    return {
        "label": tf.gather(labels, tf.argmax(means, axis=1)),
        "probability": tf.reduce_max(means, axis=1),
        "probabilities": means,
        "labels": tf.repeat(labels[tf.newaxis, :], tf.shape(means)[0], axis=0),
        "truncated": truncated(origin),
    }


def score_tensors(
    decoded: Tensors, origin: Features, encoding: ClassificationEncoding
) -> Tensors:
    """`score` float32 and `truncated` bool (texts,); see `class_tensors`."""
    scores = tf.math.segment_mean(decoded["score"], origin["example"])
    return {"score": scores, "truncated": truncated(origin)}


def read_classes(answers: Tensors, examples: Sequence[Any]) -> list[ClassAnswer]:
    """The answers of `class_tensors`."""
    labels, rows = answers["label"].numpy(), answers["probabilities"].numpy()
    pairs = zip(labels, rows, strict=True)
    return [ClassAnswer(label.decode(), row) for label, row in pairs]


def read_scores(answers: Tensors, examples: Sequence[Any]) -> list[ScoreAnswer]:
    """The answers of `score_tensors`."""
    return [ScoreAnswer(score) for score in answers["score"].numpy().tolist()]


def _class_columns(example: TextExample, answer: ClassAnswer, task: Task) -> Columns:
    labels = task.labels or ()
    by_label = dict(zip(labels, answer.probabilities.tolist(), strict=True))
    return {
        "prediction": answer.label,
        "probability": by_label[answer.label],
        "probabilities": by_label,
    }


def _class_metrics(
    examples: Sequence[TextExample], answers: Sequence[ClassAnswer], task: Task
) -> dict[str, float]:
    ids: dict[Any, int] = {
        label: index for index, label in enumerate(task.labels or ())
    }
    right = [ids[example.label] for example in examples]
    given = [ids[answer.label] for answer in answers]
    return classification.prediction_scores(
        task.metrics, right, given, num_classes=len(ids)
    )


def _score_metrics(
    examples: Sequence[TextExample], answers: Sequence[ScoreAnswer], task: Task
) -> dict[str, float]:
    right: list[Any] = [example.label for example in examples]
    return classification.prediction_scores(
        task.metrics, right, [a.score for a in answers]
    )


def _read_line(name: str, line: str) -> tuple[Columns, TextExample]:
    parts = line.split("\t")
    if len(parts) != 2:
        return {"text": line}, TextExample(name, line, None, None)
    first, second = parts
    columns = {"first": first, "second": second}
    return columns, TextExample(name, first, second, None)


def _encoding_arguments(lengths: Lengths, dataset: Dataset) -> dict[str, Any]:
    # Of a pair, the first text may take half of the room.
    stride = lengths.stride or lengths.max_length // 4
    return {
        "labels": dataset.labels,
        "stride": stride if lengths.in_windows else None,
    }


def _head_arguments(dataset: Dataset, start: dict[str, Any]) -> dict[str, Any]:
    return {"num_outputs": 1 if dataset.labels is None else len(dataset.labels)}


def _endpoints(
    served: Served, verb: str, api: str, api_outputs: Callable[..., Answers]
) -> dict[str, Endpoint]:
    """Texts, pairs, and an API of TF Serving that takes each as `tf.train.Example`."""
    first, second = strings("first"), strings("second")
    singles = {
        f"{verb}_texts": served.endpoint([strings("texts")], lambda t: {"first": t})
    }
    pairs = {
        f"{verb}_pairs": served.endpoint(
            [first, second], lambda *texts: {"first": texts[0], "second": texts[1]}
        )
    }
    # Column by the name of its feature.
    names = {"text": "first"}
    if served.task.pairs:
        names, singles, pairs = {"first": "first", "second": "second"}, pairs, singles

    def parsed(serialized: tf.Tensor) -> dict[str, tf.Tensor]:
        feature = tf.io.FixedLenFeature([], tf.string)
        found = tf.io.parse_example(serialized, dict.fromkeys(names, feature))
        return {column: found[name] for name, column in names.items()}

    of_api = served.endpoint([strings("inputs")], parsed, api_outputs, ("longest",))
    return {**singles, **pairs, api: of_api}


CLASSIFICATION = Kind(
    name="classification",
    encoding=ClassificationEncoding,
    encoding_arguments=_encoding_arguments,
    model=BertClassifier,
    head_arguments=_head_arguments,
    objective=lambda model, weights: ClassificationObjective(weights),
    decode=decode_classes,
    answers=class_tensors,
    read=read_classes,
    columns=_class_columns,
    measure=_class_metrics,
    endpoints=lambda served: _endpoints(
        served,
        "classify",
        "classify",
        lambda answers, _: {
            "classes": answers["labels"],
            "scores": answers["probabilities"],
        },
    ),
    read_line=_read_line,
    classes=lambda example, answer: ([example.label], [answer.label]),
    has_labels=True,
    balanced_classes=True,
    is_pooled=True,
)

REGRESSION = Kind(
    name="regression",
    encoding=ClassificationEncoding,
    encoding_arguments=_encoding_arguments,
    model=BertClassifier,
    head_arguments=_head_arguments,
    objective=lambda model, weights: RegressionObjective(),
    decode=decode_scores,
    answers=score_tensors,
    read=read_scores,
    columns=lambda example, answer, task: {"prediction": answer.score},
    measure=_score_metrics,
    endpoints=lambda served: _endpoints(
        served, "score", "regress", lambda answers, _: {"outputs": answers["score"]}
    ),
    read_line=_read_line,
    is_pooled=True,
)
