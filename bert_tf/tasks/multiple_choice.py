"""Multiple choice: selects the continuation of a text (paper, section 4.4)."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from bert_tf.metrics.classification import prediction_scores
from bert_tf.models.config import BertConfig
from bert_tf.tasks.classification import (
    BertClassifier,
    ClassificationObjective,
    decode_classes,
)
from bert_tf.tasks.endpoints import Endpoint, Served, strings, truncated
from bert_tf.tasks.kind import Columns, Kind, Task, Tensors, split_line
from data_pipelines.datasets.examples import ChoiceExample
from data_pipelines.finetuning.multiple_choice import MultipleChoiceEncoding
from data_pipelines.rows.features import Features


@keras.saving.register_keras_serializable("bert_tf")
class BertMultipleChoice(BertClassifier):
    """Computes a score for each choice, from `[CLS] text [SEP] choice [SEP]`.

    Output:
        float32 logits (texts, choices).
    """

    own_arguments = ("num_choices",)

    def __init__(self, config: BertConfig, num_choices: int, **kwargs: Any) -> None:
        super().__init__(config, 1, **kwargs)
        self.num_choices = num_choices

    def answer(
        self, encoded: dict[str, Any], inputs: dict[str, Any], training: bool
    ) -> Any:
        """Applies the head."""
        scores = super().answer(encoded, inputs, training)
        return ops.reshape(scores, (-1, self.num_choices))


@dataclasses.dataclass(frozen=True)
class ChoiceAnswer:
    """The index of the best choice, from 0."""

    choice: int
    probabilities: np.ndarray  # float (choices,)


def choice_tensors(
    decoded: Tensors, origin: Features, encoding: MultipleChoiceEncoding
) -> Tensors:
    """Finds the best choice for each text; a row of outputs belongs to one text.

    Returns:
        `choice` int32 (texts,), from 0; `text` string (texts,), the chosen text;
        `probabilities` float32 (texts, choices); `truncated` bool (texts,).
    """
    probabilities = decoded["probabilities"]
    choice = tf.argmax(probabilities, axis=1, output_type=tf.int32)
    return {
        "choice": choice,
        "text": tf.gather(origin["choices"], choice, batch_dims=1),
        "probabilities": probabilities,
        "truncated": truncated(origin),
    }


def read_choices(answers: Tensors, examples: Sequence[Any]) -> list[ChoiceAnswer]:
    """Reads the answers of `choice_tensors`."""
    choices, rows = answers["choice"].numpy(), answers["probabilities"].numpy()
    return [ChoiceAnswer(int(c), row) for c, row in zip(choices, rows, strict=True)]


def _columns(example: ChoiceExample, answer: ChoiceAnswer, task: Task) -> Columns:
    return {
        "prediction": answer.choice,
        "choice": example.choices[answer.choice],
        "probabilities": answer.probabilities.tolist(),
    }


def _metrics(
    examples: Sequence[ChoiceExample], answers: Sequence[ChoiceAnswer], task: Task
) -> dict[str, float]:
    right: list[Any] = [example.label for example in examples]
    given = [answer.choice for answer in answers]
    num_classes = len(examples[0].choices)
    return prediction_scores(task.metrics, right, given, num_classes=num_classes)


def _read_line(name: str, line: str, task: Task) -> tuple[Columns, ChoiceExample]:
    expected = "a text and its choices, separated by tabs"
    text, *choices = split_line(name, line, expected)
    return {"text": text}, ChoiceExample(name, text, tuple(choices), None)


def _endpoints(served: Served) -> dict[str, Endpoint]:
    shape = [None, served.encoding.group_size]
    inputs = [strings("texts"), tf.TensorSpec(shape, tf.string, name="choices")]
    ask = served.endpoint(inputs, lambda text, c: {"first": text, "choices": c})
    return {"choose": ask}


MULTIPLE_CHOICE = Kind(
    name="multiple_choice",
    encoding=MultipleChoiceEncoding,
    encoding_arguments=lambda lengths, dataset: {"group_size": dataset.num_choices},
    model=BertMultipleChoice,
    head_arguments=lambda dataset, start: {"num_choices": dataset.num_choices},
    objective=lambda model: ClassificationObjective(model.num_choices),
    decode=decode_classes,
    answers=choice_tensors,
    read=read_choices,
    columns=_columns,
    unanswered=lambda task: dict.fromkeys(("prediction", "choice", "probabilities")),
    measure=_metrics,
    endpoints=_endpoints,
    read_line=_read_line,
    classes=lambda example, answer: ([example.label], [answer.choice]),
    is_pooled=True,
)
