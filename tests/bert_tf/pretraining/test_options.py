import dataclasses

import pytest

from bert_tf.models.families import FAMILIES
from bert_tf.pretraining.options import PretrainOptions


def options(**changes):
    return PretrainOptions(output_dir="x", input_files=("y",), **changes)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_recipe_of_the_family_is_the_default(family):
    assert options(family=family).recipe == FAMILIES[family].recipe


def test_an_option_that_is_given_comes_before_the_recipe():
    changed = options(family="gpt", batch_size=8, learning_rate=1e-3)
    expected = dataclasses.replace(
        FAMILIES["gpt"].recipe, batch_size=8, learning_rate=1e-3
    )
    assert changed.recipe == expected
    assert changed.resolved().optimizer == expected.optimizer
    assert changed.resolved().recipe == expected


@pytest.mark.parametrize(
    ("changes", "learns"),
    [
        ({}, True),
        ({"learn_vectors": False}, False),
        ({"token_vectors": "vectors.bin", "vocab_file": "vocab.txt"}, False),
        ({"initial_model_dir": "model"}, False),
        ({"plan_file": "plan.json"}, False),
        ({"family": "bert"}, False),
        ({"family": "bert", "learn_vectors": True}, True),
    ],
)
def test_compact_learns_vectors_unless_the_token_table_has_another_start(
    changes, learns
):
    given = options(**{"family": "compact", **changes})
    assert given.recipe.learn_vectors == learns
    # A resumed run reads the options that are written out.
    assert given.resolved().recipe.learn_vectors == learns


def test_the_number_format_is_written_out():
    resolved = options(family="compact").resolved()
    assert resolved.dtype in ("float32", "bfloat16")
    assert options(family="compact", dtype="float16").resolved().dtype == "float16"


def test_the_last_tenth_of_the_steps_has_long_rows():
    phases = options(num_train_steps=1000, long_sequence_length=512).phases()
    assert [(end, rows.sequence_length) for end, rows in phases] == [
        (900, 128),
        (1000, 512),
    ]


def test_predictions_of_a_row():
    assert options().rows(128).max_predictions == 20
    assert options(family="gpt").rows(128).max_predictions == 127
    assert options(family="elmo").rows(128).max_predictions == 126


def test_rates_that_do_not_fit_together():
    with pytest.raises(ValueError, match=r"random_rate=0\.3.*sum of the last two"):
        options(mask_rate=0.8, random_rate=0.3)
