"""All datasets by name; `from_files` makes one of a user's own files."""

import difflib
from collections.abc import Iterator

from data_pipelines.datasets import conll, glue, multiple_choice
from data_pipelines.datasets.conll import ConllFile
from data_pipelines.datasets.correction import (
    CorrectionTable,
    ParallelLines,
    SighanFiles,
)
from data_pipelines.datasets.examples import Example
from data_pipelines.datasets.multiple_choice import ChoiceTable
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
)
from data_pipelines.datasets.squad import SquadJson
from data_pipelines.datasets.text_tables import TextTable

_NEWS = (
    *("finance", "realty", "stocks", "education", "science", "society", "politics"),
    *("sports", "game", "entertainment"),
)
_FIFTHS = {"train": Part((0, 1, 2), 5), "dev": Part((3,), 5), "test": Part((4,), 5)}

_SIGHAN_TRAIN = (
    "sighan-train/TrainingInputAll.txt",
    "sighan-train/TrainingTruthAll.txt",
)


def _jfleg_files(name: str) -> Files:
    return Files((f"{name}.src", *(f"{name}.ref{number}" for number in range(4))))


# The tasks of the paper (tables 1 to 4 and 7), others of their kinds, and Chinese ones.
# The first metrics of GLUE are those of the paper's table 1, but for MRPC and QQP: by
# F1, a model that calls all pairs paraphrases would often be the best checkpoint.
DATASETS: dict[str, Dataset] = {
    "glue/cola": glue.task(
        "glue/cola", "CoLA", glue.SINGLE, glue.BINARY, ("matthews", "accuracy")
    ),
    "glue/sst2": glue.task("glue/sst2", "SST-2", glue.SINGLE, glue.BINARY),
    "glue/mrpc": glue.task(
        "glue/mrpc", "MRPC", glue.MRPC, glue.BINARY, ("accuracy", "f1")
    ),
    "glue/stsb": Dataset(
        name="glue/stsb",
        kind="regression",
        labels=None,
        metrics=("spearman", "pearson"),
        splits=glue.SPLITS["glue/stsb"],
        reader=glue.STSB,
        folders=("glue/STS-B", "STS-B", ""),
    ),
    "glue/qqp": glue.task("glue/qqp", "QQP", glue.QQP, glue.BINARY, ("accuracy", "f1")),
    # Splits dev and test match the training data, dev_mismatched and test_mismatched
    # do not.
    "glue/mnli": glue.task("glue/mnli", "MNLI", glue.MNLI, glue.INFERENCE),
    "glue/qnli": glue.task("glue/qnli", "QNLI", glue.QNLI, glue.ENTAILMENT),
    "glue/rte": glue.task("glue/rte", "RTE", glue.PAIR, glue.ENTAILMENT),
    "glue/wnli": glue.task("glue/wnli", "WNLI", glue.PAIR, glue.BINARY),
    # A test alone, of models that were trained on MNLI.
    "glue/ax": Dataset(
        name="glue/ax",
        kind="classification",
        labels=glue.INFERENCE,
        metrics=("matthews",),
        splits=glue.SPLITS["glue/ax"],
        reader=glue.MNLI,
        folders=("glue/AX", "AX", "glue/diagnostic", "diagnostic", "glue", ""),
    ),
    "squad/v1.1": Dataset(
        name="squad/v1.1",
        kind="span_qa",
        labels=None,
        metrics=("f1", "exact"),
        splits={
            "train": Split((Files(("train-v1.1.json",)),), "squad/v1.1:train"),
            "dev": Split((Files(("dev-v1.1.json",)),), "squad/v1.1:validation"),
        },
        reader=SquadJson(),
        folders=("squad", ""),
    ),
    "squad/v2.0": Dataset(
        name="squad/v2.0",
        kind="span_qa",
        labels=None,
        metrics=("f1", "exact"),
        splits={
            "train": Split((Files(("train-v2.0.json",)),), "squad/v2.0:train"),
            "dev": Split((Files(("dev-v2.0.json",)),), "squad/v2.0:validation"),
        },
        reader=SquadJson(),
        folders=("squad", ""),
    ),
    # Half of the development set of 2.0: 12 articles to train on, 4 to check with.
    "squad/v2.0_half": Dataset(
        name="squad/v2.0_half",
        kind="span_qa",
        labels=None,
        metrics=("f1", "exact"),
        splits={
            split: Split((Files(("squad-v2.0-half-dev.json",), part=Part(takes, 4)),))
            for split, takes in (("train", (1, 2, 3)), ("dev", (0,)))
        },
        reader=SquadJson(),
        folders=("squad", ""),
    ),
    "conll2003": Dataset(
        name="conll2003",
        kind="token_tagging",
        labels=conll.NER_TAGS,
        metrics=("entity_f1", "accuracy"),
        splits=conll.CONLL2003_SPLITS,
        reader=ConllFile(tfds_feature="ner"),
        folders=("conll2003", ""),
    ),
    "conll2003/pos": Dataset(
        name="conll2003/pos",
        kind="token_tagging",
        labels=conll.POS_TAGS,
        metrics=("accuracy",),
        splits=conll.CONLL2003_SPLITS,
        reader=ConllFile(tag_column=1, are_entities=False, tfds_feature="pos"),
        folders=("conll2003", ""),
    ),
    "ud_ewt": Dataset(
        name="ud_ewt",
        kind="token_tagging",
        labels=conll.UPOS_TAGS,
        metrics=("accuracy",),
        splits={
            split: Split(
                (Files((f"{split}.conllu",)), Files((f"en_ewt-ud-{split}.conllu",))),
                f"universal_dependencies/en_ewt:{split}",
            )
            for split in ("train", "dev", "test")
        },
        reader=ConllFile(conll.UPOS_COLUMN, are_entities=False, tfds_feature="upos"),
        folders=("ud_ewt", "UD_English-EWT", ""),
    ),
    "swag": Dataset(
        name="swag",
        kind="multiple_choice",
        labels=None,
        metrics=("accuracy",),
        splits={
            "train": Split((Files(("train.csv",)),)),
            "dev": Split((Files(("val.csv",)),)),
            "test": Split((Files(("test.csv",)),)),
        },
        reader=multiple_choice.SWAG,
        folders=("multiple_choice/swag", "swag", ""),
        num_choices=4,
    ),
    # Its paper folds the one file five times; this is one such division.
    "codah": Dataset(
        name="codah",
        kind="multiple_choice",
        labels=None,
        metrics=("accuracy",),
        splits={
            split: Split((Files(("codah.tsv",), multiple_choice.CODAH_COLUMNS, part),))
            for split, part in _FIFTHS.items()
        },
        reader=multiple_choice.CODAH,
        folders=("multiple_choice", "codah", ""),
        num_choices=4,
    ),
    "cosmos_qa": Dataset(
        name="cosmos_qa",
        kind="multiple_choice",
        labels=None,
        metrics=("accuracy",),
        splits={
            "train": Split((Files(("train.csv",)),), "cosmos_qa:train"),
            "dev": Split(
                (Files(("valid.csv",)), Files(("cosmosqa-valid.csv",))),
                "cosmos_qa:validation",
            ),
            "test": Split((Files(("test.jsonl",)),), "cosmos_qa:test"),
        },
        reader=multiple_choice.COSMOS_QA,
        folders=("multiple_choice/cosmos_qa", "cosmos_qa", "multiple_choice", ""),
        num_choices=4,
    ),
    "chnsenticorp": Dataset(
        name="chnsenticorp",
        kind="classification",
        labels=("0", "1"),
        metrics=("accuracy",),
        splits={
            split: Split((Files((f"{split}.tsv",)),))
            for split in ("train", "dev", "test")
        },
        reader=TextTable(first=("text_a",), id=("qid",)),
        folders=("chinese/chnsenticorp", "chnsenticorp", ""),
    ),
    # What the three bake-offs gave to train on, and the test of the last (Tseng et al.
    # 2015). A tenth of the former is the development set.
    "sighan15": Dataset(
        name="sighan15",
        kind="correction",
        labels=None,
        metrics=("correction_f1", "detection_f1", "false_positive_rate"),
        splits={
            "train": Split((Files(_SIGHAN_TRAIN, part=Part(tuple(range(1, 10)), 10)),)),
            "dev": Split((Files(_SIGHAN_TRAIN, part=Part((0,), 10)),)),
            "test": Split(
                (Files(("sighan15/TestInput.txt", "sighan15/TestTruth.txt")),)
            ),
        },
        reader=SighanFiles(),
        folders=("chinese", "sighan", ""),
    ),
    # Four corrections of each sentence (Napoles et al. 2017), and none to train on.
    "jfleg": Dataset(
        name="jfleg",
        kind="correction",
        labels=None,
        metrics=("edit_f05",),
        splits={
            split: Split((_jfleg_files(split), _jfleg_files(f"{split}/{split}")))
            for split in ("dev", "test")
        },
        reader=ParallelLines(),
        folders=("jfleg", ""),
    ),
    # Titles; the numbers in the file are the places of the names.
    "thucnews": Dataset(
        name="thucnews",
        kind="classification",
        labels=_NEWS,
        metrics=("accuracy",),
        splits={
            split: Split((Files(("dev.txt",), ("title", "label"), part),))
            for split, part in _FIFTHS.items()
        },
        reader=TextTable(first=("title",), label_is_id=True),
        folders=("chinese/thucnews", "thucnews", ""),
    ),
}


