import dataclasses
import json

import pytest

from bert_tf.training.plan import (
    Costs,
    Pace,
    Plan,
    Revision,
    Wishes,
    corrected_pace,
    first_pace,
    provisional_pace,
    read_plan,
)

FREE = Costs(evaluation=0.0, checkpoint=0.0, ending=0.0)
PACE = Pace(
    num_train_steps=1000,
    long_from=None,
    checkpoint_every=250,
    log_every=10,
    eval_every=125,
    num_eval_batches=20,
)


def revision(step, rollbacks=0, progress=0.0, **pace):
    return Revision(
        step=step,
        rollbacks=rollbacks,
        progress=progress,
        seconds=1.5,
        seconds_per_step=(0.1,),
        reason="correction",
        pace=dataclasses.replace(PACE, **pace),
    )


@pytest.mark.parametrize(
    ("step", "seconds", "times", "long_from", "expected"),
    [
        # 100 s of steps of 0.1 s, after none or after 50.
        (0, 100.0, (0.1,), None, (1000,)),
        (50, 100.0, (0.1,), None, (1050,)),
        # Parts of steps do not count, and there is no time before now.
        (0, 0.99, (0.5,), None, (1,)),
        (7, -3.0, (0.1,), None, (7,)),
        # 900 short steps of 0.1 s and 100 long ones of 0.5 s.
        (0, 140.0, (0.1, 0.5), 0, (900, 1000)),
        # The same after 300 short ones.
        (300, 110.0, (0.1, 0.5), 0, (900, 1000)),
        # The long ones have begun: their beginning stays.
        (950, 25.0, (0.1, 0.5), 900, (900, 1000)),
        (950, 5.0, (0.1, 0.5), 900, (900, 960)),
        # They are about to: it may be moved still. 160 and 118 more steps.
        (900, 75.0, (0.1, 0.5), 900, (1060, 1178)),
        # It is too late for a tenth of long ones: from now on all are.
        (900, 10.0, (0.1, 0.5), 950, (900, 920)),
    ],
)
def test_steps_that_fit(step, seconds, times, long_from, expected):
    pace = dataclasses.replace(PACE, long_from=long_from)
    if long_from == 0:
        pace = dataclasses.replace(PACE, long_from=10_000)
    # No sum of tenths is exact.
    found = corrected_pace(pace, step, seconds + 1e-6, times, FREE)
    assert found.phase_ends == expected


def test_the_rest_of_the_run_is_in_the_time():
    costs = Costs(evaluation=4.0, checkpoint=2.0, ending=10.0, first_evaluation=1.0)
    assert costs.after_the_last_step == 17
    pace = dataclasses.replace(PACE, eval_every=300, checkpoint_every=400)
    # 900 s of steps: evaluations at 300, 600, checkpoints at 400, 800, and the end.
    found = corrected_pace(pace, 0, 900 + 2 * 4 + 2 * 2 + 17 + 0.1, (1.0,), costs)
    assert found.num_train_steps == 900
    assert (found.eval_every, found.checkpoint_every) == (300, 400)
    # Those that are done cost nothing: only the checkpoint at 800 is to come.
    found = corrected_pace(pace, 650, 250 + 2 + 17 + 0.1, (1.0,), costs)
    assert found.num_train_steps == 900


def test_the_trace_of_long_rows_is_in_the_time_before_they_begin():
    costs = dataclasses.replace(FREE, first_long_step=30.0)
    pace = dataclasses.replace(PACE, long_from=900)
    times = (0.1, 0.5)
    assert corrected_pace(pace, 300, 140.01, times, costs).phase_ends == (900, 1000)
    assert corrected_pace(pace, 950, 25.01, times, costs).phase_ends == (900, 1000)


def first(seconds, *, per_step=(0.1,), per_batch=0.05, wishes=Wishes(), batches=100):  # noqa: B008
    return first_pace(10, seconds, per_step, per_batch, FREE, wishes, batches)


def test_the_first_plan_of_a_long_run():
    found = first(10_000.0)
    # 5 s for an evaluation, eight of them, and 100 s of them would be a hundredth.
    assert found.num_eval_batches == 100
    assert found.eval_every == pytest.approx(found.num_train_steps / 8, rel=0.01)
    assert found.checkpoint_every == pytest.approx(found.num_train_steps / 4, rel=0.01)
    assert found.log_every == pytest.approx(found.num_train_steps / 100, rel=0.02)
    assert found.num_train_steps == pytest.approx(10 + (10_000 - 8 * 5) / 0.1, abs=10)


