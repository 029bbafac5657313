"""The folder of a run: its options, its inputs, and the one process that writes."""

import dataclasses
import json
import pathlib
import re

import pytest
import tensorflow as tf

from bert_tf.training import output_dir
from bert_tf.training.output_dir import claim
from data_pipelines.files.locks import locked_folder
from data_pipelines.programs import cli


@dataclasses.dataclass(frozen=True)
class Options:
    seed: int = cli.option(0, "")
    lines: str = cli.option("auto", "")
    names: tuple[str, ...] = cli.option(("a", "b"), "")
    switch: bool | None = cli.option(None, "")


def test_an_option_that_the_run_did_not_know_had_its_default(tmp_path):
    (tmp_path / "options.json").write_text(json.dumps({"seed": 0}))
    (tmp_path / "vocab.txt").touch()
    assert not claim(str(tmp_path), Options(), ())
    with pytest.raises(ValueError, match="lines was 'auto', received 'wrapped'"):
        claim(str(tmp_path), Options(lines="wrapped"), ())
    # A switch was off, where its default depends on other options.
    assert not claim(str(tmp_path), Options(switch=False), ())
    with pytest.raises(ValueError, match="switch was None, received True"):
        claim(str(tmp_path), Options(switch=True), ())


# --- Inputs.


@pytest.fixture
def inputs(tmp_path):
    """The files of two inputs of a run that has been claimed and begun."""
    paths = {name: str(tmp_path / name) for name in ("a1", "a2", "b")}
    for name, path in paths.items():
        pathlib.Path(path).write_text(name)
    return {"a": [paths["a1"], paths["a2"]], "b": [paths["b"]], "none": []}


@pytest.fixture
def run(tmp_path, inputs):
    folder = tmp_path / "run"

    def run(**changes):
        return claim(str(folder), Options(), (), {**inputs, **changes})

    assert not run()
    (folder / "vocab.txt").touch()
    return run


def finish(tmp_path):
    (tmp_path / "run" / "model.safetensors").touch()


def test_the_same_inputs(run, tmp_path, capsys):
    assert not run()
    finish(tmp_path)
    assert run()
    assert "holds the finished model" in capsys.readouterr().out


@pytest.mark.parametrize("is_finished", [False, True])
def test_inputs_that_differ_are_named(run, inputs, tmp_path, is_finished):
    if is_finished:
        finish(tmp_path)
    for name in ("a2", "b"):
        (tmp_path / name).write_text("other")
    what = "model trained on" if is_finished else "run on"
    expected = (
        f"{tmp_path}/run holds a {what} other inputs. a: {tmp_path}/a2 has changed; b: "
        f"{tmp_path}/b has changed. Nothing is overwritten: restore what it began with"
    )
    with pytest.raises(ValueError, match=re.escape(expected)):
        run()
    # One of several that is gone is named, too; all of them are not needed.
    with pytest.raises(ValueError, match="a1 is gone"):
        run(a=inputs["a"][1:], b=[])
    assert run(a=[], b=[]) == is_finished


def test_inputs_that_join_later(run, tmp_path):
    (tmp_path / "c").write_text("c")
    assert not run(c=[str(tmp_path / "c")])
    (tmp_path / "c").write_text("d")
    with pytest.raises(ValueError, match=r"inputs\. c: .*/c has changed"):
        run(c=[str(tmp_path / "c")])
    assert not run()


def test_a_run_that_failed_at_once_may_have_other_inputs(tmp_path, inputs):
    folder = str(tmp_path / "run")
    assert not claim(folder, Options(), (), inputs)
    (tmp_path / "run" / "options.json.tmp").touch()
    (tmp_path / "b").write_text("other")
    assert not claim(folder, Options(seed=1), (), inputs)
    (tmp_path / "run" / "vocab.txt").touch()
    assert not claim(folder, Options(seed=1), (), inputs)


def test_damaged_fingerprints(run, tmp_path):
    (tmp_path / "run" / "inputs.json").write_text("{")
    with pytest.raises(ValueError, match=r"inputs\.json is not JSON .* is damaged"):
        run()


def test_a_worker_learns_that_the_chief_refuses(tmp_path, monkeypatch):
    strategy, answers = tf.distribute.get_strategy(), iter([False])
    monkeypatch.setattr(output_dir, "is_chief", lambda _: False)
    monkeypatch.setattr(output_dir, "all_agree", lambda *_: next(answers))
    with pytest.raises(OSError, match="the first worker has refused the output_dir"):
        output_dir.claim_for_all(strategy, str(tmp_path / "run"), Options(), ())
    assert not (tmp_path / "run").exists()


def test_the_chief_tells_before_it_raises(tmp_path, monkeypatch):
    told = []

    def all_agree(_, answer):
        told.append(answer)
        return answer

    monkeypatch.setattr(output_dir, "all_agree", all_agree)
    strategy = tf.distribute.get_strategy()
    with (
        locked_folder(str(tmp_path / "run")),
        pytest.raises(BlockingIOError),
        output_dir.locked_for_all(strategy, str(tmp_path / "run")),
    ):
        pass
    assert told == [False]


def test_other_workers_hold_no_lock(tmp_path, monkeypatch):
    monkeypatch.setattr(output_dir, "is_chief", lambda _: False)
    strategy, folder = tf.distribute.get_strategy(), str(tmp_path / "run")
    with locked_folder(folder), output_dir.locked_for_all(strategy, folder):
        pass
