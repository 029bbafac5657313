"""Programs show nothing but their own lines: no library's notes among them."""

import os
import re
import subprocess
import sys

import pytest

from tests.bert_tf.serving.fine_tuned_models import write_model
from tests.end_to_end.pretraining_runs import ROOT, command, options

# Lines of absl in C++, Python's warnings and tracebacks. What our own Python code logs
# by absl names a file of Python.
OF_LIBRARIES = re.compile(
    r"[IWEF]\d{4} .*\.(cc|cpp|h):\d+\] |WARNING: All|To enable the following|"
    r".*Warning: |Traceback|.*(oneDNN|cuda|CUDA|absl::)"
)


def lines_of(*program, code=0, text=""):
    """All lines of a program, of which none is a library's."""
    environment = {**os.environ}
    environment.pop("TF_CPP_MIN_LOG_LEVEL", None)
    run = subprocess.run(
        program, cwd=ROOT, env=environment, input=text, capture_output=True, text=True
    )
    assert run.returncode == code, run.stderr
    lines = (run.stdout + run.stderr).splitlines()
    assert not [line for line in lines if OF_LIBRARIES.match(line)]
    return lines


def verb(name, *flags, **arguments):
    return lines_of(sys.executable, "-m", "bert_tf", name, *flags, **arguments)


@pytest.mark.slow
@pytest.mark.long
def test_pretraining_and_what_follows(prepared, tmp_path):
    model = tmp_path / "model"
    changes = {"jit_compile": "on", "num_train_steps": 4, "num_warmup_steps": 1}
    assert lines_of(*command(options(prepared, model, **changes)))
    folder = f"--saved_models_dir={tmp_path}/exported"
    assert verb("export", f"--model_dir={model}", "--name=own", folder)
    given = (f"--model_dir={model}", "--signature=fill_mask")
    assert verb("predict", *given, text="the [MASK] sat\n")


@pytest.mark.slow
def test_processes_of_a_pool(prepared, tmp_path):
    text = tmp_path / "text"
    text.mkdir()
    for number in range(2):
        (text / f"{number}.txt").write_text("The cat sat on the mat. " * 100)
    records = (
        f"--input_files={text}/*.txt",
        f"--vocab_file={prepared.vocab_file}",
        f"--output_dir={tmp_path}/records",
        "--num_processes=2",
    )
    assert verb("create_pretraining_data", *records)


@pytest.mark.long
@pytest.mark.slow
def test_fine_tuned(tmp_path):
    model = write_model(tmp_path / "model", "classification")
    assert verb("predict", f"--model_dir={model}", text="the cat\n")
    assert verb("model_size", "--preset=tiny")