# Readers of local CSV, TSV and JSON lines.
_TABLES = TextTable | ChoiceTable | CorrectionTable


def find(name: str) -> Dataset:
    """The dataset of a name.

    Raises:
        ValueError: there is none.
    """
    if name not in DATASETS:
        near = difflib.get_close_matches(name.lower(), DATASETS, n=3, cutoff=0.4)
        hint = f" (perhaps {' or '.join(map(repr, near))})" if near else ""
        raise ValueError(
            f"Received the dataset {name!r}. Expected one of {list(DATASETS)}{hint}, "
            "or files of your own."
        )
    return DATASETS[name]


def read(
    dataset: Dataset, split: str, data_dir: str | None, log: ReadLog
) -> Iterator[Example]:
    """The examples of one split, read as they are asked for.

    Args:
        dataset: from `find` or `from_files`.
        split: one of `dataset.splits`.
        data_dir: the folder that holds `glue/`, `squad/` and so on, or the folder of
            the dataset itself. None: TFDS, or a user's own files.
        log: counts what is read, used and skipped; complete after the last example.

    Raises:
        FileNotFoundError: the split is not in the folder.
        OSError: TFDS cannot give it.
        ValueError: there is no such split, or what is in the files is not as it
            should be.
    """
    reading = Reading(role_of(split), dataset.labels, log)
    tfds = dataset.split(split).tfds
    if data_dir is None and tfds is not None:
        return dataset.reader.read_tfds(load_tfds(tfds), reading)
    paths, files = _find(dataset, split, data_dir, log)
    return dataset.reader.read_files(paths, files, reading)


def read_with_columns(
    dataset: Dataset, split: str, data_dir: str | None, log: ReadLog
) -> Iterator[tuple[dict[str, str], Example]]:
    """As `read`, each example with the columns of its row, as they are written.

    Examples that are not from local CSV, TSV or JSON lines have no columns.
    """
    reader = dataset.reader
    is_tfds = data_dir is None and dataset.split(split).tfds is not None
    if is_tfds or not isinstance(reader, _TABLES):
        return (({}, example) for example in read(dataset, split, data_dir, log))
    paths, files = _find(dataset, split, data_dir, log)
    return reader.read_rows(paths, files, Reading(role_of(split), dataset.labels, log))


def _find(
    dataset: Dataset, split: str, data_dir: str | None, log: ReadLog
) -> tuple[tuple[str, ...], Files]:
    paths, files = find_files(dataset, split, data_dir)
    if files.note is not None:
        log.note(files.note)
    return paths, files
