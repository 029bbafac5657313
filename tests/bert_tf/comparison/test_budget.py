import json

import pytest

from bert_tf.comparison import budget


def write_trial(folder, rates):
    """A log with a line each ten steps of 8 rows of 32 tokens."""
    values = {"batch_size": 8, "sequence_length": 32}
    (folder / "options.json").write_text(json.dumps(values))
    records = [
        {"split": "train", "step": 10 * number, "tokens_per_second": rate}
        for number, rate in enumerate(rates, start=1)
    ]
    records.insert(1, {"split": "heldout", "step": 10, "loss": 1.0})
    lines = [json.dumps(record) + "\n" for record in records]
    (folder / "metrics.jsonl").write_text("".join(lines))
    return str(folder)


def test_steps_that_fit(tmp_path):
    # The first ten steps compile; then there are two steps a second.
    trial = write_trial(tmp_path, [2.56, *[512.0] * 5])
    # 60 steps take 30 of the 40 seconds; 95 of the other 100 seconds are for steps.
    assert budget.steps_within(110, trial, 40) == 190
    assert budget.steps_within(5, trial, 40) == budget.TRIAL_STEPS
    assert budget.training_seconds(trial) == pytest.approx(1000 + 25)


def test_epochs_that_fit():
    # 10 seconds to count the words, 5 for an epoch.
    assert budget.epochs_within(60, 15, 20) == 10
    assert budget.epochs_within(1, 15, 20) == 1
    assert budget.epochs_within(1000, 15, 20) == 15
