import pytest

from data_pipelines.datasets import catalog
from data_pipelines.datasets.correction import (
    CorrectionTable,
    ParallelLines,
    SighanFiles,
)
from data_pipelines.datasets.examples import CorrectionExample
from data_pipelines.datasets.read_log import ReadLog
from data_pipelines.datasets.sources import Files, Part, Reading

TEXTS = "(pid=A2-1)\t对不气，我忙。\n(pid=A2-2)\t你好！\n"
TRUTH = "A2-1, 3, 起\nA2-2, 0\n"


def read_files(write, reader, *contents, role="test", part=None):
    paths = [write(f"{number}.txt", text) for number, text in enumerate(contents)]
    files = Files(tuple(paths), part=part)
    log = ReadLog(role)
    examples = list(reader.read_files(files, Reading(role, None, log)))
    assert log.used == len(examples)
    return examples, log.lines()[1:]


def test_tables(read):
    lines = ["id\ttext\tcorrected", "x\ta\tb", "y\tc\tc", "z\t \tc", "w\td\t"]
    table = CorrectionTable(id=("id",))
    examples, log = read(table, lines)
    assert examples == [
        CorrectionExample("x", "a", ("b",)),
        CorrectionExample("y", "c", ("c",)),
    ]
    assert log == [
        "1 skipped: empty text (line 4)",
        "1 skipped: no corrected text (line 5)",
    ]
    examples, _ = read(table, lines, "test")
    assert examples[-1] == CorrectionExample("w", "d", ())
    assert read(CorrectionTable(), ["text", "a"], "test")[0][0].corrected == ()
    with pytest.raises(ValueError, match="no column 'corrected'"):
        read(CorrectionTable(), ["text", "a"])


def test_files_of_the_bake_offs(write):
    examples, _ = read_files(write, SighanFiles(), TEXTS, TRUTH)
    assert examples == [
        CorrectionExample("A2-1", "对不气，我忙。", ("对不起，我忙。",)),
        CorrectionExample("A2-2", "你好！", ("你好！",)),
    ]
    # What is learned from has clean examples, too.
    examples, _ = read_files(write, SighanFiles(), TEXTS, TRUTH, role="train")
    assert [example.text for example in examples] == [
        "对不气，我忙。",
        "对不起，我忙。",
        "你好！",
    ]
    assert examples[1].corrected == (examples[1].text,)
    two = [
        read_files(write, SighanFiles(), TEXTS, TRUTH, part=Part(takes, 2))[0]
        for takes in ((0,), (1,))
    ]
    assert sorted(e.id for part in two for e in part) == ["A2-1", "A2-2"]


@pytest.mark.parametrize(
    ("texts", "truth", "message"),
    [
        (TEXTS, "A2-1, 3, 起\n", "different numbers of lines"),
        (TEXTS, TRUTH.replace("A2-2", "A2-9"), "line 2.*the same name in the second"),
        (TEXTS.replace("(", ""), TRUTH, "line 1.*Expected '\\(NAME\\)'"),
        (TEXTS, TRUTH.replace("3", "30"), "received '30' and '起' for a text of 7"),
        (TEXTS, TRUTH.replace("起", "起来"), "Expected a position in the text"),
        (TEXTS, TRUTH.replace(", 起", ""), "Expected pairs of a position"),
    ],
)
def test_broken_files_of_the_bake_offs(write, texts, truth, message):
    with pytest.raises(ValueError, match=message):
        read_files(write, SighanFiles(), texts, truth)


def test_parallel_lines(write):
    examples, log = read_files(
        write, ParallelLines(), "a \n\nb\n", "c\nd\n\n", "e\nf\ng\n"
    )
    assert examples == [
        CorrectionExample("0", "a", ("c", "e")),
        CorrectionExample("2", "b", ("g",)),
    ]
    assert log == ["test: 1 skipped: empty text (line 2)"]
    with pytest.raises(ValueError, match="different numbers of lines"):
        read_files(write, ParallelLines(), "a\nb\n", "c\n")


def test_own_tables(write):
    path = write("a.csv", 'x,y\n"a, b",c\n')
    dataset = catalog.from_files(
        "correction",
        {"train": path},
        catalog.ColumnOptions(first_column="x", corrected_column="y"),
    )
    rows = catalog.read_with_columns(dataset, "train", None, ReadLog("train"))
    assert list(rows) == [
        ({"x": "a, b", "y": "c"}, CorrectionExample("0", "a, b", ("c",)))
    ]
    assert (dataset.labels, dataset.metrics) == (None, ("edit_f05",))


def test_real_data(data_dir):
    def read(name, split):
        dataset = catalog.find(name)
        return list(catalog.read(dataset, split, data_dir, ReadLog(split)))

    test = read("sighan15", "test")
    assert len(test) == 1100
    # 550 texts were to have errors; so many have in these files.
    assert sum(example.corrected != (example.text,) for example in test) == 542
    train, dev = (read("sighan15", split) for split in ("train", "dev"))
    assert len(train) > 9 * len(dev) * 0.9
    names = {example.id for example in train}
    assert not names & {example.id for example in dev}
    learners = read("jfleg", "dev")
    assert len(learners) == 754
    assert {len(example.corrected) for example in learners} == {4}
