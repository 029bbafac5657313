"""The quick starts of the README, as they are written, on a very small model."""

import os
import pathlib
import re
import subprocess
import sys

import pytest

from tests.end_to_end.tasks import write_model
from tests.shared import SHARED, needs_shared

ROOT = pathlib.Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def section(title: str) -> str:
    return README.split(f"## {title}\n")[1].split("\n## ")[0]


def blocks(text: str) -> list[str]:
    """The indented blocks of a section, without their indent."""
    found = re.findall(r"(?:^ {4}.*\n|^\n(?= {4}))+", text, re.MULTILINE)
    return [re.sub(r"^ {4}", "", block, flags=re.MULTILINE).strip() for block in found]


@pytest.fixture
def folder(tmp_path):
    """A folder in which the demo has left its model."""
    write_model(tmp_path / "demo" / "model", max_position_embeddings=128)
    return tmp_path


def run(command, folder):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_python(folder):
    (program,) = blocks(section("Quick start: Python"))
    run([sys.executable, "-c", program], folder)
    assert (folder / "models" / "own" / "model.safetensors").exists()
    assert (folder / "saved_models" / "own" / "1" / "saved_model.pb").exists()


def commands() -> list[str]:
    text = "\n".join(blocks(section("Quick start: command line")))
    lines = text.replace("\\\n", " ").splitlines()
    return [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]


@pytest.mark.slow
@pytest.mark.long
@needs_shared
def test_command_line(folder):
    outputs = []
    for command in commands():
        if "bert_tf.serve" in command or command.startswith("curl"):
            continue  # Of tests/bert_tf/serving/server.
        command = command.replace("python -m", f"{sys.executable} -m")
        command = command.replace("--data_dir=data", f"--data_dir={SHARED}")
        if "bert_tf.finetune" in command:
            command += " --max_train_examples=64 --baselines=false"
        outputs.append(run(["bash", "-c", command], folder))
    blanks, _, answer, export = outputs
    assert '"tokens"' in blanks
    assert '"prediction"' in answer
    assert export.startswith("Wrote saved_models/sst2/1 with the signatures classify")
