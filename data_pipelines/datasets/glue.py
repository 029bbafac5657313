"""The tasks of GLUE: names of their files, columns and classes, locally and in TFDS.

The data is distributed in two layouts: the download of the benchmark, always
`train.tsv`, `dev.tsv` and `test.tsv`, and the files of the original corpora.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from data_pipelines.datasets.sources import Dataset, Files, Split, split_of
from data_pipelines.datasets.text_tables import TextTable

# In the order of their ids in TFDS, with their names in leaderboard files.
BINARY = ("0", "1")
ENTAILMENT = ("entailment", "not_entailment")
INFERENCE = ("entailment", "neutral", "contradiction")

# Names of a column: in the download, in the files of the corpus, in TFDS.
_FIRST = ("sentence1", "premise", "Premise")
_SECOND = ("sentence2", "hypothesis", "Hypothesis")
_COLA_COLUMNS = ("source", "label", "mark", "sentence")
_STSB_COLUMNS = ("sentence1", "sentence2", "score")

_MRPC_NOTE = (
    "read from msr_paraphrase_{}.txt: the corpus has no development set; GLUE takes "
    "408 pairs of its training set"
)


def _table(**columns: Any) -> TextTable:
    # Some rows of the download are broken, most of them in QQP; TFDS skips them, too.
    return TextTable(id=("index", "id", "idx"), skips_ragged=True, **columns)


_SINGLE = _table(first=("sentence", "content"))
_PAIR = _table(first=_FIRST, second=_SECOND)
_MRPC = _table(
    first=("#1 String", "sentence1"),
    second=("#2 String", "sentence2"),
    label=("Quality", "label"),
)
_STSB = _table(
    first=("sentence1",), second=("sentence2",), label=("score", "label"), is_score=True
)
_QQP = _table(
    first=("question1",), second=("question2",), label=("is_duplicate", "label")
)
_MNLI = _table(first=_FIRST, second=_SECOND, label=("gold_label", "label", "Label"))
_QNLI = _table(first=("question",), second=("sentence",))


def _cola(*paths: str) -> Files:
    return Files(paths, _COLA_COLUMNS)


def _mrpc(split: str) -> Files:
    return Files((f"msr_paraphrase_{split}.txt",), note=_MRPC_NOTE.format(split))


def _splits(
    name: str,
    train: Sequence[str | Files] = ("train.tsv",),
    dev: Sequence[str | Files] = ("dev.tsv",),
    test: Sequence[str | Files] = ("test.tsv",),
) -> dict[str, Split]:
    return {
        "train": split_of(*train, tfds=f"{name}:train"),
        "dev": split_of(*dev, tfds=f"{name}:validation"),
        "test": split_of(*test, tfds=f"{name}:test"),
    }


# Unlike the other files of CoLA, test.tsv has a header.
_COLA_SPLITS = _splits(
    "glue/cola",
    train=(_cola("train.tsv"), _cola("in_domain_train.tsv")),
    dev=(_cola("dev.tsv"), _cola("in_domain_dev.tsv", "out_of_domain_dev.tsv")),
)
_MRPC_SPLITS = _splits(
    "glue/mrpc",
    train=("train.tsv", _mrpc("train")),
    dev=("dev.tsv", _mrpc("test")),
    test=("test.tsv", "msr_paraphrase_test.txt"),
)
_STSB_SPLITS = _splits(
    "glue/stsb",
    *(
        (f"{split}.tsv", Files((f"{split}.csv",), _STSB_COLUMNS))
        for split in ("train", "dev", "test")
    ),
)
# The genres of dev and test match the training data; those of dev_mismatched and
# test_mismatched do not.
_MNLI_SPLITS = {
    name: split_of(f"{file}.tsv", tfds=f"glue/mnli:{tfds}")
    for name, file, tfds in (
        ("train", "train", "train"),
        ("dev", "dev_matched", "validation_matched"),
        ("dev_mismatched", "dev_mismatched", "validation_mismatched"),
        ("test", "test_matched", "test_matched"),
        ("test_mismatched", "test_mismatched", "test_mismatched"),
    )
}
# Only the full file has labels.
_AX_FILES = "diagnostic-full.tsv", "diagnostic.tsv", "AX.tsv"


def _task(
    name: str,
    folder: str,
    reader: TextTable,
    labels: tuple[str, ...] | None,
    metrics: tuple[str, ...] = ("accuracy",),
    splits: Mapping[str, Split] | None = None,
) -> Dataset:
    return Dataset(
        name=name,
        kind="regression" if reader.is_score else "classification",
        labels=labels,
        metrics=metrics,
        splits=splits or _splits(name),
        reader=reader,
        folders=(f"glue/{folder}", folder, ""),
    )


# The first metrics are those of the paper's table 1, except for MRPC and QQP: F1 would
# often select a checkpoint that calls all pairs paraphrases.
_F1 = ("accuracy", "f1")
TASKS = (
    _task("glue/cola", "CoLA", _SINGLE, BINARY, ("matthews", "accuracy"), _COLA_SPLITS),
    _task("glue/sst2", "SST-2", _SINGLE, BINARY),
    _task("glue/mrpc", "MRPC", _MRPC, BINARY, _F1, _MRPC_SPLITS),
    _task("glue/stsb", "STS-B", _STSB, None, ("spearman", "pearson"), _STSB_SPLITS),
    _task("glue/qqp", "QQP", _QQP, BINARY, _F1),
    _task("glue/mnli", "MNLI", _MNLI, INFERENCE, splits=_MNLI_SPLITS),
    _task("glue/qnli", "QNLI", _QNLI, ENTAILMENT),
    _task("glue/rte", "RTE", _PAIR, ENTAILMENT),
    _task("glue/wnli", "WNLI", _PAIR, BINARY),
    # Only a test set, for models trained on MNLI.
    Dataset(
        name="glue/ax",
        kind="classification",
        labels=INFERENCE,
        metrics=("matthews",),
        splits={"test": split_of(*_AX_FILES, tfds="glue/ax:test")},
        reader=_MNLI,
        folders=("glue/AX", "AX", "glue/diagnostic", "diagnostic", "glue", ""),
    ),
)
