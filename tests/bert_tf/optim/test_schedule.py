import keras
import numpy as np
import pytest

from bert_tf.optim.schedule import WarmupConstant, WarmupLinearDecay


@pytest.mark.parametrize(
    ("step", "rate"),
    [
        (0, 0.0),
        (5, 1.0),
        (9, 1.8),
        (10, 1.8),
        (50, 1.0),
        (99, 0.02),
        (100, 0),
        (120, 0),
    ],
)
def test_rates(step, rate):
    # As google-research/bert: the decay counts from step 0, so that the rate jumps
    # down a little at the end of the warm-up (2 * 0.9 at step 10).
    schedule = WarmupLinearDecay(2.0, num_train_steps=100, num_warmup_steps=10)
    assert float(schedule(step)) == pytest.approx(rate, abs=1e-6)


def test_without_warmup_it_begins_at_the_peak():
    schedule = WarmupLinearDecay(2.0, num_train_steps=4)
    rates = [float(schedule(step)) for step in range(5)]
    np.testing.assert_allclose(rates, [2, 1.5, 1, 0.5, 0])


def test_config_round_trip():
    schedule = WarmupLinearDecay(2.0, 100, 10)
    config = keras.optimizers.schedules.serialize(schedule)["config"]
    assert float(WarmupLinearDecay(**config)(7)) == float(schedule(7))


@pytest.mark.parametrize(
    ("step", "rate"),
    [
        (0, 0.0),
        (5, 1.0),
        (10, 2.0),
        (50, 2.0),
        (80, 2.0),
        (90, 1.0),
        (100, 0),
        (120, 0),
    ],
)
def test_a_constant_rate_and_a_cool_down(step, rate):
    schedule = WarmupConstant(2.0, 100, num_warmup_steps=10, num_cooldown_steps=20)
    assert float(schedule(step)) == pytest.approx(rate, abs=1e-6)
    later = WarmupConstant(2.0, 100, 10, 20, first_step=1000)
    assert float(later(1000 + step)) == pytest.approx(rate, abs=1e-6)
    config = keras.optimizers.schedules.serialize(later)["config"]
    assert config == later.get_config()
    assert float(WarmupConstant(**config)(1042)) == float(later(1042))


def test_a_constant_rate_alone():
    schedule = WarmupConstant(2.0, 4)
    assert [float(schedule(step)) for step in range(4)] == [2.0] * 4
