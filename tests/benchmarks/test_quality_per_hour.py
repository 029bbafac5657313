"""The steps of the benchmark: each once, whatever stops it."""

import json

import pytest

from benchmarks import quality_per_hour
from benchmarks.quality.recipe_90_minutes import mini_config, scaled_files
from benchmarks.quality.results import Point
from benchmarks.quality_per_hour import QualityOptions, training_program, work_of
from bert_tf.models.size import pretraining_step_flops
from bert_tf.training.plan import PLAN, Pace, Plan, Revision


def options_of(folder, **changes):
    values = {
        "data_dir": str(folder / "data"),
        "work_dir": str(folder / "work"),
        "results_file": str(folder / "results.jsonl"),
        **changes,
    }
    return QualityOptions(**values)


def test_sides_of_a_budget_follow_each_other(tmp_path):
    options = options_of(
        tmp_path, sides=("bert", "modern"), minutes=("5", "0.5"), num_seeds=2
    )
    assert [(p.side, p.minutes, p.seed) for p in options.points()] == [
        *(("bert", 5.0, 0), ("modern", 5.0, 0), ("bert", 5.0, 1), ("modern", 5.0, 1)),
        *(("bert", 0.5, 0), ("modern", 0.5, 0), ("bert", 0.5, 1), ("modern", 0.5, 1)),
    ]
    module, found = training_program(options, options.points()[5])
    assert (module, found.family, found.budget) == ("bert_tf.pretrain", "modern", "30s")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sides": ("berd",)}, r"Received sides=\['berd'\]. Expected some of compact"),
        ({"sides": ()}, "Expected some of"),
        ({"minutes": ("0",)}, "Received budget='0m'. Expected a number above 0"),
        ({"num_seeds": 0}, "Received num_seeds=0"),
    ],
)
def test_options_that_make_no_points(tmp_path, changes, message):
    with pytest.raises(ValueError, match=message):
        options_of(tmp_path, **changes)


def test_missing_data(tmp_path):
    with pytest.raises(FileNotFoundError, match="matches nothing"):
        quality_per_hour.main(options_of(tmp_path))
    assert not (tmp_path / "work").exists()


def test_all_pre_train_before_any_is_evaluated(tmp_path):
    options = options_of(tmp_path, sides=("modern", "bert"), full=True)
    found = [(point.side, step) for point, step, _ in quality_per_hour.work(options)]
    assert found[:6] == [
        *(("modern", "pretrain"), ("bert", "pretrain")),
        *(("modern", "heldout"), ("bert", "heldout")),
        *(("modern", "blimp"), ("bert", "blimp")),
    ]
    assert found[-1] == ("bert", "paper/ud_ewt")


def test_a_command_that_fails_is_quoted(tmp_path):
    # There is no text.
    options = options_of(tmp_path)
    (tmp_path / "work").mkdir()
    with pytest.raises(ValueError, match=r"matches nothing.* \(all of it: .*\.log\)"):
        quality_per_hour.pretrained(options, Point("bert", 1.0, 0))


def test_the_work_of_a_planned_run(tmp_path):
    config = mini_config()
    (tmp_path / "bert_config.json").write_text(config.to_json())
    options = {"batch_size": 32, "mlm_rate": 0.2}
    options |= {"sequence_length": 64, "long_sequence_length": 256}
    (tmp_path / "options.json").write_text(json.dumps(options))
    paces = [Pace(200, 180, 50, 10, 50, 1), Pace(100, 90, 50, 10, 50, 1)]
    revisions = [Revision(s, 0, 0.0, 1.0, (0.1,), "", p) for s, p in enumerate(paces)]
    Plan(60.0, revisions).write(str(tmp_path / PLAN))
    assert work_of(str(tmp_path)) == {
        "steps": 100,
        "tokens": 90 * 32 * 64 + 10 * 32 * 256,
        "flop": 90 * pretraining_step_flops(config, 32, 64, 13)
        + 10 * pretraining_step_flops(config, 32, 256, 52),
    }


def test_the_recipe_reads_as_much_text_as_it_has_time_for(tmp_path):
    for number in range(16):
        (tmp_path / f"train-{number:02}.jsonl").write_text("{}")
    pattern = str(tmp_path / "*.jsonl")
    counts = [len(scaled_files(pattern, 60 * m)) for m in (1, 5, 15, 90, 180)]
    assert counts == [1, 1, 3, 16, 16]
