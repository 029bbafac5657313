import os
import subprocess
import sys

import pytest

from data_pipelines.programs.backend import require_tensorflow

EXPECTED = "Expected 'tensorflow' for {}: set the environment variable KERAS_BACKEND"


@pytest.fixture
def before_keras(monkeypatch, tmp_path):
    """A process that has not imported Keras, and whose Keras has no settings."""
    monkeypatch.delitem(sys.modules, "keras")
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    return monkeypatch


def test_tensorflow_is_the_default(before_keras):
    require_tensorflow("it")


@pytest.mark.parametrize("name", ["jax", "torch", "numpy", "none"])
def test_the_environment_is_read(before_keras, name):
    before_keras.setenv("KERAS_BACKEND", name)
    with pytest.raises(ImportError, match=f"{name}' from KERAS_BACKEND. Expected"):
        require_tensorflow("it")


@pytest.mark.parametrize("content", ['{"backend": "jax"}', "{}", "[]", "{"])
def test_the_file_is_read(before_keras, tmp_path, content):
    path = tmp_path / "keras.json"
    path.write_text(content)
    if "jax" in content:
        with pytest.raises(ImportError, match=f"'jax' from {path}"):
            require_tensorflow("it")
        # As in Keras, the environment wins, and a broken file is ignored.
        before_keras.setenv("KERAS_BACKEND", "tensorflow")
    require_tensorflow("it")


def test_an_imported_keras_is_asked(monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    require_tensorflow("it")


@pytest.mark.parametrize(
    "module", ["bert_tf.pretrain", "bert_tf.ngram.train", "data_pipelines.tokenize"]
)
def test_a_program_ends_with_one_line(module):
    found = _run("torch", "-m", module, "--help")
    assert found.returncode == 1
    assert found.stdout == ""
    (line,) = found.stderr.splitlines()
    assert line.startswith("error: Received the Keras backend 'torch' from KERAS_B")
    assert EXPECTED.format("this program") in line


def test_classes_that_need_tensorflow_say_so():
    code = """
import importlib, sys
import bert_tf
for name in ("api", "training", "serving", "prediction"):
    try:
        importlib.import_module(f"bert_tf.{name}")
    except ImportError as error:
        print(error)
try:
    bert_tf.TextClassifier
except ImportError as error:
    print(error)
assert "keras" not in sys.modules
"""
    found = _run("torch", "-c", code)
    assert found.returncode == 0, found.stderr
    lines = found.stdout.splitlines()
    rooms = ("api", "training", "serving", "prediction", "api")
    for line, room in zip(lines, rooms, strict=True):
        assert EXPECTED.format(f"bert_tf.{room}") in line


def _run(backend, *arguments):
    return subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, "KERAS_BACKEND": backend},
    )
