import dataclasses
import json

import pytest

from bert_tf.finetuning.results import RunResult, RunSettings, best_result, summaries

SETTINGS = RunSettings(learning_rate=3e-5, batch_size=32, num_epochs=3, seed=0)


def result(accuracy, seed=0, learning_rate=3e-5, collapsed=False, **tests):
    settings = RunSettings(learning_rate, 32, 3, seed)
    metrics = {"accuracy": accuracy, "f1": 0.5}
    tests = {split: {"accuracy": value} for split, value in tests.items()}
    return RunResult(settings, metrics, 100, 1.5, collapsed, tests)


def test_names():
    assert SETTINGS.name == "lr3e-05_batch32_epochs3_seed0"
    half = dataclasses.replace(SETTINGS, num_epochs=0.5, learning_rate=1e-4, seed=7)
    assert half.name == "lr0.0001_batch32_epochs0.5_seed7"


def test_json_round_trip():
    one = result(0.75, seed=3, test=0.5)
    assert RunResult.from_json(dataclasses.asdict(one)) == one
    assert json.loads(json.dumps(dataclasses.asdict(one)))["settings"]["seed"] == 3


@pytest.mark.parametrize("lost", ["settings", "metrics", "settings.seed"])
def test_json_that_lacks_values(lost):
    values = dataclasses.asdict(result(0.75))
    name, _, inner = lost.partition(".")
    del (values[name] if inner else values)[inner or name]
    with pytest.raises(
        ValueError, match=r"result\.json lacks values .*: restore the file"
    ):
        RunResult.from_json(values)


def test_summaries():
    results = [
        result(0.5, seed=0, learning_rate=1e-5, test=0.25),
        result(0.8, seed=0, test=0.6),
        result(0.6, seed=1, collapsed=True, test=0.5),
        result(0.7, seed=2, test=0.7),
    ]
    best, other = summaries(results, "accuracy")
    assert best.settings == results[1].settings
    assert (best.num_runs, best.num_collapsed, best.best) == (3, 1, 0.8)
    assert best.mean == pytest.approx(0.7)
    assert best.deviation == pytest.approx(0.1)
    assert best.tests == {"test": (pytest.approx(0.6), pytest.approx(0.1))}
    assert other.settings.learning_rate == 1e-5
    assert (other.num_runs, other.mean, other.deviation) == (1, 0.5, 0)
    assert other.tests == {"test": (0.25, 0.0)}
    assert summaries([], "accuracy") == []


def test_the_best_run_is_the_first_of_equal_ones():
    results = [result(0.5), result(0.75, seed=1), result(0.75, seed=2)]
    assert best_result(results, "accuracy") is results[1]
    assert best_result(results, "f1") is results[0]
