"""A kind of task that a model can be fine-tuned for: everything that depends on it."""

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
# The columns of a line or row of a table that are kept beside the answer.
Columns = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Task:
    """The task that a model was fine-tuned for.

    Attributes:
        labels: names of classes or tags, in the order of their ids.
        metrics: names of the dataset's metrics, the most important first.
        threshold: from `Kind.best_threshold`. Of span answers: the no-answer score
            above which there is no answer; None: every question is given one. Of
            corrections: the least probability of an edit.
        pairs: whether a classifier was fine-tuned on pairs of texts; None: unknown.
    """

    labels: Sequence[str] | None
    metrics: Sequence[str]
    threshold: float | None = None
    pairs: bool | None = False


@dataclasses.dataclass(frozen=True)
class Lengths:
    """The lengths to which texts are cut.

    Attributes:
        max_length: tokens of the longest sequence.
        stride: tokens between the windows of a long text; None: the kind's default.
        in_windows: whether long texts are classified window by window.
    """

    max_length: int
    stride: int | None
    max_question_length: int
    in_windows: bool


@dataclasses.dataclass(frozen=True, kw_only=True)
class Kind:
    """A kind of task; the fields with a default are for some kinds.

    Attributes:
        encoding: class of the data side, examples to sequences.
        encoding_arguments: its arguments, besides the tokenizer and `max_length`.
        learned_arguments: other arguments, which the training examples tell.
        head_arguments: its arguments, besides the config, from the dataset and the head
            of the model that is fine-tuned.
        objective: from the model.
        decode: from outputs and a batch to a dict of tensors; in graph.
        answers: from decoded outputs, their origin and the encoding to the answers of
            all examples; in graph.
        read: from these answers and the examples to an answer for each, plain Python.
        columns: from an example, its answer and the task to the plain values that are
            written beside the columns of the example.
        measure: from examples, their answers and the task to metrics, the most
            important first.
        endpoints: the ways to ask a `Served` model, the default first.
        unanswered: the values of `columns` for an example without an answer.
        read_line: from the name of an example, a line of text and the task to the
            columns that are kept and the example.
        read_row: from the number of a row of a table and the row to an example. None:
            tables are read as in training.
        prepare: from the encoding and an example as it was read to the example that is
            answered.
        label_of: what the example is compared with, None where it is not known.
        recognises: whether a file, whatever its name, has examples of this kind, and
            not a text on each line.
        classes: from an example and its answer to the right classes and the given ones.
        best_threshold: the threshold that is best for examples with these answers, to
            be found on the development set (paper, section 4.3).
        refine: from answers of a first pass, a function from columns of strings to
            answers, and the threshold (None: all is shown, and nothing refined) to
            the answers that are read.
        training_examples: from the encoding and examples to those that are trained on.
        join_documents: sentences with those of the same document as one example.
        split_document: such an example and its answer to the sentences with theirs.
        balanced_classes: whether rare classes can be given more weight.
        is_pooled: whether the head reads the pooler.
        default_max_length: tokens of a sequence.
        foreign_lengths: from the most tokens of a model to the lengths to which texts
            are cut where it comes in a format that does not hold them.
        reused_heads: prefixes of the names of weights that a model of the same kind
            hands on, besides those of the encoder.
        has_labels: whether the dataset names classes or tags.
        writes_pieces: whether the head of pre-training writes pieces of the vocabulary.
        extra_files: from examples, answers and threshold to files that an evaluation
            writes, by name: values for JSON.
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
        """The lengths to which texts are cut for a model with so many positions.

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
                "positions of the model."
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
            raise ValueError("Received no examples. Expected some to be scored on.")
        missing = [e.id for e in examples if self.label_of(e) is None]
        if missing:
            raise ValueError(
                f"{len(missing)} of {len(examples)} examples have no label, such as "
                f"{missing[:3]}. Expected labels to compare with: choose a split that "
                "has them, or predict instead."
            )
        found = self.measure(examples, answers, task)
        if task.threshold is not None:
            found["threshold"] = task.threshold
        return found

    def is_collapsed(self, examples: Sequence[Any], answers: Sequence[Any]) -> bool:
        """True if all examples are given one class although they are of several."""
        if self.classes is None:
            return False
        pairs = [self.classes(*pair) for pair in zip(examples, answers, strict=True)]
        right = {label for labels, _ in pairs for label in labels}
        given = {label for _, labels in pairs for label in labels}
        return len(right) > 1 and len(given) == 1


def split_line(name: str, line: str, expected: str) -> list[str]:
    """The parts of a line, whose number is its name, between its tabs.

    Those of a blank line are empty.

    Raises:
        ValueError: there is no tab where there should be what is `expected`.
    """
    if not line.strip():
        return ["", ""]
    parts = line.split("\t")
    if len(parts) < 2:
        raise ValueError(
            f"Line {int(name) + 1} has no tab: {line[:60]!r}. Expected {expected}."
        )
    return parts
