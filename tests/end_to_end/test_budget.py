"""Pre-training with a budget, on a clock that is the same on every machine."""

import os
import signal

import pytest

from bert_tf import pretrain
from bert_tf.checkpoints import model_dir
from bert_tf.training.budget import TooShort
from bert_tf.training.loop import Preempted
from bert_tf.training.plan import read_plan
from bert_tf.training.run_log import RunLog, read_metrics
from tests.end_to_end.pretraining_runs import (
    VOCAB_SIZE,
    assert_same_weights,
    command,
    curve,
    finish,
    options,
    run_until,
)

PLANNED = {
    "num_train_steps": None,
    "num_warmup_steps": None,
    "eval_every": None,
    "checkpoint_every": None,
    "log_every": 1,
    "num_eval_batches": None,
}


class Ticks:
    """A clock that goes on by some seconds whenever somebody looks at it.

    The budgets are long, for the preparation is ended by the real time.
    """

    def __init__(self, tick=3.0, now=60.0):
        self.tick, self.now = tick, now

    def __call__(self):
        self.now += self.tick
        return self.now


def budget_options(prepared, output_dir, budget="30m", **changes):
    return options(prepared, output_dir, **{**PLANNED, "budget": budget, **changes})


def plan_of(output_dir):
    return read_plan(str(output_dir / "plan.json"))


@pytest.mark.slow
@pytest.mark.long
def test_a_run_and_its_repeat_by_the_record(prepared, tmp_path, capfd):
    """From the text, with both lengths of rows."""
    first, again = tmp_path / "first", tmp_path / "again"
    text = {
        "records_dir": None,
        "vocab_file": None,
        "input_files": (prepared.text,),
        "vocab_size": VOCAB_SIZE,
        "holdout_fraction": 0.2,
        "long_sequence_length": 48,
    }
    settings = budget_options(prepared, first, **text)
    pretrain.pretrain(settings, Ticks())
    plan = plan_of(first)
    assert plan.total is not None and plan.total <= 1800
    steps = plan.revisions[-1].pace.num_train_steps
    assert len(plan.revisions) > 1 and steps > 20
    printed = capfd.readouterr()
    assert "Plan at step" in printed.err
    assert f"step {steps}/{steps}" in printed.err
    assert "of 1800 s." in printed.out
    rates = [r["learning_rate"] for r in curve_records(first)]
    assert max(rates) == pytest.approx(1e-3, rel=0.2)
    assert rates[-1] < 0.2e-3
    assert f"{steps:,} steps of 8 rows" in (first / "report.html").read_text()
    # Nothing is left to do, whatever the clock says.
    pretrain.pretrain(settings, Ticks(now=9999.0))

    changes = {"budget": None, "plan_file": str(first / "plan.json")}
    repeat = budget_options(prepared, again, **text, **changes)
    pretrain.pretrain(repeat)
    assert_same_weights(first, again)
    assert curve(again) == curve(first)
    assert plan_of(again) == plan


def curve_records(output_dir):
    records = read_metrics(str(output_dir / "metrics.jsonl"))
    return [record for record in records if record["split"] == "train"]


@pytest.mark.slow
@pytest.mark.long
def test_a_stopped_run_and_its_repeat(prepared, tmp_path, monkeypatch):
    stopped, again = tmp_path / "stopped", tmp_path / "again"
    settings = budget_options(prepared, stopped)
    progress = RunLog.progress

    def stop(self, found):
        progress(self, found)
        if found.step == 60:
            os.kill(os.getpid(), signal.SIGTERM)

    with monkeypatch.context() as patch, pytest.raises(Preempted):
        patch.setattr(RunLog, "progress", stop)
        pretrain.pretrain(settings, Ticks())
    assert not (stopped / model_dir.WEIGHTS).exists()
    before = plan_of(stopped)
    (step,) = [at for at in before.used if at >= 60]
    # The second process is slower, and has a longer budget.
    longer = budget_options(prepared, stopped, "1h")
    pretrain.pretrain(longer, Ticks(tick=6.0))
    plan = plan_of(stopped)
    assert plan.revisions[: len(before.revisions)] == before.revisions
    added = plan.revisions[len(before.revisions) :]
    assert [r.reason for r in added].count("resumed") == 1
    assert added[0].step > step
    assert plan.total is not None and before.used[step] < plan.total <= 3600

    changes = {"budget": None, "plan_file": str(stopped / "plan.json")}
    repeat = budget_options(prepared, again, **changes)
    with monkeypatch.context() as patch, pytest.raises(Preempted):
        patch.setattr(RunLog, "progress", stop)
        pretrain.pretrain(repeat)
    pretrain.pretrain(repeat)
    assert_same_weights(stopped, again)
    assert curve(again) == curve(stopped)
    # A finished model has the budget that it has.
    with pytest.raises(ValueError, match="budget was '1h', received '30m'"):
        pretrain.pretrain(settings, Ticks())


