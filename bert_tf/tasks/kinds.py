"""The kinds of tasks that a model can be fine-tuned for, in one table.

Each kind is a data side (`data_pipelines.finetuning`: examples to sequences) and a
model side (`bert_tf.tasks`: model, objective, decoding in graph, answers).
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

from bert_tf.models.objective import Objective
from bert_tf.tasks import (
    answers,
    classification,
    correction,
    edits,
    multiple_choice,
    span_qa,
    token_tagging,
)
from bert_tf.tasks.heads import EncoderWithHead
from data_pipelines.finetuning.classification import ClassificationEncoding
from data_pipelines.finetuning.correction import CorrectionEncoding
from data_pipelines.finetuning.multiple_choice import MultipleChoiceEncoding
from data_pipelines.finetuning.span_qa import SpanQAEncoding
from data_pipelines.finetuning.token_tagging import TokenTaggingEncoding


@dataclasses.dataclass(frozen=True)
class Kind:
    """What a kind of task is made of.

    Attributes:
        encoding: class of the data side.
        model: class of the model.
        objective: from the model and the weights of the classes (or None).
        decode: from outputs and a batch to a dict of tensors; in graph.
        answers: from decoded outputs, their origin and the encoding to the answers of
            all examples; in graph.
        read: from these answers and the examples to one `Answer` for each.
        passes: from the answers of a first pass, what answers texts again, and the
            threshold of the model, to those that are read; None: there is one pass.
    """

    encoding: type
    model: type[EncoderWithHead]
    objective: Callable[[Any, Sequence[float] | None], Objective]
    decode: Callable[[Any, Any], dict[str, Any]]
    answers: Callable[[Any, Any, Any], Any]
    read: Callable[[Any, Any], list[Any]]
    passes: Callable[[Any, Callable[[Any], Any], float | None], Any] | None = None


KINDS = {
    "classification": Kind(
        ClassificationEncoding,
        classification.BertClassifier,
        lambda model, weights: classification.ClassificationObjective(weights),
        classification.decode_classes,
        answers.class_tensors,
        answers.read_classes,
    ),
    "regression": Kind(
        ClassificationEncoding,
        classification.BertClassifier,
        lambda model, weights: classification.RegressionObjective(),
        classification.decode_scores,
        answers.score_tensors,
        answers.read_scores,
    ),
    "token_tagging": Kind(
        TokenTaggingEncoding,
        token_tagging.BertTagger,
        lambda model, weights: token_tagging.TokenTaggingObjective(),
        token_tagging.decode_tags,
        answers.tag_tensors,
        answers.read_tags,
    ),
    "span_qa": Kind(
        SpanQAEncoding,
        span_qa.BertSpanQA,
        lambda model, weights: span_qa.SpanQAObjective(),
        span_qa.decode_spans,
        answers.span_tensors,
        answers.read_spans,
    ),
    "multiple_choice": Kind(
        MultipleChoiceEncoding,
        multiple_choice.BertMultipleChoice,
        lambda model, weights: multiple_choice.MultipleChoiceObjective(
            model.num_choices
        ),
        classification.decode_classes,
        answers.choice_tensors,
        answers.read_choices,
    ),
    "correction": Kind(
        CorrectionEncoding,
        correction.BertCorrector,
        lambda model, weights: correction.CorrectionObjective(),
        correction.decode_edits,
        answers.piece_edits,
        answers.read_corrections,
        edits.in_passes,
    ),
}
