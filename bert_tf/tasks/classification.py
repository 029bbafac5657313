"""Classification and regression: a class or a score for a text or a pair of texts."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, Literal

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from bert_tf.layers import elementwise
from bert_tf.layers.dense import dense
from bert_tf.layers.gather import first_tokens_and_lengths, gather_tokens
from bert_tf.layers.text_comparison import compare_texts, compared_width
from bert_tf.metrics.classification import prediction_scores
from bert_tf.models.objective import sequence_weights
from bert_tf.tasks.endpoints import Answers, Endpoint, Served, strings, truncated
from bert_tf.tasks.heads import EncoderWithHead, sequence_vectors
from bert_tf.tasks.kind import Columns, Kind, Lengths, Task, Tensors, split_line
from data_pipelines.datasets.examples import TextExample
from data_pipelines.datasets.sources import Dataset
from data_pipelines.finetuning.classification import ClassificationEncoding
from data_pipelines.rows.features import Features


@keras.saving.register_keras_serializable("bert_tf")
class BertClassifier(EncoderWithHead):
    """Computes logits from the pooled output (paper, section 4.1), or from features.

    Features of a frozen encoder are averaged over the tokens, after the BiLSTM if there
    is one. So is the output of an encoder without a pooler, unless its config has
    `text_pooling="first"`: then the first token is read.

    Args:
        output_activation: the activation of the outputs, as for the scores of a
            CrossEncoder.
        compares_texts: whether the logits also depend on how similar the two texts of a
            pair are, in the embeddings and in the last layer, see `compare_texts`.
            Features of a frozen encoder are not compared.

    Call arguments:
        inputs: the inputs of the encoder; for an average, packed rows with `lengths`.
        training: whether dropout is on.

    Output:
        float32 logits (sequences, outputs).
    """

    own_arguments: tuple[str, ...] = (
        "num_outputs",
        "output_activation",
        "compares_texts",
    )

    def __init__(
        self,
        *args: Any,
        output_activation: Literal["sigmoid"] | None = None,
        compares_texts: bool = False,
        **kwargs: Any,
    ) -> None:
        self.output_activation = output_activation
        self.compares_texts = compares_texts
        super().__init__(*args, **kwargs)

    def build(self, input_shape: Any = None) -> None:
        """Creates all weights."""
        self.comparison = None
        if self.compares_texts and self.mix is None:
            config = self.encoder.config
            self.comparison = dense(
                self.num_outputs,
                config.initializer_range,
                "comparison",
                "float32",
                use_bias=False,
            )
            # For the embeddings and for the last layer.
            self.comparison.build((None, 2 * compared_width(config.hidden_size)))
        super().build(input_shape)

    def token_vectors(self, inputs: dict[str, Any], training: bool) -> dict[str, Any]:
        """The encoder's outputs, without those that `answer` does not read."""
        config = self.encoder.config
        if self.comparison is not None:
            return self.encoder(inputs, training=training, return_hidden_states=True)
        reads_first = self.encoder.pooler is not None or config.text_pooling == "first"
        is_bert = config.architecture == "transformer" and not config.causal
        if self.mix is None and reads_first and is_bert:
            return self.encoder(inputs, training=training, first_only=True)
        return super().token_vectors(inputs, training)

    def answer(
        self, encoded: dict[str, Any], inputs: dict[str, Any], training: bool
    ) -> Any:
        """Applies the head, and the activation if there is one."""
        logits = self.scores(self._text_vectors(encoded, inputs), training)
        if self.comparison is not None:
            states = encoded["hidden_states"]
            compared = compare_texts([states[0], states[-1]], inputs)
            logits += self.comparison(self.dropout(compared, training=training))
        return logits if self.output_activation is None else ops.sigmoid(logits)

    def _text_vectors(self, encoded: dict[str, Any], inputs: dict[str, Any]) -> Any:
        """The vector of each sequence, (sequences, width)."""
        if self.mix is None and self.encoder.pooler is not None:
            return encoded["pooled_output"]
        if self.mix is None and self.encoder.config.text_pooling == "first":
            vectors = encoded.get("first_output")
            if vectors is None:
                first_tokens, _ = first_tokens_and_lengths(inputs)
                vectors = gather_tokens(encoded["sequence_output"], first_tokens)
            return vectors
        vectors, mask = sequence_vectors(encoded["sequence_output"], inputs)
        # A narrow dtype could not represent the token count of a long sequence.
        vectors = ops.cast(self.through_lstm(vectors, mask), "float32")
        weights = ops.cast(mask, "float32")[:, :, None]
        total = ops.sum(vectors * weights, axis=1)
        return total / ops.sum(weights, axis=1)

    def _head_inputs(self) -> dict[str, str]:
        return {} if self.comparison is None else {"segment_ids": "int32"}


