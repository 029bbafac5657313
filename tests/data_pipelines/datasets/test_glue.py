"""Each task in the layouts that are around, and as TFDS has it."""

import pytest

from data_pipelines.datasets.catalog import DATASETS, read
from data_pipelines.datasets.examples import TextExample
from data_pipelines.datasets.read_log import ReadLog

_STSB = "index genre filename year old_index source1 source2 sentence1 sentence2"
_MNLI = (
    "index promptID pairID genre sentence1_binary_parse sentence2_binary_parse "
    "sentence1_parse sentence2_parse sentence1 sentence2"
)
_MRPC = "Quality\t#1 ID\t#2 ID\t#1 String\t#2 String"


def table(header, row):
    """A file of one row: names and fields between spaces, `~` for a space in one."""
    return ["\t".join(x.split()).replace("~", " ") for x in (header, row)]


def examples_of(name, split, data_dir):
    log = ReadLog(split)
    return list(read(DATASETS[name], split, data_dir, log)), log


@pytest.mark.parametrize(
    ("name", "split", "file", "lines", "expected"),
    [
        # The benchmark's download.
        ("cola", "train", "CoLA/train.tsv", ["gj04\t0\t*\tA b."], (None, "0")),
        ("cola", "test", "CoLA/test.tsv", table("index sentence", "0 A~b."), (None,)),
        ("sst2", "train", "SST-2/train.tsv", table("sentence label", "A~b. 1"), "1"),
        ("sst2", "test", "SST-2/test.tsv", table("index sentence", "0 A~b."), (None,)),
        (
            "mrpc",
            "dev",
            "MRPC/dev.tsv",
            [_MRPC, "1\t7\t8\tA b.\tC."],
            ("C.", "1"),
        ),
        (
            "mrpc",
            "test",
            "MRPC/test.tsv",
            ["index\t#1 ID\t#2 ID\t#1 String\t#2 String", "0\t7\t8\tA b.\tC."],
            ("C.", None),
        ),
        (
            "stsb",
            "train",
            "STS-B/train.tsv",
            table(f"{_STSB} score", "0 main MSR 2012 1 none none A~b. C. 3.8"),
            ("C.", 3.8),
        ),
        (
            "stsb",
            "test",
            "STS-B/test.tsv",
            table(_STSB, "0 main MSR 2012 1 none none A~b. C."),
            ("C.", None),
        ),
        (
            "qqp",
            "dev",
            "QQP/dev.tsv",
            table("id qid1 qid2 question1 question2 is_duplicate", "0 1 2 A~b. C. 1"),
            ("C.", "1"),
        ),
        (
            "qqp",
            "test",
            "QQP/test.tsv",
            table("id question1 question2", "0 A~b. C."),
            ("C.", None),
        ),
        (
            "mnli",
            "train",
            "MNLI/train.tsv",
            table(
                f"{_MNLI} label1 gold_label",
                "0 1 1 x x x x x A~b. C. neutral entailment",
            ),
            ("C.", "entailment"),
        ),
        (
            "mnli",
            "dev_mismatched",
            "MNLI/dev_mismatched.tsv",
            table(
                f"{_MNLI} label1 gold_label", "0 1 1 x x x x x A~b. C. neutral neutral"
            ),
            ("C.", "neutral"),
        ),
        (
            "mnli",
            "test",
            "MNLI/test_matched.tsv",
            table(_MNLI, "0 1 1 x x x x x A~b. C."),
            ("C.", None),
        ),
        (
            "qnli",
            "dev",
            "QNLI/dev.tsv",
            table("index question sentence label", "0 A~b. C. not_entailment"),
            ("C.", "not_entailment"),
        ),
        (
            "rte",
            "train",
            "RTE/train.tsv",
            table("index sentence1 sentence2 label", "0 A~b. C. entailment"),
            ("C.", "entailment"),
        ),
        (
            "wnli",
            "dev",
            "WNLI/dev.tsv",
            table("index sentence1 sentence2 label", "0 A~b. C. 1"),
            ("C.", "1"),
        ),
        (
            "ax",
            "test",
            "diagnostic/diagnostic.tsv",
            table("index sentence1 sentence2", "0 A~b. C."),
            ("C.", None),
        ),
        (
            "ax",
            "test",
            "AX/diagnostic-full.tsv",
            table("Logic Premise Hypothesis Label", "x A~b. C. contradiction"),
            ("C.", "contradiction"),
        ),
        # The files of the corpora.
        ("cola", "train", "CoLA/in_domain_train.tsv", ["a\t1\t\tA b."], (None, "1")),
        ("sst2", "dev", "SST-2/dev.tsv", table("label content", "0 A~b."), (None, "0")),
        (
            "mrpc",
            "train",
            "MRPC/msr_paraphrase_train.txt",
            [f"\ufeff{_MRPC}", "0\t7\t8\tA b.\tC."],
            ("C.", "0"),
        ),
        ("stsb", "dev", "STS-B/dev.csv", ['"A b.",C.,5.0'], ("C.", 5.0)),
    ],
)
def test_local_files(write, tmp_path, name, split, file, lines, expected):
    write(file, lines)
    if expected == "1" or expected == (None,):
        expected = (None, "1" if expected == "1" else None)
    examples, log = examples_of(f"glue/{name}", split, str(tmp_path))
    assert examples == [TextExample("0", "A b.", *expected)]
    assert log.skipped == 0