@pytest.mark.parametrize(
    ("seconds", "num_batches", "evaluations"),
    # A twentieth of the time is for evaluations, of batches of 0.05 s.
    [(1000.0, 100, 8), (300.0, 100, 3), (50.0, 50, 1), (0.5, 1, 1)],
)
def test_evaluations_take_a_small_share(seconds, num_batches, evaluations):
    found = first(seconds)
    assert found.num_eval_batches == num_batches
    expected = (seconds - num_batches * 0.05) / 0.1 / evaluations
    assert found.eval_every == pytest.approx(expected, rel=0.1, abs=15)


def test_wishes_are_kept():
    wishes = Wishes(checkpoint_every=7, log_every=3, eval_every=11, num_eval_batches=5)
    found = first(1000.0, wishes=wishes)
    assert (found.checkpoint_every, found.log_every) == (7, 3)
    assert (found.eval_every, found.num_eval_batches) == (11, 5)
    # An evaluation of 0.25 s each eleven steps.
    assert found.num_train_steps == pytest.approx(1000 / (0.1 + 0.25 / 11), rel=0.01)


def test_without_held_out_batches_there_is_nothing_to_evaluate():
    found = first(100.0, batches=0)
    assert (found.num_eval_batches, found.num_train_steps) == (0, 1010)


def test_a_first_plan_without_time():
    assert first(-5.0).num_train_steps == 10


def test_provisional_steps_are_rather_too_many():
    found = provisional_pace(100.0, (0.01, 0.05), Wishes(), 20)
    assert found.num_train_steps == pytest.approx(100 / 0.014, abs=2)
    assert found.long_from == pytest.approx(0.9 * 100 / 0.014, abs=2)
    assert min(found.eval_every, found.checkpoint_every) > found.num_train_steps
    few = provisional_pace(-1.0, (1.0,), Wishes(log_every=3), 20)
    assert (few.num_train_steps, few.log_every) == (1000, 3)


def test_progress_is_linear_from_revision_to_end():
    found = revision(100, progress=0.5, num_train_steps=200)
    assert [found.progress_at(step) for step in (100, 150, 200, 300)] == [
        *(0.5, 0.75, 1, 1)
    ]
    assert revision(100, progress=0.5, num_train_steps=100).progress_at(100) == 0.5


def test_the_revision_in_force():
    plan = Plan(60.0, [revision(0), revision(10), revision(90), revision(50, 1)])
    places = {(0, 0): 0, (9, 0): 0, (10, 0): 1, (89, 0): 1, (95, 0): 2}
    places |= {(50, 1): 3, (95, 1): 3}
    for (step, rollbacks), number in places.items():
        assert plan.at(step, rollbacks) is plan.revisions[number], (step, rollbacks)


def test_a_plan_at_a_checkpoint():
    used = {40: 10.0, 90: 20.0}
    plan = Plan(60.0, [revision(0), revision(60), revision(50, 1)], used)
    assert plan.until(50, 0).revisions == plan.revisions[:1]
    assert plan.until(60, 0).revisions == plan.revisions[:2]
    assert plan.until(60, 1).revisions == plan.revisions
    assert plan.until(60, 0).used == {40: 10.0}


def test_a_plan_is_read_as_it_was_written(tmp_path):
    path = str(tmp_path / "plan.json")
    third = 1 / 3
    plan = Plan(
        240.0,
        [revision(0), revision(12, progress=third, long_from=900)],
        {500: 61.25},
        total=238.5,
    )
    plan.write(path)
    assert read_plan(path) == plan
    values = json.loads((tmp_path / "plan.json").read_text())
    assert values["revisions"][1]["step"] == 12
    assert values["revisions"][1]["num_train_steps"] == 1000


@pytest.mark.parametrize(
    "text",
    ["{}", '{"revisions": [], "used": {}}', '{"revisions": [{"step": 1}], "used": {}}'],
)
def test_files_that_are_no_plans(tmp_path, text):
    path = tmp_path / "other.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"other\.json is not a plan .*Expected the"):
        read_plan(str(path))