class ClassificationObjective:
    """Mean cross-entropy of the examples by their weights, see `sequence_weights`.

    Args:
        group_size: the number of sequences of an example, such as one for each choice.
    """

    losses = ("loss_per_example",)

    def __init__(self, group_size: int = 1) -> None:
        self.group_size = group_size

    def weights(self, batch: Any) -> dict[str, Any]:
        """The total weight of the examples, and their number; float32 scalars."""
        labels = batch["label"][:: self.group_size]
        count = ops.sum(ops.ones_like(labels, dtype="float32"))
        return {"loss_per_example": ops.sum(self._weights(batch)), "accuracy": count}

    def sums(self, logits: Any, batch: Any) -> dict[str, Any]:
        """Losses and correct answers, summed; float32 scalars."""
        labels = batch["label"][:: self.group_size]
        losses, right = elementwise.cross_entropy(logits, labels)
        total = ops.sum(losses * self._weights(batch))
        return {"loss_per_example": total, "accuracy": ops.sum(right)}

    def _weights(self, batch: Any) -> Any:
        return sequence_weights(batch, batch["label"], self.group_size)


class RegressionObjective:
    """Mean squared error of the examples by their weights."""

    losses = ("squared_error",)

    def weights(self, batch: Any) -> dict[str, Any]:
        """Total weight of the examples, float32 scalar."""
        return {"squared_error": ops.sum(sequence_weights(batch, batch["label"]))}

    def sums(self, scores: Any, batch: Any) -> dict[str, Any]:
        """Squared errors, summed; float32 scalar."""
        errors = ops.square(scores[:, 0] - batch["label"])
        weights = sequence_weights(batch, batch["label"])
        return {"squared_error": ops.sum(errors * weights)}


def decode_classes(logits: Any, batch: Any) -> dict[str, Any]:
    """Computes `probabilities`, float32 (sequences, classes); in graph."""
    return {"probabilities": ops.softmax(logits, axis=-1)}


def decode_scores(scores: Any, batch: Any) -> dict[str, Any]:
    """Computes `score`, float32 (sequences,); in graph."""
    return {"score": scores[:, 0]}


@dataclasses.dataclass(frozen=True)
class ClassAnswer:
    """The most probable class of a text."""

    label: str
    probabilities: np.ndarray  # float (classes,)


@dataclasses.dataclass(frozen=True)
class ScoreAnswer:
    """The score of a text."""

    score: float


def class_tensors(
    decoded: Tensors, origin: Features, encoding: ClassificationEncoding
) -> Tensors:
    """Computes the class of each text or pair of texts.

    Returns:
        `label` string (texts,); `probability` float32 (texts,), of this label;
        `probabilities` float32 (texts, classes), of `labels`, string (texts, classes);
        `truncated` bool (texts,), whether the text was truncated.
    """
    # Averaged over the windows of each text.
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
    """Computes `score` float32 and `truncated` bool (texts,); see `class_tensors`."""
    scores = tf.math.segment_mean(decoded["score"], origin["example"])
    return {"score": scores, "truncated": truncated(origin)}


def read_classes(answers: Tensors, examples: Sequence[Any]) -> list[ClassAnswer]:
    """Reads the answers of `class_tensors`."""
    labels, rows = answers["label"].numpy(), answers["probabilities"].numpy()
    pairs = zip(labels, rows, strict=True)
    return [ClassAnswer(label.decode(), row) for label, row in pairs]


def _class_columns(example: TextExample, answer: ClassAnswer, task: Task) -> Columns:
    by_label = dict(zip(task.labels or (), answer.probabilities.tolist(), strict=True))
    return {
        "prediction": answer.label,
        "probability": by_label[answer.label],
        "probabilities": by_label,
    }