@pytest.mark.slow
@pytest.mark.long
def test_a_killed_command_goes_on_by_its_record(prepared, tmp_path):
    """By the real clock: how many steps there are is the machine's affair."""
    killed, again = tmp_path / "killed", tmp_path / "again"
    program = command(
        budget_options(prepared, killed, "3m", checkpoint_every=5, num_eval_batches=1)
    )
    run_until(program, killed, step=100, number=signal.SIGKILL)
    before = plan_of(killed).revisions
    finish(program)
    plan = plan_of(killed)
    assert plan.revisions[: len(before)] == before
    assert "resumed" in [revision.reason for revision in plan.revisions]
    changes = {"checkpoint_every": 5, "num_eval_batches": 1, "budget": None}
    changes["plan_file"] = str(killed / "plan.json")
    finish(command(budget_options(prepared, again, **changes)))
    assert_same_weights(killed, again)
    assert curve(again) == curve(killed)


@pytest.mark.long
@pytest.mark.slow
def test_a_budget_that_is_too_short(prepared, tmp_path, monkeypatch):
    output_dir = tmp_path / "model"
    text = {
        "records_dir": None,
        "vocab_file": None,
        "input_files": (prepared.text,),
        "vocab_size": VOCAB_SIZE,
        "holdout_fraction": 0.2,
    }
    short = budget_options(prepared, output_dir, "1000s", **text)
    with pytest.raises(TooShort, match=r"start 300 s, vocabulary 600 s.*--budget=34m"):
        pretrain.pretrain(short, Ticks(tick=300.0, now=0.0))
    assert not list(output_dir.rglob("*.unfinished"))
    assert not (output_dir / model_dir.WEIGHTS).exists()
    assert (output_dir / "vocab.txt").exists()
    # A longer one goes on with what is there: the vocabulary is not learned again.
    monkeypatch.setattr(pretrain, "learn_vocabulary", None)
    pretrain.pretrain(budget_options(prepared, output_dir, **text), Ticks())
    assert (output_dir / model_dir.WEIGHTS).exists()


@pytest.mark.slow
def test_a_budget_that_ends_in_the_vocabulary(prepared, tmp_path, monkeypatch):
    def never(**_):
        signal.pause()

    monkeypatch.setattr(pretrain, "learn_vocabulary", never)
    settings = budget_options(
        prepared,
        tmp_path / "model",
        "0.2s",
        records_dir=None,
        vocab_file=None,
        input_files=(prepared.text,),
        vocab_size=VOCAB_SIZE,
    )
    with pytest.raises(TooShort, match=r"a budget of 0\.2 s, which leaves no time"):
        pretrain.pretrain(settings)
    assert not (tmp_path / "model" / "vocab.txt").exists()


def test_a_plan_of_other_rows(prepared, tmp_path):
    (tmp_path / "plan.json").write_text("{}")
    plan_file = str(tmp_path / "plan.json")
    settings = options(prepared, tmp_path / "model", **PLANNED, plan_file=plan_file)
    with pytest.raises(ValueError, match="is not a plan"):
        pretrain.pretrain(settings)
    assert not (tmp_path / "model").exists()
