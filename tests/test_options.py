"""The numbers among the options of all programs."""

import dataclasses
import importlib
import pathlib
import re
import typing

import pytest
from absl import flags

from bert_tf.comparison.options import CompareOptions
from bert_tf.finetuning.options import FinetuneOptions
from bert_tf.pretraining.options import PretrainOptions
from data_pipelines.programs import cli

_ROOT = pathlib.Path(__file__).parents[1]


def _programs():
    """The class of the options of each program, by its module."""
    for package in ("bert_tf", "data_pipelines"):
        for path in sorted((_ROOT / package).rglob("*.py")):
            found = re.search(r"^    cli\.run\((\w+),", path.read_text(), re.MULTILINE)
            if found:
                name = ".".join(path.relative_to(_ROOT).with_suffix("").parts)
                yield name, found[1]


PROGRAMS = dict(_programs())


def test_all_programs_are_found():
    assert {"bert_tf.pretrain", "bert_tf.ngram.evaluate"} <= PROGRAMS.keys()
    assert len(PROGRAMS) > 15


@pytest.mark.parametrize("program", PROGRAMS)
def test_flags_of_numbers_that_are_none(program):
    options = getattr(importlib.import_module(program), PROGRAMS[program])
    hints = typing.get_type_hints(options)
    names = [
        field.name
        for field in dataclasses.fields(options)
        if hints[field.name] in (float, float | None)
    ]
    for name in names:
        for value in ("nan", "inf", "-inf", "1e400"):
            values = flags.FlagValues()
            cli.define_flags(options, values)
            with pytest.raises(flags.Error, match=f"--{name}={value}: not a finite"):
                values(["program", f"--{name}={value}"])


@pytest.mark.parametrize("value", ["nan", "inf"])
@pytest.mark.parametrize(
    ("options", "names"),
    [
        (
            FinetuneOptions,
            ("learning_rate", "num_epochs", "layer_decay", "lm_weight", "dropout"),
        ),
        (
            PretrainOptions,
            (
                *("holdout_fraction", "mlm_rate", "mask_rate", "random_rate"),
                *("learning_rate", "beta_2", "weight_decay"),
            ),
        ),
        (CompareOptions, ("num_epochs", "holdout_fraction")),
    ],
    ids=["finetune", "pretrain", "compare"],
)
def test_options_of_python(options, names, value):
    required = {
        field.name: "x"
        for field in dataclasses.fields(options)
        if field.default is cli.REQUIRED
    }
    if options is PretrainOptions:
        required["input_files"] = ("x",)
    for name in names:
        with pytest.raises(ValueError, match=name):
            options(**required, **{name: float(value)})
