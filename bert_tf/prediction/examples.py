"""What `predict` is asked: lines, tables, CoNLL files, SQuAD's JSON, or a dataset."""

import sys
from collections.abc import Iterable, Iterator
from typing import Any

import tensorflow as tf

from bert_tf.checkpoints.model_dir import Description
from bert_tf.tasks.data_options import DataOptions, own_files
from data_pipelines.datasets import catalog, tables, text_files
from data_pipelines.datasets.examples import (
    ChoiceExample,
    CorrectionExample,
    Question,
    TaggedSentence,
    TextExample,
)
from data_pipelines.datasets.read_log import ReadLog
from data_pipelines.tokenizers.words import split_words

# Examples, each with the columns that are kept beside its answer.
Examples = Iterable[tuple[dict[str, Any], Any]]

_TABLES = (".csv", ".tsv", ".jsonl")


def examples_of(
    options: DataOptions, description: Description, input_file: str | None, split: str
) -> tuple[Examples, ReadLog]:
    """The examples to answer, read as they are asked for.

    Args:
        options: `dataset` and `data_dir`, or the columns of the file.
        description: of the model.
        input_file: a table, lines (any other ending), a CoNLL file (`.conll`,
            `.conllu`, `.iob`, `.bio`), questions (`.json`); None: lines of standard
            input.
        split: of the dataset.

    Returns:
        The examples, and what was read, which is complete after the last.

    Raises:
        ValueError: the dataset, or the file, is of another kind than the model.
    """
    log = ReadLog(split if options.dataset else input_file or "standard input")
    kind = description.kind
    if options.dataset is not None:
        dataset = catalog.find(options.dataset)
        if dataset.kind != kind:
            raise ValueError(
                f"The model is of the kind {kind}, the dataset {dataset.name} of the "
                f"kind {dataset.kind}. Expected the same."
            )
        examples = catalog.read(dataset, split, options.data_dir, log)
        return (({"id": example.id}, example) for example in examples), log
    name = (input_file or "").lower().removesuffix(".gz")
    if name.endswith(_TABLES):
        if kind == "span_qa":
            return _questions(str(input_file), log), log
        if kind == "token_tagging":
            return _sentences_of_table(str(input_file), options.first_column, log), log
    elif not name.endswith((".json", ".conll", ".conllu", ".iob", ".bio")):
        return _lines(kind, input_file, log), log
    dataset = own_files(
        options,
        kind,  # type: ignore[arg-type]
        description.labels,
        test_file=input_file,
    )
    rows = catalog.read_with_columns(dataset, "test", None, log)
    return ((row or {"id": example.id}, example) for row, example in rows), log


def words_of_line(line: str) -> tuple[str, ...]:
    """The words of running text, as a served model cuts it."""
    words, _, _ = _split(tf.constant([line]))
    return tuple(word.decode("utf-8", "replace") for word in words.values.numpy())


_split = tf.function(split_words, input_signature=[tf.TensorSpec([None], tf.string)])


def _lines(kind: str, path: str | None, log: ReadLog) -> Iterator[tuple[dict, Any]]:
    if path is None:
        lines: Iterable[str] = (
            line.decode("utf-8", "replace") for line in sys.stdin.buffer
        )
    else:
        lines = text_files.read_lines(path)
    for number, line in enumerate(lines):
        line = line.rstrip("\r\n")
        if not line.strip():
            log.skip("empty line", f"line {number + 1}")
            continue
        parts = line.split("\t")
        if kind in ("span_qa", "multiple_choice") and len(parts) < 2:
            expected = "a question, a tab and its context"
            if kind == "multiple_choice":
                expected = "a text and its choices, with tabs between them"
            raise ValueError(
                f"Line {number + 1} has no tab: {line[:60]!r}. Expected {expected}."
            )
        log.use()
        yield from _example_of_line(kind, str(number), line, parts)


def _example_of_line(
    kind: str, name: str, line: str, parts: list[str]
) -> Iterator[tuple[dict, Any]]:
    if kind == "token_tagging":
        yield {}, TaggedSentence(name, words_of_line(line), None, int(name))
    elif kind == "span_qa":
        row = {"question": parts[0], "context": "\t".join(parts[1:])}
        yield row, Question(name, "", row["question"], row["context"], (), False)
    elif kind == "multiple_choice":
        row = {"text": parts[0]}
        yield row, ChoiceExample(name, parts[0], tuple(parts[1:]), None)
    elif kind == "correction":
        yield {"text": line}, CorrectionExample(name, line, ())
    elif len(parts) == 2:
        row = {"first": parts[0], "second": parts[1]}
        yield row, TextExample(name, parts[0], parts[1], None)
    else:
        yield {"text": line}, TextExample(name, line, None, None)


def _questions(path: str, log: ReadLog) -> Iterator[tuple[dict, Question]]:
    for number, row in enumerate(tables.read_rows(path)):
        question, context = row.value("question"), row.value("context")
        if not question.strip() or not context.strip():
            log.skip("empty question or context", row.place)
            continue
        log.use()
        name = row.get("id") or str(number)
        yield row.values, Question(name, "", question, context, (), False)


def _sentences_of_table(
    path: str, column: str, log: ReadLog
) -> Iterator[tuple[dict, TaggedSentence]]:
    for number, row in enumerate(tables.read_rows(path)):
        words = tuple(row.value(column).split())
        if not words:
            log.skip("empty text", row.place)
            continue
        log.use()
        yield row.values, TaggedSentence(str(number), words, None, number)
