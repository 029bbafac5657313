import importlib
import os
import pathlib
import signal
import subprocess
import sys
import tomllib

import pytest

from bert_tf import __main__ as command

ROOT = pathlib.Path(__file__).parent.parent.parent


def bert_tf(*arguments):
    """Runs `bert-tf` as its script does."""
    script = (
        "import sys; from bert_tf.__main__ import main; "
        "sys.argv[0] = 'bin/bert-tf'; sys.exit(main())"
    )
    environment = {**os.environ}
    environment.pop("TF_CPP_MIN_LOG_LEVEL", None)
    return subprocess.run(
        [sys.executable, "-c", script, *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
    )


def test_every_program_is_a_verb():
    programs = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for package in ("bert_tf", "data_pipelines")
        for path in (ROOT / package).rglob("*.py")
        if "\n    cli.run(" in path.read_text()
    }
    assert programs == set(command.VERBS.values())
    assert len(command.VERBS) == len(programs)


def test_the_script_of_the_wheel():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    module, _, function = project["scripts"]["bert-tf"].partition(":")
    assert getattr(importlib.import_module(module), function) is command.main


@pytest.mark.parametrize("flag", ["--help", "-h", "help"])
def test_help_lists_the_verbs(flag):
    run = bert_tf(flag)
    assert (run.returncode, run.stderr) == (0, "")
    lines = [line.split(maxsplit=1) for line in run.stdout.splitlines()]
    for verb in command.VERBS:
        (line,) = [line for line in lines if line[:1] == [verb]]
        assert line[1].endswith(".")


def test_no_verb():
    run = bert_tf()
    assert (run.returncode, run.stdout) == (1, "")
    assert run.stderr == command.help_text()


@pytest.mark.parametrize(
    ("verb", "meant"),
    [
        ("pretrian", " Did you mean pretrain?"),
        ("fine-tune", " Did you mean finetune?"),
        ("xyz", ""),
    ],
)
def test_an_unknown_verb_is_one_line(verb, meant):
    run = bert_tf(verb, "--seed=1")
    assert (run.returncode, run.stdout) == (1, "")
    assert run.stderr == (
        f"error: Received the unknown verb {verb!r}.{meant} "
        "bert-tf --help lists all verbs.\n"
    )


def test_the_help_of_a_verb_shows_this_command():
    run = bert_tf("model-size", "--help")
    assert (run.returncode, run.stderr) == (0, "")
    assert "bert-tf model_size --preset" in run.stdout
    assert "\nUsage: bert-tf model_size [--option=value ...]\n" in run.stdout


@pytest.mark.slow
def test_an_error_of_a_verb_is_one_line():
    run = bert_tf("predict", "--model_dir=none")
    assert (run.returncode, run.stdout) == (1, "")
    assert run.stderr.startswith("error: No model folder at 'none'. Expected")
    assert run.stderr.count("\n") == 1


@pytest.mark.long
@pytest.mark.slow
def test_processes_of_a_pool_find_the_verb(tmp_path):
    text = tmp_path / "text"
    text.mkdir()
    for number in range(2):
        (text / f"{number}.txt").write_text("The cat sat on the mat. " * 100)
    run = bert_tf(
        "learn_vocabulary",
        f"--input_files={text}/*.txt",
        f"--vocab_file={tmp_path}/vocab.txt",
        "--vocab_size=20",
        "--num_processes=2",
    )
    assert (run.returncode, run.stderr) == (0, "")
    lines = (tmp_path / "vocab.txt").read_text().splitlines()
    assert "[MASK]" in lines and len(lines) == 20


@pytest.mark.slow
@pytest.mark.parametrize("library", ["/numpy/", "libtensorflow_framework"])
def test_an_interrupt_while_the_verb_is_imported(library):
    with subprocess.Popen(
        [sys.executable, "-m", "bert_tf", "predict"],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        maps = pathlib.Path(f"/proc/{process.pid}/maps")
        while library not in maps.read_text():
            assert process.poll() is None, "It was never loaded."
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(60) == -signal.SIGINT
        assert process.stderr.read() == ""
