"""The description of a kind of task, with everything that depends on the kind."""

import dataclasses
import operator
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import tensorflow as tf

from bert_tf.models.objective import Objective
from bert_tf.tasks.heads import EncoderWithHead
from data_pipelines.datasets.sources import Dataset, TaskKind
from data_pipelines.datasets.tables import Row

# Decoded outputs or answers, by name.
Tensors = dict[str, tf.Tensor | tf.RaggedTensor]
# The columns of a line, or of a row of a table, that are written beside the answer.
Columns = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Task:
    """The task that a model was fine-tuned for.

    Attributes:
        labels: names of classes or tags, in the order of their ids.
        metrics: names of the dataset's metrics, the most important first.
        threshold: from `Kind.best_threshold`. For span answers: the no-answer score
            above which no answer is given; None: every question gets an answer. For
            corrections: the minimum probability of an edit.
        pairs: whether a classifier was fine-tuned on pairs of texts; None: unknown.
    """

    labels: Sequence[str] | None
    metrics: Sequence[str]
    threshold: float | None = None
    pairs: bool | None = False


@dataclasses.dataclass(frozen=True)
class Lengths:
    """The lengths of sequences and windows.

    Attributes:
        max_length: the maximum number of tokens of a sequence.
        stride: tokens between the starts of the windows of a long text; None: the
            kind's default.
        max_question_length: the maximum number of tokens of a question.
        in_windows: whether long texts are classified window by window.
    """

    max_length: int
    stride: int | None
    max_question_length: int
    in_windows: bool


