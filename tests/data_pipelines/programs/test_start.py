import os
import signal
import subprocess
import sys

import pytest

from data_pipelines.programs import start


@pytest.fixture
def on_interrupt():
    """Sets the handler of Ctrl-C, which is restored."""
    before = signal.getsignal(signal.SIGINT)
    yield lambda handler: signal.signal(signal.SIGINT, handler)
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize(
    ("argv", "command", "is_ours"),
    [
        (["-m"], ["python", "-m", "bert_tf.pretrain", "--seed=1"], True),
        (["-m", "--seed=1"], ["python", "-X", "dev", "-mbert_tf.ngram.train"], True),
        (["-m"], ["python", "-m", "other.program", "bert_tf"], False),
        (["-m"], ["python", "-m", "bert_tf_extras.program"], False),
        (["/pytest/__main__.py"], ["python", "-m", "pytest", "bert_tf.py"], False),
        (["pretrain.py"], ["python", "bert_tf/pretrain.py"], False),
        ([""], ["python"], False),
        ([], ["python"], False),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_only_our_programs_are_started(
    monkeypatch, on_interrupt, argv, command, is_ours
):
    monkeypatch.setattr(sys, "argv", argv)
    monkeypatch.setattr(sys, "orig_argv", command)
    # So that it is restored.
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "1")
    begun = []
    monkeypatch.setattr(start.stderr_filter, "begin", lambda: begun.append(True))
    for handler in (signal.default_int_handler, signal.SIG_IGN):
        on_interrupt(handler)
        start.start_if_program("bert_tf")
        dies = is_ours and handler is signal.default_int_handler
        expected = signal.SIG_DFL if dies else handler
        assert signal.getsignal(signal.SIGINT) is expected
    assert len(begun) == 2 * is_ours


@pytest.mark.parametrize(
    ("machine", "before", "after"),
    [("x86_64", None, "1"), ("x86_64", "0", "0"), ("aarch64", None, None)],
)
def test_onednn_is_on_unless_the_user_says_otherwise(
    monkeypatch, on_interrupt, machine, before, after
):
    monkeypatch.setattr(start.platform, "machine", lambda: machine)
    monkeypatch.setattr(start.stderr_filter, "begin", lambda: None)
    # So that the variable is restored.
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "")
    if before is None:
        monkeypatch.delenv("TF_ENABLE_ONEDNN_OPTS")
    else:
        monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", before)
    on_interrupt(signal.SIG_IGN)
    start.start()
    assert os.environ.get("TF_ENABLE_ONEDNN_OPTS") == after


def program(module, *arguments, **keywords):
    environment = {**os.environ}
    environment.pop("TF_CPP_MIN_LOG_LEVEL", None)
    return subprocess.run(
        [sys.executable, "-m", module, *arguments],
        env=environment,
        capture_output=True,
        text=True,
        **keywords,
    )


def test_a_program_shows_nothing_but_its_own_lines(tmp_path):
    vocabulary = tmp_path / "vocab.txt"
    vocabulary.write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\nb\n")
    run = program(
        "data_pipelines.tokenize", f"--vocab_file={vocabulary}", input="a b\n"
    )
    assert (run.returncode, run.stdout, run.stderr) == (0, "5 6\n", "")


@pytest.mark.parametrize("package", ["bert_tf", "data_pipelines"])
def test_importing_a_package_imports_no_library(package):
    code = f"import {package}, sys; print(*sys.modules)"
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    found = {name.partition(".")[0] for name in run.stdout.split()}
    # What a .pth file of the environment has imported was so before.
    assert not found & {"absl", "jax", "keras", "numpy", "tensorflow", "tqdm"}
    assert package in found