def _class_metrics(
    examples: Sequence[TextExample], answers: Sequence[ClassAnswer], task: Task
) -> dict[str, float]:
    ids: dict[Any, int] = {name: i for i, name in enumerate(task.labels or ())}
    right = [ids[example.label] for example in examples]
    given = [ids[answer.label] for answer in answers]
    return prediction_scores(task.metrics, right, given, num_classes=len(ids))


def _read_line(name: str, line: str, task: Task) -> tuple[Columns, TextExample]:
    # A single text may contain a tab, which is white space.
    if task.pairs is False or (task.pairs is None and line.count("\t") != 1):
        return {"text": line}, TextExample(name, line, None, None)
    parts = split_line(name, line, "two texts separated by a tab")
    if len(parts) > 2:
        raise ValueError(
            f"Line {int(name) + 1} has {len(parts) - 1} tabs: {line[:60]!r}. Expected "
            "two texts separated by a tab."
        )
    first, second = parts
    return {"first": first, "second": second}, TextExample(name, first, second, None)


def _encoding_arguments(lengths: Lengths, dataset: Dataset) -> dict[str, Any]:
    # The first text of a pair may take half the room.
    stride = lengths.stride or lengths.max_length // 4
    return {"labels": dataset.labels, "stride": stride if lengths.in_windows else None}


def _endpoints(
    served: Served, verb: str, api: str, api_outputs: Callable[..., Answers]
) -> dict[str, Endpoint]:
    """The endpoints for texts and pairs, and for TF Serving's API with examples."""
    single = served.endpoint([strings("texts")], lambda text: {"first": text})
    pair = served.endpoint(
        [strings("first"), strings("second")], lambda a, b: {"first": a, "second": b}
    )
    asks = {f"{verb}_texts": single, f"{verb}_pairs": pair}
    # The column of each feature, by the name of the feature.
    names = {"text": "first"}
    if served.task.pairs:
        names = {"first": "first", "second": "second"}
        asks = dict(reversed(asks.items()))

    def parsed(serialized: tf.Tensor) -> dict[str, tf.Tensor]:
        feature = tf.io.FixedLenFeature([], tf.string)
        found = tf.io.parse_example(serialized, dict.fromkeys(names, feature))
        return {column: found[name] for name, column in names.items()}

    of_api = served.endpoint([strings("inputs")], parsed, api_outputs, ("longest",))
    return {**asks, api: of_api}


CLASSIFICATION = Kind(
    name="classification",
    encoding=ClassificationEncoding,
    encoding_arguments=_encoding_arguments,
    model=BertClassifier,
    head_arguments=lambda dataset, start: {"num_outputs": len(dataset.labels or ())},
    objective=lambda model: ClassificationObjective(),
    decode=decode_classes,
    answers=class_tensors,
    read=read_classes,
    columns=_class_columns,
    unanswered=lambda task: dict.fromkeys(
        ("prediction", "probability", "probabilities")
    ),
    measure=_class_metrics,
    endpoints=lambda served: _endpoints(
        served,
        "classify",
        "classify",
        lambda found, _: {"classes": found["labels"], "scores": found["probabilities"]},
    ),
    read_line=_read_line,
    classes=lambda example, answer: ([example.label], [answer.label]),
    has_labels=True,
    balanced_classes=True,
    is_pooled=True,
    compares_texts=True,
)

REGRESSION = Kind(
    name="regression",
    encoding=ClassificationEncoding,
    encoding_arguments=_encoding_arguments,
    model=BertClassifier,
    head_arguments=lambda dataset, start: {"num_outputs": 1},
    objective=lambda model: RegressionObjective(),
    decode=decode_scores,
    answers=score_tensors,
    read=lambda answers, _: [ScoreAnswer(x) for x in answers["score"].numpy().tolist()],
    columns=lambda example, answer, task: {"prediction": answer.score},
    unanswered=lambda task: {"prediction": None},
    measure=lambda examples, answers, task: prediction_scores(
        task.metrics, [e.label for e in examples], [a.score for a in answers]
    ),
    endpoints=lambda served: _endpoints(
        served, "score", "regress", lambda answers, _: {"outputs": answers["score"]}
    ),
    read_line=_read_line,
    is_pooled=True,
    compares_texts=True,
)
