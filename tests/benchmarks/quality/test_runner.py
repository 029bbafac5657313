"""The steps of a benchmark: each once, whatever stops it."""

import pytest

from benchmarks import machine
from benchmarks.quality import runner
from benchmarks.quality.results import Point
from benchmarks.quality.runner import run_missing


def test_each_step_runs_once(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(runner, "description", lambda: {"processor": "old"})
    ran = []
    broken = {("modern", "heldout")}

    def steps():
        for name in ("pretrain", "heldout", "blimp"):
            for side in ("modern", "bert"):

                def run(place=(side, name)):
                    ran.append(place)
                    if place in broken:
                        raise ValueError("There is no time to train.")
                    return {"figure": 0.5}

                yield Point(side, 5.0, 0), name, run

    path = str(tmp_path / "results.jsonl")
    with pytest.raises(ValueError, match="modern_5_minutes_seed_0 failed; see"):
        run_missing(steps(), path)
    assert "heldout failed. There is no time to train." in capsys.readouterr().err
    assert ran == [
        ("modern", "pretrain"),
        ("bert", "pretrain"),
        ("modern", "heldout"),
        ("bert", "heldout"),
        ("bert", "blimp"),
    ]
    # The same command goes on where it was.
    ran.clear()
    broken.clear()
    results = run_missing(steps(), path)
    assert ran == [("modern", "heldout"), ("modern", "blimp")]
    assert len(results) == 6
    assert results[0].values == {"figure": 0.5}
    assert results[0].machine == {"processor": "old"}


def test_the_machine_is_measured():
    assert machine.description()["float32_gflops"] > 0
