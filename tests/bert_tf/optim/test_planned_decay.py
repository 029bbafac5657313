import pytest
import tensorflow as tf

from bert_tf.optim.planned_decay import PlannedLinearDecay


@pytest.mark.parametrize(
    ("step", "rate"),
    [(0, 0.0), (5, 1.0), (10, 2.0), (55, 1.0), (100, 0.0), (120, 0.0)],
)
def test_rates_of_one_plan(step, rate):
    schedule = PlannedLinearDecay(2.0, warmup_share=0.1)
    schedule.follow(0, 0.0, 100)
    assert float(schedule(step)) == pytest.approx(rate, abs=1e-6)


def test_a_revision_changes_the_slope_and_not_the_rate():
    schedule = PlannedLinearDecay(2.0, warmup_share=0.1)
    rate = tf.function(schedule, autograph=False)
    schedule.follow(0, 0.0, 100)
    before = float(rate(tf.constant(55)))
    assert before == pytest.approx(1.0)
    # The same trace: half of the work is left, for nine steps instead of 45.
    schedule.follow(55, 0.55, 64)
    assert float(rate(tf.constant(55))) == pytest.approx(before)
    assert float(rate(tf.constant(59))) == pytest.approx(5 / 9)
    assert float(rate(tf.constant(64))) == 0


def test_the_end_may_be_now():
    schedule = PlannedLinearDecay(1.0)
    schedule.follow(7, 0.5, 7)
    assert float(schedule(7)) == pytest.approx(0.5 / 0.9)


def test_steps_beyond_the_exact_numbers_of_float32():
    schedule = PlannedLinearDecay(1.0)
    first = 2**24
    schedule.follow(first, 0.5, first + 4)
    rates = [float(schedule(tf.constant(first + n, tf.int64))) for n in range(5)]
    assert rates == pytest.approx([(0.5 - n / 8) / 0.9 for n in range(5)], abs=1e-6)


def test_config_round_trip():
    schedule = PlannedLinearDecay(2.0, 0.2)
    again = PlannedLinearDecay(**schedule.get_config())
    for one in (schedule, again):
        one.follow(0, 0.0, 10)
    assert float(again(1)) == float(schedule(1)) == pytest.approx(1.0)
