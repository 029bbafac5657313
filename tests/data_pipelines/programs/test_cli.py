import dataclasses
import math
import os
import signal
import subprocess
import sys
import textwrap
from typing import Literal

import pytest
import tensorflow as tf
from absl import flags

from data_pipelines.programs import cli


@pytest.fixture(autouse=True)
def interrupts_come():
    """In a test run that was started with `&` they are ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@dataclasses.dataclass(frozen=True)
class Options:
    name: str = cli.option(cli.REQUIRED, "A name.")
    count: int = cli.option(3, "A number.")
    rate: float | None = cli.option(None, "A rate.")
    on: bool = cli.option(True, "A switch.")
    kind: Literal["a", "b"] = cli.option("a", "A choice.")
    files: tuple[str, ...] | None = cli.option(None, "Some files.")
    words: tuple[str, ...] = cli.option(("x", "y"), "Some words.")


def parsed(*arguments):
    values = flags.FlagValues()
    cli.define_flags(Options, values)
    values(["program", *arguments])
    return cli.options_from_flags(Options, values)


def test_defaults():
    assert parsed("--name=x") == Options(name="x")


def test_all_kinds():
    options = parsed(
        *("--name=x", "--count=4", "--rate=0.5", "--noon", "--kind=b"),
        *("--files=c,d", "--words="),
    )
    assert options == Options(
        name="x", count=4, rate=0.5, on=False, kind="b", files=("c", "d"), words=()
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--name=x", "--count=many"], "count"),
        (["--name=x", "--kind=c"], "a|b"),
        (["--name=x", "--nmae=y"], "nmae"),
    ],
)
def test_wrong_flags(arguments, message):
    with pytest.raises(flags.Error, match=message):
        parsed(*arguments)


@dataclasses.dataclass(frozen=True)
class TwoAreRequired:
    source: str = cli.option(cli.REQUIRED, "A path.")
    files: tuple[str, ...] = cli.option(cli.REQUIRED, "Some files.")
    length: int | None = cli.option(None, "A number.")


def test_required_flags_are_named_together():
    values = flags.FlagValues()
    cli.define_flags(TwoAreRequired, values)
    values(["program"])
    with pytest.raises(ValueError, match=r"Received no --source, --files\. Expected"):
        cli.options_from_flags(TwoAreRequired, values)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("~/models/mine", "/home/me/models/mine"),
        ("~/", "/home/me/"),
        ("base=~/models/a=b", "base=/home/me/models/a=b"),
        ("~nobody-of-this-name/a", "~nobody-of-this-name/a"),
        ("~", "~"),  # May be a separator.
        ("~5 %", "~5 %"),
        ("a/~/b", "a/~/b"),
        ("./~/b", "./~/b"),
        ("gs://bucket/~/b", "gs://bucket/~/b"),
    ],
)
def test_the_home_directory(monkeypatch, written, expected):
    monkeypatch.setenv("HOME", "/home/me")
    options = parsed(f"--name={written}", f"--files=x/*.txt,{written}")
    assert options.name == expected
    assert options.files == ("x/*.txt", expected)


def test_a_list_is_no_default():
    with pytest.raises(TypeError, match="use a tuple"):
        cli.option([], "Some files.")


def test_positive_numbers():
    cli.require_positive(batch_size=1, rate=0.1, max_pairs=None)
    message = "Received batch_size=0, rate=nan, seconds=inf. Expected numbers above 0"
    with pytest.raises(ValueError, match=message):
        cli.require_positive(batch_size=0, top_k=1, rate=math.nan, seconds=math.inf)


_PROGRAM = textwrap.dedent(
    """
    import dataclasses, os, signal, sys
    from absl import logging
    from data_pipelines.programs import cli

    @dataclasses.dataclass(frozen=True)
    class Options:
        what: str = cli.option("nothing", "What to do.")

    def main(options):
        logging.info("chatter")
        logging.warning("important")
        if options.what == "value":
            raise ValueError("Received\\n  1. Expected 2.")
        if options.what == "disk":
            raise OSError(28, "No space left on device", "file")
        if options.what == "tensorflow":
            import tensorflow as tf
            raise tf.errors.ResourceExhaustedError(None, None, "No space")
        if options.what == "package":
            raise ModuleNotFoundError("Expected the package: install it.")
        if options.what == "bug":
            raise KeyError("a bug")
        if options.what == "interrupt":
            os.kill(os.getpid(), signal.SIGINT)
        if options.what == "lost":
            # As where a library calls Python and reports errors as its own.
            try:
                os.kill(os.getpid(), signal.SIGINT)
            except BaseException:
                raise RuntimeError("A callback failed.")
        if options.what == "terminated":
            os.kill(os.getpid(), signal.SIGTERM)
        if options.what == "hung_up":
            os.kill(os.getpid(), signal.SIGHUP)
        if options.what == "lines":
            while True:
                print("A line.")
        if options.what == "stopped":
            raise cli.Stopped("Saved.", 9)
        if options.what == "seven":
            return 7

    cli.run(Options, main, "Does things.")
    """
)


def command(tmp_path, *arguments):
    path = tmp_path / "program.py"
    path.write_text(_PROGRAM)
    return [sys.executable, str(path), *arguments]


def program(tmp_path, *arguments):
    return subprocess.run(
        command(tmp_path, *arguments),
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ([], 0, ""),
        (["--what=seven"], 7, ""),
        (["--what=value"], 1, "error: Received 1. Expected 2.\n"),
        (["--what=disk"], 1, "error: [Errno 28] No space left on device: 'file'\n"),
        pytest.param(
            *(["--what=tensorflow"], 1, "error: No space\n"), marks=pytest.mark.slow
        ),
        (["--what=package"], 1, "error: Expected the package: install it.\n"),
        (["--what=interrupt"], 130, "error: Interrupted. Nothing was written.\n"),
        (["--what=lost"], 130, "error: Interrupted. Nothing was written.\n"),
        (["--what=terminated"], 143, "error: Stopped by SIGTERM. Nothing was writ"),
        (["--what=hung_up"], 129, "error: Stopped by SIGHUP. Nothing was written.\n"),
        (["--what=stopped"], 9, ""),
        (["stray"], 1, "error: Received the arguments ['stray'], expected only flags"),
        (["--waht=x"], 1, "error: Unknown command line flag 'waht'. Did you mean: "),
        (["--what"], 1, "error: Missing value for flag --what"),
        (["--verbosity=x"], 1, "error: flag --verbosity=x: invalid literal"),
    ],
)
def test_exit_codes_and_one_line(tmp_path, arguments, code, message):
    run = program(tmp_path, *arguments)
    assert run.returncode == code, run.stderr
    assert message in run.stderr
    assert "Traceback" not in run.stderr
    assert "chatter" not in run.stderr
    # TensorFlow says more when it is imported.
    if arguments != ["--what=tensorflow"]:
        is_error, is_warned = code not in (0, 7, 9), "important" in run.stderr
        assert run.stderr.count("\n") == is_error + is_warned


def test_lines_that_nobody_reads(tmp_path):
    run = subprocess.Popen(
        command(tmp_path, "--what=lines"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert run.stdout.readline() == b"A line.\n"
    run.stdout.close()
    assert run.wait(60) == 141
    with run.stderr as errors:
        assert errors.read().count(b"\n") <= 1  # The warning of the program.


@dataclasses.dataclass(frozen=True)
class NoOptions:
    pass


def test_an_error_of_tensorflow_is_one_line(monkeypatch, capsys):
    def fail(_):
        raise tf.errors.ResourceExhaustedError(None, None, "No\n  space")

    monkeypatch.setattr(sys.modules["__main__"], "__doc__", "")
    monkeypatch.setattr(cli, "_quieten_tensorflow", lambda: None)
    codes = []
    monkeypatch.setattr(cli.app, "run", lambda main, **_: codes.append(main(["x"])))
    cli.run(NoOptions, fail, "Fails.")
    assert (codes, capsys.readouterr().err) == ([1], "error: No space\n")


def test_a_bug_shows_its_traceback(tmp_path):
    run = program(tmp_path, "--what=bug")
    assert run.returncode == 1
    assert "Traceback" in run.stderr and "KeyError" in run.stderr


def test_more_is_shown_when_asked_for(tmp_path):
    run = program(tmp_path, "--what=value", "--verbosity=1")
    assert "chatter" in run.stderr and "important" in run.stderr
    assert "Traceback" in run.stderr


@pytest.mark.parametrize(
    "flag", ["--help", "-help", "-h", "-?", "--helpshort", "--helpfull"]
)
def test_help(tmp_path, flag):
    run = program(tmp_path, flag)
    assert (run.returncode, run.stderr) == (0, "")
    assert "Does things." in run.stdout and "What to do." in run.stdout
    assert ("only_check_args" in run.stdout) == (flag == "--helpfull")


def test_other_flags_beside_help(tmp_path):
    run = program(tmp_path, "--nohelp", "--what=seven")
    assert run.returncode == 7
