"""All datasets by name; `from_files` creates one from a user's own files."""

import contextlib
import difflib
from collections.abc import Iterator
from typing import Any

from data_pipelines.datasets import conll, glue, multiple_choice
from data_pipelines.datasets.conll import ConllFile
from data_pipelines.datasets.correction import ParallelLines, SighanFiles
from data_pipelines.datasets.examples import Example
from data_pipelines.datasets.multiple_choice import ChoiceTable
from data_pipelines.datasets.own_files import ColumnOptions as ColumnOptions
from data_pipelines.datasets.own_files import from_files as from_files
from data_pipelines.datasets.read_log import ReadLog
from data_pipelines.datasets.sources import (
    Dataset,
    Files,
    Part,
    Reading,
    Split,
    find_files,
    load_tfds,
    role_of,
    split_of,
)
from data_pipelines.datasets.squad import SquadJson
from data_pipelines.datasets.table_reader import TableReader
from data_pipelines.datasets.tagged_reader import TaggedReader
from data_pipelines.datasets.text_tables import TextTable
from data_pipelines.files.tfds_files import prepared_files

_SPLITS = ("train", "dev", "test")
_FIFTHS = {"train": Part((0, 1, 2), 5), "dev": Part((3,), 5), "test": Part((4,), 5)}
_NEWS = (
    *("finance", "realty", "stocks", "education", "science", "society", "politics"),
    *("sports", "game", "entertainment"),
)
_SIGHAN_TRAIN = (
    "sighan-train/TrainingInputAll.txt",
    "sighan-train/TrainingTruthAll.txt",
)


def _squad(name: str, splits: dict[str, Split]) -> Dataset:
    return Dataset(
        name=f"squad/{name}",
        kind="span_qa",
        metrics=("f1", "exact"),
        splits=splits,
        reader=SquadJson(),
        folders=("squad", ""),
    )


def _whole_squad(version: str) -> Dataset:
    return _squad(
        version,
        {
            split: split_of(f"{split}-{version}.json", tfds=f"squad/{version}:{tfds}")
            for split, tfds in (("train", "train"), ("dev", "validation"))
        },
    )


def _choices(
    name: str, reader: ChoiceTable, folders: tuple[str, ...], splits: dict[str, Split]
) -> Dataset:
    return Dataset(
        name=name,
        kind="multiple_choice",
        metrics=("accuracy",),
        splits=splits,
        reader=reader,
        folders=folders,
        num_choices=len(reader.choices),
    )


def _jfleg(name: str) -> Files:
    return Files((f"{name}.src", *(f"{name}.ref{number}" for number in range(4))))


