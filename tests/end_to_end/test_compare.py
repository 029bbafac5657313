"""The comparison as its users run it: whole, with a failure, and gone on with."""

import dataclasses
import json
import pathlib

import pytest

from bert_tf import compare
from tests.end_to_end.corpus import write_corpus
from tests.end_to_end.tasks import write_task


def options(tmp_path, **changes):
    values = {
        "corpus": (str(tmp_path / "text" / "*"),),
        "output_dir": str(tmp_path / "out"),
        "systems": ("ngram", "bert"),
        # Enough for the start of a program, and some steps, on a busy machine.
        "budget": "3m",
        "preset": "tiny",
        "vocab_size": 100,
        "holdout_fraction": 0.2,
        "sequence_length": 32,
        "batch_size": 8,
        "num_seeds": 2,
        "num_epochs": 1.0,
    }
    return compare.CompareOptions(**(values | changes))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"systems": ("bert", "t5")}, r"Received the systems \['t5'\]. Expected some"),
        ({"budget": "soon"}, "Received budget='soon'. Expected a number above 0"),
        ({"budget": "0m"}, "Expected a number above 0 with its unit"),
        ({"datasets": ("glue/sst3",)}, "glue/sst3"),
        ({"num_seeds": 0}, "num_seeds=0. Expected numbers above 0"),
    ],
)
def test_what_is_wrong_is_said_at_once(tmp_path, changes, message):
    with pytest.raises(ValueError, match=message):
        options(tmp_path, **changes)


def test_files_that_are_not_there(tmp_path):
    with pytest.raises((ValueError, OSError), match="text"):
        compare.compare(options(tmp_path))
    write_corpus(tmp_path / "text")
    with pytest.raises(FileNotFoundError, match="pairs"):
        compare.compare(options(tmp_path, pairs_files=(str(tmp_path / "pairs.txt"),)))
    assert not (tmp_path / "out").exists()


def test_times():
    budgets = {"90s": 90, "30m": 1800, "1.5h": 5400}
    for text, seconds in budgets.items():
        found = compare.CompareOptions(corpus=("x",), output_dir="y", budget=text)
        assert found.seconds == seconds


@pytest.mark.slow
@pytest.mark.long
def test_systems_are_trained_and_measured_and_failures_are_their_own(tmp_path):
    write_corpus(tmp_path / "text")
    data = tmp_path / "SST-2"
    task = write_task("classification", tmp_path / "files")
    data.mkdir()
    for split, path in (("train", task.train_file), ("dev", task.dev_file)):
        rows = [
            line.split(",") for line in pathlib.Path(path).read_text().splitlines()[1:]
        ]
        text = "".join(f"{int(r[2] == 'praise')}\t{r[1]}\n" for r in rows)
        (data / f"{split}.tsv").write_text(f"label\tsentence\n{text}")
    values = {
        "systems": ("ngram", "skip_gram", "elmo", "bert"),
        "datasets": (f"glue/sst2={data}",),
    }
    # What one system finds in its place is not of the others' concern.
    broken = tmp_path / "out" / "elmo"
    broken.mkdir(parents=True)
    (broken / "config.json").mkdir()
    (tmp_path / "out" / "options.json").write_text(
        json.dumps(dataclasses.asdict(options(tmp_path, **values)))
    )
    found = compare.compare(options(tmp_path, **values))
    assert found["elmo"].failures and not found["elmo"].tasks
    for name in ("ngram", "skip_gram", "bert"):
        assert not found[name].failures, found[name].failures
    assert 0 < found["ngram"].heldout["cloze_accuracy"] <= 1
    assert found["ngram"].heldout["perplexity"] > 1
    assert found["bert"].tasks["glue/sst2"].num_runs == 2
    assert found["skip_gram"].texts_per_second > 0
    assert "glue/sst2" not in found["ngram"].tasks
    report = (tmp_path / "out" / "report.html").read_text()
    assert "Failures" in report and "python -m bert_tf.pretrain" in report

    # Again: what failed is tried, the rest is there.
    trained = tmp_path / "out" / "bert" / "model" / "model.safetensors"
    before = trained.stat().st_mtime_ns
    (broken / "config.json").rmdir()
    again = compare.compare(options(tmp_path, **values))
    assert not again["elmo"].failures and again["elmo"].heldout["perplexity"] > 1
    assert again["bert"].tasks == found["bert"].tasks
    assert trained.stat().st_mtime_ns == before
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    assert set(results) == set(values["systems"])
