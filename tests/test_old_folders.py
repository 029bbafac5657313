"""What version 0.1 wrote loads today, and answers as it did then.

`fixtures/written_by_0_1` holds the archives and the answers.
"""

import contextlib
import functools
import io
import json
import pathlib
import runpy
import shutil
import sys
import tarfile
import warnings

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_text  # noqa: F401  (SavedModels of texts need its ops)
from absl import flags

from bert_tf.models.encoder import BertEncoder
from data_pipelines.programs import cli

FIXTURES = pathlib.Path(__file__).parent / "fixtures" / "written_by_0_1"
ANSWERS = json.loads((FIXTURES / "answers.json").read_text())
# The default tests load one folder of each kind of task, and of each tokenizer.
FAST = ("classification", "span_qa", "bert", "roberta", "gpt", "pieces", "words")


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory) -> pathlib.Path:
    folder = tmp_path_factory.mktemp("old")
    for name in ("models", "stopped_run", "saved_models"):
        with tarfile.open(FIXTURES / f"{name}.tar.xz") as archive:
            archive.extractall(folder, filter="data")
    return folder


def run_program(module: str, options: dict, stdin: str = "") -> str:
    """What a program with these flags writes to its standard output."""
    with pytest.MonkeyPatch.context() as patched:
        programs: list = []
        patched.setattr(cli, "run", lambda *program, **_: programs.append(program))
        with warnings.catch_warnings():
            # It was imported before by other tests, which does no harm here.
            warnings.simplefilter("ignore", RuntimeWarning)
            runpy.run_module(module, run_name="__main__")
        ((options_class, verb, _),) = programs
        values = flags.FlagValues()
        cli.define_flags(options_class, values)
        values([module, *(f"--{name}={value}" for name, value in options.items())])
        output = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
        patched.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode())))
        with contextlib.redirect_stdout(output):
            assert not verb(cli.options_from_flags(options_class, values))
        output.flush()
        return output.buffer.getvalue().decode()


def assert_alike(found, expected, place="answer"):
    """Numbers to 1e-5, everything else exactly."""
    if isinstance(expected, dict):
        assert found.keys() == expected.keys(), place
        for name in expected:
            assert_alike(found[name], expected[name], f"{place}.{name}")
    elif isinstance(expected, list):
        assert len(found) == len(expected), place
        for index, pair in enumerate(zip(found, expected, strict=True)):
            assert_alike(*pair, f"{place}[{index}]")
    elif isinstance(expected, float):
        assert found == pytest.approx(expected, rel=1e-5, abs=1e-5), place
    else:
        assert found == expected, place


def of_name(questions, name_of, fast):
    """Slow: other folders, and all questions for vectors but those of one model."""

    def marks(question):
        flags = question.get("flags", {})
        name, asks = name_of(question), flags.get("signature")
        is_fast = name in fast and (asks != "embed" or name == "bert")
        return [] if is_fast else pytest.mark.slow

    return [
        pytest.param(q, id=f"{name_of(q)}-{index}", marks=marks(q))
        for index, q in enumerate(questions)
    ]


def model_name(question):
    flags = question["flags"]
    return pathlib.Path(flags.get("model_dir") or flags["model_file"]).stem


def rows_of(question):
    options = {k: v for k, v in question["flags"].items() if v is not None}
    output = run_program(question["verb"], options, question["stdin"])
    return [json.loads(line) for line in output.splitlines()]


@pytest.mark.parametrize(
    "question",
    of_name(
        [q for q in ANSWERS["predict"] if model_name(q) != "stopped"], model_name, FAST
    ),
)
def test_folders_answer_as_before(unpacked, monkeypatch, question):
    monkeypatch.chdir(unpacked)
    assert_alike(rows_of(question), question["rows"])


@pytest.mark.parametrize(
    "question",
    of_name(
        ANSWERS["signatures"],
        lambda question: question["path"].split("/")[1],
        ("bert", "classification"),
    ),
)
def test_saved_models_answer_as_before(unpacked, question):
    loaded = saved_model(str(unpacked / question["path"]))
    inputs = {name: tf.constant(value) for name, value in question["inputs"].items()}
    outputs = loaded.signatures[question["signature"]](**inputs)
    found = {name: plain(value.numpy()) for name, value in outputs.items()}
    assert_alike(found, question["outputs"])


@functools.cache
def saved_model(path):
    return tf.saved_model.load(path)


def plain(values):
    if values.dtype == object:
        values = np.char.decode(values.astype(bytes), "utf-8")
    return values.tolist()


def test_a_stopped_run_resumes(unpacked, tmp_path, monkeypatch):
    """With the records, the vocabulary and the vectors of then; to the same weights."""
    shutil.copytree(unpacked, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    # 0.1.0 computed all tokens in the last block, too, with other draws of dropout.
    monkeypatch.setattr(BertEncoder, "_can_read_some", lambda *_: False)
    # Compiling takes longer than such a run.
    run_program("bert_tf.pretrain", ANSWERS["stopped"] | {"jit_compile": "off"})
    (question,) = (q for q in ANSWERS["predict"] if model_name(q) == "stopped")
    assert_alike(rows_of(question), question["rows"])
    lines = (tmp_path / "stopped" / "metrics.jsonl").read_text().splitlines()
    steps = [record["step"] for record in map(json.loads, lines)]
    assert steps[-1] == ANSWERS["stopped"]["num_train_steps"]
    # Nothing was done twice.
    assert steps.count(1) == 1


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(path, marks=[] if path == "google" else pytest.mark.slow)
        for path in (
            "google",
            "google_classes",
            "hugging_face_bert",
            "hugging_face_roberta",
            "hugging_face_albert",
            "sentence_transformers",
            "keras_hub",
        )
    ],
)
def test_folders_of_other_formats_convert_as_before(
    unpacked, tmp_path, monkeypatch, name
):
    monkeypatch.chdir(unpacked)
    converted = str(tmp_path / "model")
    source = f"foreign/{name}"
    run_program("bert_tf.convert", {"source": source, "output_dir": converted})
    questions = [q for q in ANSWERS["predict"] if model_name(q) == name]
    assert questions
    for question in questions:
        flags = {**question["flags"], "model_dir": converted}
        assert_alike(rows_of({**question, "flags": flags}), question["rows"])


def test_word_vectors_convert_as_before(unpacked, tmp_path, monkeypatch):
    pytest.importorskip("gensim", reason="the extra word_vectors is not installed")
    monkeypatch.chdir(unpacked)
    converted = str(tmp_path / "model")
    run_program("bert_tf.convert", {"source": "words.txt", "output_dir": converted})
    (question,) = (q for q in ANSWERS["predict"] if model_name(q) == "words")
    flags = {**question["flags"], "model_dir": converted}
    assert_alike(rows_of({**question, "flags": flags}), question["rows"])
