import dataclasses
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest
from absl import flags

from bert_tf.comparison import programs
from bert_tf.evaluate import EvaluateOptions
from data_pipelines.programs import cli


@dataclasses.dataclass(frozen=True)
class Options:
    files: tuple[str, ...] = ()
    seed: int = 0
    dtype: str | None = None
    is_fast: bool = False
    fail: int = 0


def test_a_command_as_a_user_writes_it():
    found = programs.command("bert_tf.pretrain", Options())
    assert found == ["python", "-m", "bert_tf.pretrain"]
    options = Options(("a", "b"), seed=5, dtype="x", is_fast=True)
    assert programs.command("bert_tf.pretrain", options)[3:] == [
        "--files=a,b",
        "--seed=5",
        "--dtype=x",
        "--is_fast=True",
    ]


def test_the_program_gets_the_options_that_were_given():
    options = EvaluateOptions(
        model_dir="m", choice_columns=("a", "b"), records_dir="r", sequence_length=64
    )
    flag_values = flags.FlagValues()
    cli.define_flags(EvaluateOptions, flag_values)
    flag_values(programs.command("bert_tf.evaluate", options)[2:])
    assert cli.options_from_flags(EvaluateOptions, flag_values) == options


def test_output_is_kept_and_a_failure_is_told(tmp_path, monkeypatch):
    (tmp_path / "hello.py").write_text(
        "import sys\nprint('one')\nprint('two', file=sys.stderr)\n"
        "sys.exit(3 if '--fail=1' in sys.argv else 0)\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    log = tmp_path / "log.txt"
    assert programs.run("hello", Options(), str(log)) > 0
    with pytest.raises(programs.Failed, match=r"hello ended with 3: (one|two)"):
        programs.run("hello", Options(fail=1), str(log))
    lines = log.read_text().split("\n")
    assert "$ python -m hello" in lines and "$ python -m hello --fail=1" in lines
    assert lines.count("one") == lines.count("two") == 2


_PARENT = """
import dataclasses, signal, sys
from bert_tf.comparison import programs
@dataclasses.dataclass
class Options: pass
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
programs.run("child", Options(), sys.argv[1])
"""


@pytest.mark.slow
def test_who_is_stopped_stops_its_program_and_waits(tmp_path):
    (tmp_path / "child.py").write_text(
        "import signal, sys, time, pathlib\n"
        "here = pathlib.Path(__file__).parent\n"
        "def stop(*_):\n"
        "    print('saving ' * 20_000)\n"  # More than a pipe holds.
        "    time.sleep(0.5)\n"
        "    (here / 'saved').write_text('')\n"
        "    sys.exit(143)\n"
        "signal.signal(signal.SIGTERM, stop)\n"
        "(here / 'started').write_text('')\n"
        "time.sleep(60)\n"
    )
    root = pathlib.Path(__file__).parents[3]
    log_file = tmp_path / "parent.txt"
    with log_file.open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", _PARENT, str(tmp_path / "log.txt")],
            env={**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{root}"},
            stderr=log,
        )
    until = time.monotonic() + 60
    while not (tmp_path / "started").exists() and time.monotonic() < until:
        assert process.poll() is None, log_file.read_text()
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=20) == 143, log_file.read_text()
    assert (tmp_path / "saved").exists()
    assert (tmp_path / "log.txt").read_text().count("saving") == 20_000
