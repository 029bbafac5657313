"""Options of a run that is resumed by a later version of its program."""

import dataclasses
import json

import pytest

from bert_tf.training.output_dir import claim
from data_pipelines.programs import cli


@dataclasses.dataclass(frozen=True)
class Options:
    seed: int = cli.option(0, "")
    lines: str = cli.option("auto", "")
    names: tuple[str, ...] = cli.option(("a", "b"), "")


def test_an_option_that_the_run_did_not_know_had_its_default(tmp_path):
    (tmp_path / "options.json").write_text(json.dumps({"seed": 0}))
    (tmp_path / "vocab.txt").touch()
    assert not claim(str(tmp_path), Options(), ())
    with pytest.raises(ValueError, match="lines was 'auto', received 'wrapped'"):
        claim(str(tmp_path), Options(lines="wrapped"), ())
