"""Runs on simulated machines: the time of each part is a number."""

import dataclasses
import itertools

import pytest

from bert_tf.optim.planned_decay import PlannedLinearDecay
from bert_tf.training.budget import Budget, TooShort
from bert_tf.training.budget_planner import BudgetPlanner, Workload
from bert_tf.training.plan import Wishes, read_plan
from bert_tf.training.planner import RecordedPlanner


@dataclasses.dataclass
class Machine:
    """A machine, and the part of the training loop that the planner sees.

    Attributes:
        step_seconds: of a step; it may be changed while the run trains.
        now: seconds since the start of the command.
        long_steps: so many times longer is a step of long rows.
        tracing: of the first step of each length in a process.
        evaluation_batch, checkpoint, ending: of these parts of the run.
        keeps_rates: whether the learning rate of each step is noted.
    """

    step_seconds: float = 0.1
    now: float = 10.0
    long_steps: float = 5.0
    tracing: float = 8.0
    evaluation_batch: float = 0.03
    checkpoint: float = 0.4
    ending: float = 3.0
    keeps_rates: bool = False

    def __post_init__(self):
        self.evaluated, self.saved_at, self.rates = [], [], {}

    def __call__(self):
        return self.now

    def planner(self, path, budget, *, long=False, wishes=Wishes(), num_batches=20):  # noqa: B008
        least = (0.02, 0.1) if long else (0.02,)
        self.messages = []
        return BudgetPlanner(
            str(path),
            PlannedLinearDecay(1.0),
            self.messages.append,
            Budget(budget, self),
            Workload(least, 4_000_000, num_batches),
            wishes,
        )

    def run(self, planner, step=0, rollbacks=0, *, until=None, changes=None):
        """Trains to the end, or is killed after `until`; returns the steps done."""
        pace = planner.begin(step, rollbacks)
        traced = set()
        while step < pace.num_train_steps and step != until:
            self.step_seconds *= (changes or {}).get(step, 1.0)
            is_long = pace.long_from is not None and step >= pace.long_from
            self.now += self.step_seconds * (self.long_steps if is_long else 1.0)
            self.now += 0 if is_long in traced else self.tracing
            traced.add(is_long)
            if self.keeps_rates:
                self.rates[step] = float(planner.schedule(step))
            step += 1
            if planner.is_due(step):
                pace = planner.revise(step)
            at_end = step == pace.num_train_steps
            if step % pace.eval_every == 0 or at_end:
                with planner.timed("evaluation"):
                    self.now += planner.num_eval_batches * self.evaluation_batch
                self.evaluated.append(step)
            if step % pace.checkpoint_every == 0 or step in pace.phase_ends:
                with planner.timed("checkpoint"):
                    self.now += self.checkpoint
                self.saved_at.append(step)
                planner.saved(step)
        self.now += self.ending
        return step


@pytest.mark.parametrize("long", [False, True], ids=["one length", "two lengths"])
@pytest.mark.parametrize("budget", [90.0, 240.0, 3600.0])
@pytest.mark.parametrize("step_seconds", [0.01, 0.1, 1.0])
def test_a_run_ends_in_time_and_uses_it(tmp_path, budget, step_seconds, long):
    machine = Machine(step_seconds)
    planner = machine.planner(tmp_path / "plan.json", budget, long=long)
    steps = machine.run(planner)
    # One long step more or less, and what the end was too carefully expected to take.
    assert 0.85 * budget - 12 < machine.now <= budget + step_seconds
    assert machine.evaluated[-1] == machine.saved_at[-1] == steps
    assert len(machine.evaluated) <= 9
    assert len(planner.plan.revisions) <= 5
    planner.finish()
    plan = read_plan(planner.path)
    assert plan == planner.plan
    assert plan.total == pytest.approx(machine.now, abs=0.01)
    if long:
        long_from = plan.revisions[-1].pace.long_from
        assert steps - long_from == pytest.approx(0.1 * steps, rel=0.5, abs=3)


def test_an_even_machine_needs_one_correction_at_most(tmp_path):
    machine = Machine()
    planner = machine.planner(tmp_path / "plan.json", 240.0)
    machine.run(planner)
    reasons = [revision.reason for revision in planner.plan.revisions]
    # Of an evaluation nothing is known in the first plan.
    assert reasons in (
        ["estimate", "first steps"],
        ["estimate", "first steps", "correction"],
    )
    message = machine.messages[0]
    assert message.startswith("Plan at step ") and " of 240 s are used." in message


@pytest.mark.parametrize("factor", [0.5, 1.3, 2.0, 4.0])
@pytest.mark.parametrize("at", [100, 700])
def test_a_machine_that_changes(tmp_path, at, factor):
    machine = Machine()
    planner = machine.planner(tmp_path / "plan.json", 240.0)
    machine.run(planner, changes={at: factor})
    assert 225 < machine.now <= 241
    reasons = {revision.reason for revision in planner.plan.revisions[2:]}
    assert "correction" in reasons


