import pytest
import tensorflow as tf

from data_pipelines.datasets.submission import write_submission


def test_labels(tmp_path):
    folder = tmp_path / "new"
    predictions = ["entailment", "not_entailment"]
    path = write_submission(str(folder), "glue/rte", "test", ["0", "1"], predictions)
    assert path == str(folder / "RTE.tsv")
    assert (folder / "RTE.tsv").read_text() == (
        "index\tprediction\n0\tentailment\n1\tnot_entailment\n"
    )


def test_scores(tmp_path):
    ids = ["0", "1", "2", "3"]
    scores = [3.14159, -0.2, 5.5, 0.9996]
    write_submission(str(tmp_path), "glue/stsb", "test", ids, scores)
    assert (tmp_path / "STS-B.tsv").read_text().splitlines() == [
        "index\tprediction",
        "0\t3.142",
        "1\t0.000",
        "2\t5.000",
        "3\t1.000",
    ]


@pytest.mark.parametrize(
    ("split", "name"), [("test", "MNLI-m.tsv"), ("test_mismatched", "MNLI-mm.tsv")]
)
def test_both_parts_of_mnli(tmp_path, split, name):
    write_submission(str(tmp_path), "glue/mnli", split, ["0"], ["neutral"])
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize(
    ("dataset", "split", "ids", "predictions", "message"),
    [
        ("glue/rte", "dev", ["0"], ["entailment"], r"split='dev'. Expected one of"),
        ("swag", "test", ["0"], ["0"], r"dataset='swag'.*Expected one of"),
        ("glue/rte", "test", ["0"], [], r"1 ids, 1 of them different, and 0 predict"),
        ("glue/rte", "test", [], [], r"0 ids.*Expected one prediction per id"),
        ("glue/cola", "test", ["0", "0"], ["1", "1"], r"2 ids, 1 of them different"),
        ("glue/cola", "test", ["0"], ["yes"], r"prediction 'yes'.*one of \['0', '1'\]"),
        (
            "glue/cola",
            "test",
            ["0"],
            [1],
            r"the prediction 1 for .*one of \['0', '1'\]",
        ),
        ("glue/stsb", "test", ["0"], ["1"], r"prediction '1'.*a finite number"),
        ("glue/stsb", "test", ["0"], [float("nan")], r"prediction nan.*finite number"),
    ],
)
def test_what_cannot_be_submitted(tmp_path, dataset, split, ids, predictions, message):
    with pytest.raises(ValueError, match=message):
        write_submission(str(tmp_path), dataset, split, ids, predictions)
    assert not list(tmp_path.iterdir())


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path, monkeypatch):
    (tmp_path / "CoLA.tsv").write_text("before")

    def fail(*args, **kwargs):
        raise tf.errors.ResourceExhaustedError(None, None, "disk full")

    with monkeypatch.context() as patch:
        patch.setattr(tf.io.gfile, "rename", fail)
        with pytest.raises(tf.errors.ResourceExhaustedError):
            write_submission(str(tmp_path), "glue/cola", "test", ["0"], ["1"])
    assert [path.name for path in tmp_path.iterdir()] == ["CoLA.tsv"]
    assert (tmp_path / "CoLA.tsv").read_text() == "before"
    write_submission(str(tmp_path), "glue/cola", "test", ["0"], ["1"])
    assert (tmp_path / "CoLA.tsv").read_text() == "index\tprediction\n0\t1\n"
