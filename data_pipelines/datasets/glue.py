"""The tasks of GLUE: what their files, and TFDS, call columns and classes.

Two layouts are around: that of the benchmark's download, `train.tsv`, `dev.tsv` and
`test.tsv` everywhere, and those of the single corpora.
"""

from data_pipelines.datasets.sources import Dataset, Files, Split
from data_pipelines.datasets.text_tables import TextTable

# In the order in which TFDS numbers them, by the names in files for the leaderboard.
BINARY = ("0", "1")
ENTAILMENT = ("entailment", "not_entailment")
INFERENCE = ("entailment", "neutral", "contradiction")

# Of a column: in the download, in the files of the corpus, in TFDS.
_INDEX = ("index", "id", "idx")
_FIRST = ("sentence1", "premise", "Premise")
_SECOND = ("sentence2", "hypothesis", "Hypothesis")
_COLA_COLUMNS = ("source", "label", "mark", "sentence")
_STSB_COLUMNS = ("sentence1", "sentence2", "score")

# Rows of the download may be broken, above all in QQP; TFDS leaves them out, too.
SINGLE = TextTable(first=("sentence", "content"), id=_INDEX, skips_ragged=True)
PAIR = TextTable(first=_FIRST, second=_SECOND, id=_INDEX, skips_ragged=True)
MRPC = TextTable(
    first=("#1 String", "sentence1"),
    second=("#2 String", "sentence2"),
    label=("Quality", "label"),
    id=_INDEX,
    skips_ragged=True,
)
STSB = TextTable(
    first=("sentence1",),
    second=("sentence2",),
    label=("score", "label"),
    id=_INDEX,
    is_score=True,
    skips_ragged=True,
)
QQP = TextTable(
    first=("question1",),
    second=("question2",),
    label=("is_duplicate", "label"),
    id=_INDEX,
    skips_ragged=True,
)
MNLI = TextTable(
    first=_FIRST,
    second=_SECOND,
    label=("gold_label", "label", "Label"),
    id=_INDEX,
    skips_ragged=True,
)
QNLI = TextTable(
    first=("question",), second=("sentence",), id=_INDEX, skips_ragged=True
)

_MRPC_NOTE = (
    "read from msr_paraphrase_{}.txt: the corpus itself has no development data, GLUE "
    "takes 408 pairs of its training data"
)

# Of the tasks whose files differ from those of the others.
SPLITS: dict[str, dict[str, Split]] = {
    # Other than in its other files, the first line of test.tsv is a header.
    "glue/cola": {
        "train": Split(
            (
                Files(("train.tsv",), _COLA_COLUMNS),
                Files(("in_domain_train.tsv",), _COLA_COLUMNS),
            ),
            "glue/cola:train",
        ),
        "dev": Split(
            (
                Files(("dev.tsv",), _COLA_COLUMNS),
                Files(("in_domain_dev.tsv", "out_of_domain_dev.tsv"), _COLA_COLUMNS),
            ),
            "glue/cola:validation",
        ),
        "test": Split((Files(("test.tsv",)),), "glue/cola:test"),
    },
    "glue/mrpc": {
        "train": Split(
            (
                Files(("train.tsv",)),
                Files(("msr_paraphrase_train.txt",), note=_MRPC_NOTE.format("train")),
            ),
            "glue/mrpc:train",
        ),
        "dev": Split(
            (
                Files(("dev.tsv",)),
                Files(("msr_paraphrase_test.txt",), note=_MRPC_NOTE.format("test")),
            ),
            "glue/mrpc:validation",
        ),
        "test": Split(
            (Files(("test.tsv",)), Files(("msr_paraphrase_test.txt",))),
            "glue/mrpc:test",
        ),
    },
    "glue/stsb": {
        name: Split(
            (Files((f"{name}.tsv",)), Files((f"{name}.csv",), _STSB_COLUMNS)),
            f"glue/stsb:{tfds}",
        )
        for name, tfds in (("train", "train"), ("dev", "validation"), ("test", "test"))
    },
    "glue/mnli": {
        "train": Split((Files(("train.tsv",)),), "glue/mnli:train"),
        "dev": Split((Files(("dev_matched.tsv",)),), "glue/mnli:validation_matched"),
        "dev_mismatched": Split(
            (Files(("dev_mismatched.tsv",)),), "glue/mnli:validation_mismatched"
        ),
        "test": Split((Files(("test_matched.tsv",)),), "glue/mnli:test_matched"),
        "test_mismatched": Split(
            (Files(("test_mismatched.tsv",)),), "glue/mnli:test_mismatched"
        ),
    },
    # Only the full file has labels.
    "glue/ax": {
        "test": Split(
            (
                Files(("diagnostic-full.tsv",)),
                Files(("diagnostic.tsv",)),
                Files(("AX.tsv",)),
            ),
            "glue/ax:test",
        )
    },
}


def task(
    name: str,
    folder: str,
    reader: TextTable,
    labels: tuple[str, ...],
    metrics: tuple[str, ...] = ("accuracy",),
) -> Dataset:
    """A task of classification, whose files are in a folder of this name."""
    same_in_all = {
        "train": Split((Files(("train.tsv",)),), f"{name}:train"),
        "dev": Split((Files(("dev.tsv",)),), f"{name}:validation"),
        "test": Split((Files(("test.tsv",)),), f"{name}:test"),
    }
    return Dataset(
        name=name,
        kind="classification",
        labels=labels,
        metrics=metrics,
        splits=SPLITS.get(name, same_in_all),
        reader=reader,
        folders=(f"glue/{folder}", folder, ""),
    )
