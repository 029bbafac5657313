"""A user's own files as a dataset."""

import dataclasses
import itertools
from collections.abc import Sequence
from typing import get_args

from data_pipelines.datasets.conll import UPOS_COLUMN, ConllFile
from data_pipelines.datasets.correction import CorrectionTable
from data_pipelines.datasets.multiple_choice import ChoiceTable
from data_pipelines.datasets.read_log import ReadLog
from data_pipelines.datasets.sources import (
    Dataset,
    Files,
    Kind,
    Reader,
    Reading,
    Split,
)
from data_pipelines.datasets.squad import SquadJson
from data_pipelines.datasets.tagging_schemes import are_entities
from data_pipelines.datasets.text_files import existing
from data_pipelines.datasets.text_tables import TextTable

_METRICS: dict[Kind, tuple[str, ...]] = {
    "classification": ("accuracy",),
    "regression": ("spearman", "pearson"),
    "token_tagging": ("accuracy",),
    "span_qa": ("f1", "exact"),
    "multiple_choice": ("accuracy",),
    "correction": ("edit_f05",),
}
# Enough to meet an entity, little enough to read twice.
_MAX_SENTENCES_TO_DETECT = 10_000


def from_files(
    kind: Kind,
    *,
    train_file: str | None = None,
    dev_file: str | None = None,
    test_file: str | None = None,
    first_column: str = "text",
    second_column: str | None = None,
    label_column: str = "label",
    id_column: str | None = None,
    choice_columns: Sequence[str] = (),
    column_names: Sequence[str] = (),
    tag_column: int | None = None,
    corrected_column: str = "corrected",
    entity_tags: bool | None = None,
    labels: Sequence[str] | None = None,
) -> Dataset:
    """Files of any kind as a dataset, named "files".

    Tables (classification, regression, multiple choice, correction) are as
    `tables.read_rows` takes them, tagged sentences as `ConllFile` does, questions are
    in SQuAD's JSON.

    Args:
        kind: what is asked about the examples.
        train_file, dev_file, test_file: at least one. Labels of a test are read if
            they are there.
        first_column: of the text, the first of a pair, or what choices follow.
        second_column: of the second text of a pair; of a text that stands before each
            choice.
        label_column: of the class, the score, or the number of the right choice from 0.
        id_column: None: rows are numbered from 0.
        choice_columns: at least two, for multiple choice.
        column_names: all names, if the first line of the tables is no header.
        tag_column: from 0, or from the end with -1. None: the last one; UPOS in files
            that end in `.conllu`.
        corrected_column: of the corrected text.
        entity_tags: tags are those of entities (BIO, BIOES, …), which become IOB2 and
            are evaluated as entities. None: found in `labels` or in the first file.
        labels: names of classes or tags in the order of their ids. None: those that
            the training data has.

    Raises:
        FileNotFoundError: the tags have to be looked at, and the file is not there.
        ValueError: the kind is unknown, or files or choices are missing.
    """
    if kind not in get_args(Kind):
        raise ValueError(
            f"Received kind={kind!r}. Expected one of {list(get_args(Kind))}."
        )
    files = {"train": train_file, "dev": dev_file, "test": test_file}
    given = {split: path for split, path in files.items() if path is not None}
    if not given:
        raise ValueError(
            "Received no files. Expected a train_file, dev_file or test_file."
        )
    reader: Reader
    metrics = _METRICS[kind]
    if kind == "multiple_choice":
        reader = _choice_table(
            choice_columns, first_column, second_column, label_column, id_column
        )
    elif kind == "token_tagging":
        first_file = next(iter(given.values()))
        reader = _conll_file(first_file, tag_column, entity_tags, labels)
        metrics = ("entity_f1", "accuracy") if reader.are_entities else metrics
    elif kind == "span_qa":
        reader = SquadJson()
    elif kind == "correction":
        ids = (id_column,) if id_column is not None else ()
        reader = CorrectionTable(first_column, corrected_column, ids)
    else:
        reader = TextTable(
            first=(first_column,),
            second=(second_column,) if second_column is not None else (),
            label=(label_column,),
            id=(id_column,) if id_column is not None else (),
            is_score=kind == "regression",
        )
    names = tuple(column_names) or None
    return Dataset(
        name="files",
        kind=kind,
        labels=tuple(labels) if labels is not None else None,
        metrics=metrics,
        splits={s: Split((Files((path,), names),)) for s, path in given.items()},
        reader=reader,
        num_choices=len(choice_columns) if kind == "multiple_choice" else None,
    )


def _choice_table(
    choices: Sequence[str], first: str, stem: str | None, label: str, id: str | None
) -> ChoiceTable:
    if len(choices) < 2:
        raise ValueError(
            f"Received choice_columns={list(choices)}. Expected at least two names of "
            "columns, those of the choices."
        )
    ids = (id,) if id is not None else ()
    return ChoiceTable(first, tuple(choices), stem, label, ids)


def _conll_file(
    path: str,
    tag_column: int | None,
    entity_tags: bool | None,
    labels: Sequence[str] | None,
) -> ConllFile:
    if tag_column is None:
        is_conllu = path.lower().removesuffix(".gz").endswith(".conllu")
        tag_column = UPOS_COLUMN if is_conllu else -1
    file = ConllFile(tag_column, are_entities=False)
    if entity_tags is None:
        entity_tags = are_entities(_tags_of(file, path) if labels is None else labels)
    return dataclasses.replace(file, are_entities=entity_tags)


def _tags_of(file: ConllFile, path: str) -> set[str]:
    reading = Reading("test", None, ReadLog("tags"))
    sentences = file.read_files([existing(path) or path], Files((path,)), reading)
    some = itertools.islice(sentences, _MAX_SENTENCES_TO_DETECT)
    return {tag for sentence in some for tag in sentence.tags or ()}
