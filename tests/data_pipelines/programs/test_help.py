import dataclasses
import sys
import types
from typing import Literal

import pytest

from data_pipelines.programs import cli
from data_pipelines.programs.help import help_text, program_name


@dataclasses.dataclass(frozen=True)
class Casing:
    """Options of the
    casing.

    More about them.
    """

    lower_case: bool | None = cli.option(None, "Lower-cases the text.")
    seed: int = cli.option(0, "A seed.")


@dataclasses.dataclass(frozen=True)
class Options(Casing):
    rate: float = cli.option(0.5, "A rate, " + "which is explained at length, " * 4)
    output_dir: str = cli.option(cli.REQUIRED, "A folder.")
    names: tuple[str, ...] | None = cli.option(("x", "y"), "Some names.")
    kind: Literal["a", "b"] | None = cli.option(None, "A choice.")
    text: str = cli.option("", "A text.")
    quick: bool = cli.option(False, "A switch.")
    seed: int = cli.option(7, "Another seed.")


DESCRIPTION = """Does things.

    python -m bert_tf.ngram.train --seed=1
    python -m data_pipelines.tokenize < text
"""
EXPECTED = """\
Does things.

    python -m bert_tf.ngram.train --seed=1
    python -m data_pipelines.tokenize < text

Usage: python -m bert_tf.things [--option=value ...]

Options:
  --output_dir=TEXT
      A folder. (required)
  --rate=NUMBER
      A rate, which is explained at length, which is explained at length, which
      is explained at length, which is explained at length, (default: 0.5)
  --names=TEXT,...
      Some names. (default: x,y)
  --kind=a|b
      A choice.
  --text=TEXT
      A text.
  --[no]quick
      A switch. (default: false)
  --seed=INTEGER
      Another seed. (default: 7)

Options of the casing:
  --[no]lower_case
      Lower-cases the text.

"""


def test_the_text():
    found = help_text("python -m bert_tf.things", DESCRIPTION, Options)
    assert found.startswith(EXPECTED)
    assert found.removeprefix(EXPECTED).startswith("--verbosity=1 shows")


def test_examples_are_shown_as_the_program_was_called():
    found = help_text("bert-tf things", DESCRIPTION, Options)
    assert "\n    bert-tf ngram.train --seed=1\n    bert-tf tokenize < text\n" in found
    assert "\nUsage: bert-tf things [--option" in found


@pytest.mark.parametrize(
    ("module", "command", "expected"),
    [
        ("bert_tf.pretrain", ["-m", "bert_tf.pretrain"], "python -m bert_tf.pretrain"),
        ("bert_tf.pretrain", ["-mbert_tf.pretrain"], "python -m bert_tf.pretrain"),
        ("bert_tf.pretrain", ["-m", "bert_tf", "pretrain"], "bert-tf pretrain"),
        ("bert_tf.pretrain", ["bin/bert-tf", "pretrain"], "bert-tf pretrain"),
        ("bert_tf.ngram.train", ["bin/bert-tf", "ngram.train"], "bert-tf ngram.train"),
        ("data_pipelines.tokenize", ["bert-tf", "tokenize"], "bert-tf tokenize"),
        ("benchmarks.x.__main__", ["-m", "benchmarks.x"], "python -m benchmarks.x"),
        (None, ["program.py"], "python program.py"),
    ],
)
def test_the_name_of_the_program(monkeypatch, module, command, expected):
    main = types.ModuleType("__main__")
    main.__spec__ = module and types.SimpleNamespace(name=module)
    monkeypatch.setitem(sys.modules, "__main__", main)
    monkeypatch.setattr(sys, "argv", command[-1:])
    monkeypatch.setattr(sys, "orig_argv", ["python", *command])
    assert program_name() == expected