# Tasks of the paper (tables 1 to 4 and 7), others of the same kinds, and Chinese ones.
_ALL = (
    *glue.TASKS,
    _whole_squad("v1.1"),
    _whole_squad("v2.0"),
    # Half of the development set of 2.0: 12 articles for training, 4 for development.
    _squad(
        "v2.0_half",
        {
            split: split_of(Files(("squad-v2.0-half-dev.json",), part=Part(takes, 4)))
            for split, takes in (("train", (1, 2, 3)), ("dev", (0,)))
        },
    ),
    Dataset(
        name="conll2003",
        kind="token_tagging",
        labels=conll.NER_TAGS,
        metrics=("entity_f1", "accuracy"),
        splits=conll.CONLL2003_SPLITS,
        reader=ConllFile(tfds_feature="ner"),
        folders=("conll2003", ""),
    ),
    Dataset(
        name="conll2003/pos",
        kind="token_tagging",
        labels=conll.POS_TAGS,
        metrics=("accuracy",),
        splits=conll.CONLL2003_SPLITS,
        reader=ConllFile(tag_column=1, scheme=None, tfds_feature="pos"),
        folders=("conll2003", ""),
    ),
    Dataset(
        name="ud_ewt",
        kind="token_tagging",
        labels=conll.UPOS_TAGS,
        metrics=("accuracy",),
        splits={
            split: split_of(
                f"{split}.conllu",
                f"en_ewt-ud-{split}.conllu",
                tfds=f"universal_dependencies/en_ewt:{split}",
            )
            for split in _SPLITS
        },
        reader=ConllFile(tag_column="UPOS", scheme=None, tfds_feature="upos"),
        folders=("ud_ewt", "UD_English-EWT", ""),
    ),
    _choices(
        "swag",
        multiple_choice.SWAG,
        ("multiple_choice/swag", "swag", ""),
        {
            "train": split_of("train.csv"),
            "dev": split_of("val.csv"),
            "test": split_of("test.csv"),
        },
    ),
    # The paper uses five-fold cross-validation on the single file; this is one fold.
    _choices(
        "codah",
        multiple_choice.CODAH,
        ("multiple_choice", "codah", ""),
        {
            split: split_of(Files(("codah.tsv",), multiple_choice.CODAH_COLUMNS, part))
            for split, part in _FIFTHS.items()
        },
    ),
    _choices(
        "cosmos_qa",
        multiple_choice.COSMOS_QA,
        ("multiple_choice/cosmos_qa", "cosmos_qa", "multiple_choice", ""),
        {
            "train": split_of("train.csv", tfds="cosmos_qa:train"),
            "dev": split_of(
                "valid.csv", "cosmosqa-valid.csv", tfds="cosmos_qa:validation"
            ),
            "test": split_of("test.jsonl", tfds="cosmos_qa:test"),
        },
    ),
    Dataset(
        name="chnsenticorp",
        kind="classification",
        labels=glue.BINARY,
        metrics=("accuracy",),
        splits={split: split_of(f"{split}.tsv") for split in _SPLITS},
        reader=TextTable(first=("text_a",), id=("qid",)),
        folders=("chinese/chnsenticorp", "chnsenticorp", ""),
    ),
    # Training data of the three bake-offs, and the test set of the last (Tseng et al.
    # 2015). A tenth of the training data is the development set.
    Dataset(
        name="sighan15",
        kind="correction",
        metrics=("correction_f1", "detection_f1", "false_positive_rate"),
        splits={
            "train": split_of(Files(_SIGHAN_TRAIN, part=Part(tuple(range(1, 10)), 10))),
            "dev": split_of(Files(_SIGHAN_TRAIN, part=Part((0,), 10))),
            "test": split_of(
                Files(("sighan15/TestInput.txt", "sighan15/TestTruth.txt"))
            ),
        },
        reader=SighanFiles(),
        folders=("chinese", "sighan", ""),
    ),
    # Four corrections per sentence (Napoles et al. 2017), and no training set.
    Dataset(
        name="jfleg",
        kind="correction",
        metrics=("edit_f05",),
        splits={
            split: split_of(_jfleg(split), _jfleg(f"{split}/{split}"))
            for split in ("dev", "test")
        },
        reader=ParallelLines(),
        folders=("jfleg", ""),
    ),
    # Titles; the labels in the file are indices of the class names.
    Dataset(
        name="thucnews",
        kind="classification",
        labels=_NEWS,
        metrics=("accuracy",),
        splits={
            split: split_of(Files(("dev.txt",), ("title", "label"), part))
            for split, part in _FIFTHS.items()
        },
        reader=TextTable(first=("title",), label_is_id=True),
        folders=("chinese/thucnews", "thucnews", ""),
    ),
)
DATASETS: dict[str, Dataset] = {dataset.name: dataset for dataset in _ALL}


def find(name: str) -> Dataset:
    """Returns the dataset with a name.

    Raises:
        ValueError: there is no such dataset.
    """
    if name not in DATASETS:
        near = difflib.get_close_matches(name.lower(), DATASETS, n=3, cutoff=0.4)
        hint = f" (perhaps {' or '.join(map(repr, near))})" if near else ""
        raise ValueError(
            f"Received the dataset {name!r}. Expected one of {list(DATASETS)}{hint}, "
            "or files of your own."
        )
    return DATASETS[name]


def files_of(dataset: Dataset, split: str, data_dir: str | None) -> list[str]:
    """Returns the existing files that `read` reads for the same arguments."""
    tfds = dataset.split(split).tfds
    if data_dir is None and tfds is not None:
        return prepared_files(tfds)
    with contextlib.suppress(FileNotFoundError, ValueError):
        return list(find_files(dataset, split, data_dir).paths)
    return []


def read(
    dataset: Dataset, split: str, data_dir: str | None, log: ReadLog
) -> Iterator[Example]:
    """Reads the examples of one split lazily.

    Args:
        dataset: from `find` or `from_files`.
        split: one of `dataset.splits`.
        data_dir: the folder that contains `glue/`, `squad/` and so on, or the folder of
            the dataset itself. None: TFDS, or a user's own files.
        log: counts the examples read, used and skipped; complete after the last one.

    Raises:
        FileNotFoundError: the split is not in the folder.
        OSError: TFDS cannot provide the split.
        ValueError: there is no such split, or the files are malformed.
    """
    rows = read_with_columns(dataset, split, data_dir, log)
    return (example for _, example in rows)


def read_with_columns(
    dataset: Dataset, split: str, data_dir: str | None, log: ReadLog
) -> Iterator[tuple[dict[str, Any], Example]]:
    """Reads examples like `read`, each with the unchanged columns of its row.

    Only examples from local CSV, TSV or JSON files have columns.
    """
    reading = Reading(role_of(split), dataset.labels, log)
    tfds = dataset.split(split).tfds
    reader: Any = dataset.reader  # Every dataset with splits has one.
    if data_dir is None and tfds is not None:
        examples = reader.read_tfds(load_tfds(tfds), reading)
    else:
        files = find_files(dataset, split, data_dir)
        if files.note is not None:
            log.note(files.note)
        if isinstance(reader, TableReader | TaggedReader):
            return reader.read_rows(files, reading)
        examples = reader.read_files(files, reading)
    return (({}, example) for example in examples)
