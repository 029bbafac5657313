import contextlib
import json
import math
import os
import pathlib
import sys

import pytest
import tensorflow as tf

from bert_tf.training.run_log import Progress, RunLog, read_metrics


def progress(step, loss=2.0):
    metrics = {"loss": loss, "mlm_accuracy": 0.25, "sentence_accuracy": 0.5}
    return Progress(step, metrics, per_second={"tokens": 1234.0, "flops": 5e9})


@pytest.fixture
def log(tmp_path):
    log = RunLog(str(tmp_path), num_train_steps=10, peak_flops_per_second=1e10)
    yield log
    log.close()


def test_keeps_and_prints(log, tmp_path, capsys):
    log.progress(progress(3))
    log.evaluation(3, {"loss": 1.5})
    records = read_metrics(str(tmp_path / "metrics.jsonl"))
    assert [(record["split"], record["step"]) for record in records] == [
        ("train", 3),
        ("heldout", 3),
    ]
    assert records[0]["matmul_share"] == 0.5
    assert records[0]["tokens_per_second"] == 1234
    printed = capsys.readouterr().err
    assert "step 3/10  loss 2.000  MLM 25.0%  sentence 50.0%" in printed
    assert "tok/s 1,234  MFU 50%" in printed
    assert "held-out at step 3:  loss 1.5000" in printed


def test_a_run_goes_on_when_nobody_reads_its_lines(log, tmp_path, monkeypatch):
    read, write = os.pipe()
    os.close(read)
    with open(write, "w", buffering=1) as broken, monkeypatch.context() as patch:
        patch.setattr(sys, "stderr", broken)
        log.progress(progress(3))
        log.evaluation(3, {"loss": 1.5})
        with contextlib.suppress(BrokenPipeError):
            broken.close()
    assert [r["step"] for r in read_metrics(str(tmp_path / "metrics.jsonl"))] == [3, 3]


def test_tensorboard_has_the_same(log, tmp_path):
    log.progress(progress(3))
    log.close()
    (events,) = pathlib.Path(tmp_path, "tensorboard", "train").iterdir()
    found = {
        value.tag: float(tf.make_ndarray(value.tensor))
        for raw in tf.data.TFRecordDataset(str(events))
        for value in tf.compat.v1.Event.FromString(raw.numpy()).summary.value
    }
    assert found["loss"] == 2
    assert found["tokens_per_second"] == 1234


def test_without_tensorboard_the_rest_is_kept(monkeypatch, tmp_path, capsys):
    monkeypatch.delattr(tf.summary, "scalar")
    log = RunLog(str(tmp_path), num_train_steps=10)
    log.evaluation(3, {"loss": 1.5})
    log.close()
    (record,) = read_metrics(f"{tmp_path}/metrics.jsonl")
    assert (record["split"], record["step"], record["loss"]) == ("heldout", 3, 1.5)
    assert not (tmp_path / "tensorboard").exists()
    assert "bert-tf[tensorboard]" in capsys.readouterr().err


def test_a_resumed_run_forgets_what_came_after_its_checkpoint(log, tmp_path, capsys):
    for step in (2, 4, 6):
        log.progress(progress(step))
    log.resume(4)
    log.progress(progress(6, loss=1.0))
    records = read_metrics(str(tmp_path / "metrics.jsonl"))
    assert [(record["step"], record["loss"]) for record in records] == [
        (2, 2.0),
        (4, 2.0),
        (6, 1.0),
    ]
    assert "Resuming from the checkpoint of step 4" in capsys.readouterr().err


def test_what_is_not_finite_is_null_in_the_file(log, tmp_path):
    log.progress(progress(1, loss=math.nan))
    log.evaluation(1, {"perplexity": math.inf})
    log.resume(1)
    path = tmp_path / "metrics.jsonl"
    lines = path.read_text().splitlines()
    plain = [json.loads(line, parse_constant=pytest.fail) for line in lines]
    assert [plain[0]["loss"], plain[1]["perplexity"]] == [None, None]
    first, second = read_metrics(str(path))
    assert math.isnan(first["loss"]) and math.isnan(second["perplexity"])
    # Of earlier versions.
    path.write_text('{"step": 1, "loss": NaN}\n')
    assert math.isnan(read_metrics(str(path))[0]["loss"])


@pytest.mark.parametrize(
    "line", ['{"step": 2', "", "\0\0\0", "\ufffd", "2", "[]", '{"loss": 1.5}']
)
@pytest.mark.parametrize("end", ["", "\n", '\n{"step": 3}', '\r\n{"step": 3}\n'])
def test_lines_that_are_not_whole_are_left_out(log, tmp_path, line, end):
    path = tmp_path / "metrics.jsonl"
    path.write_text(json.dumps({"step": 1}) + f"\n{line}{end}")
    steps = [1, *([3] if "3" in end else [])]
    assert [record["step"] for record in read_metrics(str(path))] == steps
    log.resume(2)
    assert path.read_text() == '{"step": 1}\n'
    assert read_metrics(str(tmp_path / "none")) == []


def test_a_log_is_cut_whole_or_not_at_all(log, tmp_path, monkeypatch):
    log.progress(progress(2))
    before = (tmp_path / "metrics.jsonl").read_bytes()

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tf.io.gfile, "rename", fail)
    with pytest.raises(OSError, match="No space"):
        log.resume(0)
    assert (tmp_path / "metrics.jsonl").read_bytes() == before


def test_a_run_whose_checkpoints_are_gone_begins_anew_and_says_so(log, capsys):
    log.progress(progress(7))
    log.resume(0)
    assert "no checkpoint of the run that reached step 7" in capsys.readouterr().err
    log.resume(0)
    assert capsys.readouterr().err == ""
