"""The ablations: changes that exist, in an order that a stopped run can use."""

import pytest

from benchmarks.quality.changes import CHANGES
from benchmarks.quality.results import Point, Result
from benchmarks.quality_ablations import AblationsOptions, steps, table
from bert_tf.pretraining.options import PretrainOptions


def options_of(**changes):
    return AblationsOptions(data_dir="data", work_dir="work", **changes)


@pytest.mark.parametrize("name", CHANGES)
def test_changes_are_possible(name):
    change = CHANGES[name]
    assert change.made_config().vocab_size == change.vocab_size
    options = PretrainOptions(
        output_dir="out",
        records_dir="records",
        vocab_file="vocab.txt",
        budget="10m",
        family="compact",
        **change.options,
    )
    assert options.longest_row <= change.made_config().max_sequence_length
    assert change.described() or name == "base"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"changes": ("bass",)}, r"Received changes=\['bass'\]. Expected some of base"),
        ({"changes": ()}, "Expected some of"),
        ({"minutes": "0"}, "Received budget='0m'. Expected a number above 0"),
        ({"num_seeds": 0}, "Received num_seeds=0"),
    ],
)
def test_options_that_make_no_model(changes, message):
    with pytest.raises(ValueError, match=message):
        options_of(**changes)


def test_a_stopped_run_has_the_first_seed_of_all():
    options = options_of(
        changes=("base", "deep"), minutes="5", evaluations=("blimp",), num_seeds=2
    )
    assert [(point, step) for point, step, _ in steps(options)] == [
        (Point(name, 5.0, seed), step)
        for seed in (0, 1)
        for name in ("base", "deep")
        for step in ("pretrain", "blimp")
    ]


def test_table():
    def result(side, seed, step, **values):
        return Result(Point(side, 5.0, seed), step, 1.0, values, {}, "")

    rows = table(
        [
            result("base", 0, "pretrain", tokens=2_000_000),
            result("base", 0, "heldout", bits_per_byte=2.0, word_accuracy=0.1),
            result("base", 1, "heldout", bits_per_byte=2.5, word_accuracy=0.2),
            result("deep", 0, "blimp", accuracy=0.55),
        ]
    ).splitlines()
    assert rows[2] == "| base | 2 | 2.00 | 2.250 | 15.0 | – | – |  |"
    assert rows[3] == (
        "| deep | 1 | – | – | – | 55.0 | – | num_hidden_layers=8, "
        "intermediate_size=384 |"
    )