@dataclasses.dataclass(frozen=True, kw_only=True)
class Kind:
    """A kind of task; fields with a default apply only to some kinds.

    Attributes:
        name: the name of the kind.
        encoding: the class that turns examples into sequences.
        encoding_arguments: returns its arguments, besides the tokenizer and
            `max_length`.
        learned_arguments: returns further arguments, from the training examples.
        model: the class of the model.
        head_arguments: returns its arguments, besides the config, from the dataset and
            the head of the model that is fine-tuned.
        objective: makes the objective, from the model.
        decode: turns outputs and a batch into a dict of tensors; in graph.
        answers: computes the answers of all examples from decoded outputs, the origin
            of the sequences and the encoding; in graph.
        read: turns these answers into plain Python, one for each of the examples.
        columns: returns the plain values that are written beside the columns of an
            example, from the example, its answer and the task.
        measure: computes metrics of examples and their answers, the most important
            first.
        endpoints: returns the endpoints of a `Served` model, the default first.
        unanswered: returns the values of `columns` for an example without an answer.
        read_line: reads an example, and the columns to keep, from its name, a line of
            text and the task.
        read_row: reads an example from the number of a row of a table and the row.
            None: tables are read as in training.
        prepare: turns an example as read into the example to answer, by the encoding.
        label_of: returns the gold label of an example, None if it is unknown.
        recognises: whether a file, whatever its name, has examples of this kind, rather
            than a text on each line.
        classes: returns the gold and the predicted classes of an example.
        best_threshold: returns the best threshold for examples and their answers, those
            of the development set (paper, section 4.3).
        refine: computes the final answers from those of a first pass, a function that
            answers columns of strings, and the threshold (None: all edits are kept, and
            nothing is refined).
        training_examples: returns the examples to train on, from the encoding and the
            original examples.
        join_documents: joins the sentences of a document to one example.
        split_document: splits such an example and its answer into sentences again.
        balanced_classes: whether rare classes can be given more weight.
        is_pooled: whether the head reads the pooler.
        compares_texts: whether the head can compare the texts of pairs.
        default_max_length: the default number of tokens of a sequence.
        foreign_lengths: returns the lengths for a model of a format that does not store
            them, from the maximum length of the model.
        reused_heads: name prefixes of the weights that are reused from a model of the
            same kind, besides those of the encoder.
        has_labels: whether the dataset names classes or tags.
        writes_pieces: whether the head of pre-training predicts pieces to write.
        extra_files: returns further files of an evaluation, JSON values by name, from
            examples, answers and threshold.
    """

    name: TaskKind
    encoding: type
    encoding_arguments: Callable[[Lengths, Dataset], dict[str, Any]]
    model: type[EncoderWithHead]
    head_arguments: Callable[[Dataset, dict[str, Any]], dict[str, Any]]
    objective: Callable[[Any], Objective]
    decode: Callable[[Any, Any], dict[str, Any]]
    answers: Callable[[Any, Any, Any], Any]
    read: Callable[[Any, Sequence[Any]], list[Any]]
    columns: Callable[[Any, Any, Task], Columns]
    unanswered: Callable[[Task], Columns]
    measure: Callable[[Any, Any, Task], dict[str, float]]
    endpoints: Callable[[Any], dict[str, Any]]
    read_line: Callable[[str, str, Task], tuple[Columns, Any]]
    read_row: Callable[[int, Row], Any] | None = None
    recognises: Callable[[str], bool] = lambda path: False
    prepare: Callable[[Any, Any], Any] = lambda encoding, example: example
    label_of: Callable[[Any], Any] = operator.attrgetter("label")
    classes: Callable[[Any, Any], tuple[Iterable[Any], Iterable[Any]]] | None = None
    learned_arguments: Callable[[Sequence[Any]], dict[str, Any]] = lambda _: {}
    best_threshold: Callable[..., float | None] = lambda *_: None
    refine: Callable[[Any, Callable[[Any], Any], float | None], Any] | None = None
    training_examples: Callable[..., Sequence[Any]] = lambda _, examples: examples
    join_documents: Callable[[Iterable[Any]], Iterator[Any]] | None = None
    split_document: Callable[[Any, Any], Iterator[tuple[Any, Any]]] | None = None
    balanced_classes: bool = False
    is_pooled: bool = False
    compares_texts: bool = False
    default_max_length: int = 128
    foreign_lengths: Callable[[int], Lengths] = lambda longest: Lengths(
        min(512, longest), stride=None, max_question_length=0, in_windows=False
    )
    reused_heads: tuple[str, ...] = ()
    writes_pieces: bool = False
    has_labels: bool = False
    extra_files: Callable[..., dict[str, Any]] = lambda *_: {}

    def lengths(
        self,
        max_positions: int,
        max_length: int | None = None,
        stride: int | None = None,
        max_question_length: int = 64,
        in_windows: bool = False,
    ) -> Lengths:
        """The lengths to which texts are cut for a model.

        Args:
            max_length: None: the default of the kind, or the positions of the model if
                these are fewer.
            stride: None: the default of the kind.
            max_question_length, in_windows: see `Lengths`.

        Raises:
            ValueError: sequences would be longer than the model, or too short.
        """
        if max_length is None:
            max_length = min(self.default_max_length, max_positions)
        if not 8 <= max_length <= max_positions:
            raise ValueError(
                f"Received max_length={max_length}. Expected 8 to {max_positions}, the "
                "maximum length of the model."
            )
        return Lengths(max_length, stride, max_question_length, in_windows)

    def arguments_of_encoding(
        self, lengths: Lengths, dataset: Dataset
    ) -> dict[str, Any]:
        """The arguments of the encoding, besides the tokenizer."""
        arguments = self.encoding_arguments(lengths, dataset)
        return {"max_length": lengths.max_length, **arguments}

    def score(
        self, examples: Sequence[Any], answers: Sequence[Any], task: Task
    ) -> dict[str, float]:
        """The metrics of the task, the most important first, and the threshold.

        Raises:
            ValueError: there are no examples, or one has no label.
        """
        if not examples:
            raise ValueError("Received no examples. Expected at least one to score.")
        missing = [e.id for e in examples if self.label_of(e) is None]
        if missing:
            raise ValueError(
                f"{len(missing)} of {len(examples)} examples have no label, such as "
                f"{missing[:3]}. Expected labelled examples: choose a labelled split, "
                "or use bert_tf.predict."
            )
        found = self.measure(examples, answers, task)
        if task.threshold is not None:
            found["threshold"] = task.threshold
        return found

    def is_collapsed(self, examples: Sequence[Any], answers: Sequence[Any]) -> bool:
        """True if one class is predicted for all examples, which have several."""
        if self.classes is None:
            return False
        pairs = [self.classes(*pair) for pair in zip(examples, answers, strict=True)]
        right = {label for labels, _ in pairs for label in labels}
        given = {label for _, labels in pairs for label in labels}
        return len(right) > 1 and len(given) == 1


def split_line(name: str, line: str, expected: str) -> list[str]:
    """Splits a line, whose number is `name`, at its tabs; a blank line has empty parts.

    Raises:
        ValueError: there is no tab; `expected` describes the line.
    """
    if not line.strip():
        return ["", ""]
    parts = line.split("\t")
    if len(parts) < 2:
        raise ValueError(
            f"Line {int(name) + 1} has no tab: {line[:60]!r}. Expected {expected}."
        )
    return parts