def test_the_rate_is_one_curve(tmp_path):
    machine = Machine(keeps_rates=True)
    planner = machine.planner(tmp_path / "plan.json", 240.0)
    steps = machine.run(planner, changes={700: 2.0})
    rates = [machine.rates[step] for step in range(steps)]
    assert rates[0] == 0
    assert max(rates) == pytest.approx(1.0, abs=0.02)
    assert rates[-1] == pytest.approx(0.0, abs=0.02)
    jumps = [abs(one - other) for one, other in itertools.pairwise(rates)]
    assert max(jumps) < 0.02
    top = rates.index(max(rates))
    assert rates[:top] == sorted(rates[:top])
    assert rates[top:] == sorted(rates[top:], reverse=True)


@pytest.mark.parametrize("long", [False, True], ids=["one length", "two lengths"])
def test_a_killed_run_plans_the_rest_anew(tmp_path, long):
    path = tmp_path / "plan.json"
    first = Machine(keeps_rates=True)
    planner = first.planner(path, 240.0, long=long)
    first.run(planner, until=900)
    checkpoint = first.saved_at[-1]
    used = read_plan(str(path)).used[checkpoint]
    known = [r for r in planner.plan.revisions if r.step <= checkpoint]
    # On a machine of half the speed.
    second = Machine(0.2, keeps_rates=True)
    planner = second.planner(path, 240.0, long=long)
    steps = second.run(planner, checkpoint)
    assert planner.plan.revisions[: len(known)] == known
    added = [revision.reason for revision in planner.plan.revisions[len(known) :]]
    assert added[0] == "resumed" and added.count("resumed") == 1
    # What led to the checkpoint, and all of the second process.
    assert 225 < used + second.now <= 241
    # The rates are those of the record.
    again = Machine(keeps_rates=True)
    schedule = PlannedLinearDecay(1.0)
    record = RecordedPlanner(
        str(tmp_path / "again.json"), read_plan(str(path)), schedule, print
    )
    assert again.run(record) == steps
    rates = {**first.rates, **second.rates}
    assert again.rates == {step: rates[step] for step in range(steps)}
    assert again.saved_at[-1] == steps
    assert read_plan(str(tmp_path / "again.json")) == planner.plan


def test_a_run_killed_before_its_first_checkpoint_begins_anew(tmp_path):
    path = tmp_path / "plan.json"
    machine = Machine()
    machine.run(machine.planner(path, 240.0), until=150)
    assert not machine.saved_at
    machine = Machine()
    planner = machine.planner(path, 240.0)
    machine.run(planner)
    assert 225 < machine.now <= 240
    reasons = [revision.reason for revision in planner.plan.revisions]
    assert reasons[:2] == ["estimate", "first steps"]
    assert "resumed" not in reasons


def test_a_longer_budget_for_a_stopped_run(tmp_path):
    path = tmp_path / "plan.json"
    first = Machine()
    first.run(first.planner(path, 240.0), until=900)
    checkpoint = first.saved_at[-1]
    used = read_plan(str(path)).used[checkpoint]
    second = Machine()
    second.run(second.planner(path, 480.0), checkpoint)
    assert 455 < used + second.now <= 480


def test_a_resumed_run_without_time_ends_at_once(tmp_path):
    path = tmp_path / "plan.json"
    first = Machine()
    first.run(first.planner(path, 240.0), until=900)
    checkpoint = first.saved_at[-1]
    second = Machine(now=300.0)
    planner = second.planner(path, 240.0)
    assert second.run(planner, checkpoint) == checkpoint + 1
    assert planner.plan.revisions[-1].reason == "the time is up"


@pytest.mark.parametrize("now", [75.0, 85.0])
def test_a_budget_without_time_for_steps(tmp_path, now):
    machine = Machine(now=now)
    planner = machine.planner(tmp_path / "plan.json", 90.0)
    with pytest.raises(TooShort, match=r"start \d+ s, first steps \d+ s.*--budget=\dm"):
        machine.run(planner)
    assert not machine.saved_at


def test_a_run_that_goes_back_to_a_checkpoint(tmp_path):
    """Its rates are in the record as well."""
    path = tmp_path / "plan.json"
    machine = Machine(keeps_rates=True)
    planner = machine.planner(path, 240.0)
    machine.run(planner, until=900, changes={400: 1.5})
    checkpoint = machine.saved_at[-1]
    lost = dict(machine.rates)
    machine.now -= machine.ending
    before = planner.plan.at(checkpoint, 0).progress_at(checkpoint)
    pace = planner.roll_back(checkpoint, 1)
    assert planner.plan.revisions[-1].progress == before
    assert float(planner.schedule(checkpoint)) == pytest.approx(
        lost[checkpoint], abs=1e-3
    )
    assert pace.num_train_steps < planner.plan.at(900, 0).pace.num_train_steps
    rates = [float(planner.schedule(step)) for step in range(checkpoint, 950)]
    record = RecordedPlanner(
        str(tmp_path / "again.json"),
        read_plan(str(path)),
        PlannedLinearDecay(1.0),
        print,
    )
    again = Machine(keeps_rates=True)
    again.run(record, until=900)
    assert again.rates == lost
    assert record.roll_back(checkpoint, 1) == pace
    found = [float(record.schedule(step)) for step in range(checkpoint, 950)]
    assert found == rates