def test_corrupted_questions_of_qqp_are_skipped(write, tmp_path):
    header = "id qid1 qid2 question1 question2 is_duplicate"
    lines = [*table(header, "7 1 2 A~b. C. 1"), "8\t1\t2\tA", "b?\tC\t0"]
    write("QQP/train.tsv", lines)
    examples, log = examples_of("glue/qqp", "train", str(tmp_path))
    assert [example.id for example in examples] == ["7"]
    assert log.skips == {"wrong number of fields": 2}


@pytest.mark.parametrize(
    ("split", "is_noted"), [("train", True), ("dev", True), ("test", False)]
)
def test_mrpc_without_development_data_is_noted(write, tmp_path, split, is_noted):
    for part in ("train", "test"):
        write(f"msr_paraphrase_{part}.txt", [_MRPC, "0\t7\t8\tA b.\tC."])
    _, log = examples_of("glue/mrpc", split, str(tmp_path))
    assert ["no development set" in note for note in log.notes] == [True] * is_noted


# What TFDS calls the texts, and the label with the number 1, or a score.
@pytest.mark.parametrize(
    ("name", "texts", "label"),
    [
        ("cola", ["sentence"], "1"),
        ("sst2", ["sentence"], "1"),
        ("mrpc", ["sentence1", "sentence2"], "1"),
        ("stsb", ["sentence1", "sentence2"], 3.8),
        ("qqp", ["question1", "question2"], "1"),
        ("mnli", ["premise", "hypothesis"], "neutral"),
        ("qnli", ["question", "sentence"], "not_entailment"),
        ("rte", ["sentence1", "sentence2"], "not_entailment"),
        ("wnli", ["sentence1", "sentence2"], "1"),
        ("ax", ["premise", "hypothesis"], "neutral"),
    ],
)
def test_tfds(mock_tfds, name, texts, label):
    values = dict(zip(texts, ["Á b.", "C."], strict=False))
    known = {**values, "idx": 7, "label": 3.8 if name == "stsb" else 1}
    unknown = {**values, "idx": 8, "label": -1}
    dataset = DATASETS[f"glue/{name}"]
    second = "C." if len(texts) == 2 else None
    for split in dataset.splits:
        with mock_tfds(known, unknown):
            examples, log = examples_of(f"glue/{name}", split, None)
        expected = [TextExample("7", "Á b.", second, label)]
        if split.startswith("test"):
            expected.append(TextExample("8", "Á b.", second, None))
        else:
            assert log.skips == {"no label": 1}
        assert examples == expected


@pytest.mark.parametrize(
    "name", [n for n in DATASETS if n.startswith("glue/") and n != "glue/stsb"]
)
def test_classes_are_numbered_as_in_tfds(name):
    import tensorflow_datasets as tfds

    known = tfds.builder(name).info.features["label"].names
    labels = DATASETS[name].labels
    # TFDS has names of its own for 0 and 1.
    assert labels == (("0", "1") if labels == ("0", "1") else tuple(known))
    assert len(labels) == len(known)
