import keras
import numpy as np
import pytest

from bert_tf.optim.schedule import WarmupLinearDecay


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
