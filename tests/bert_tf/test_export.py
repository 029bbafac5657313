"""What an export writes: a SavedModel that needs nothing of ours, and its kit."""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import sysconfig

import numpy as np
import pytest
import tensorflow as tf
import yaml
from google.protobuf import text_format
from tensorflow_serving.apis import prediction_log_pb2
from tensorflow_serving.config import model_server_config_pb2

from bert_tf import export
from bert_tf.checkpoints import model_dir
from bert_tf.serving import kit, saved_model
from bert_tf.serving.warmup import FILE as WARMUP
from tests.bert_tf.serving.fine_tuned_models import (
    KIND_ARGUMENTS,
    examples_of,
    predictor_of,
    write_model,
)
from tests.bert_tf.serving.graphs import meta_graph, ops_of
from tests.bert_tf.small_models import VOCABULARY, randomize, small_config

# The slow tests look at two kinds, the long ones at all.
MARKS = {"regression": [pytest.mark.slow], "token_tagging": [pytest.mark.slow]}
KINDS = [
    pytest.param(kind, marks=MARKS.get(kind, [pytest.mark.slow, pytest.mark.long]))
    for kind in ("pretraining", *KIND_ARGUMENTS)
]
TEXTS = ("The [MASK] sat.", "", "the cat [SEP] sat", "the" + " cat" * 40)


def inputs_of(kind):
    if kind == "pretraining":
        return {"texts": TEXTS}
    inputs = examples_of(kind)[1]
    return {name: list(values) for name, values in inputs.items()}


def answers_here(saved_model, inputs):
    signature = tf.saved_model.load(saved_model).signatures["serving_default"]
    tensors = {name: tf.constant(values) for name, values in inputs.items()}
    return {name: value.numpy() for name, value in signature(**tensors).items()}


# --- Other programs.

_BARE = """
import json, sys
import tensorflow as tf
import tensorflow_text
signature = tf.saved_model.load(sys.argv[1]).signatures["serving_default"]
inputs = {name: tf.constant(v) for name, v in json.loads(sys.argv[2]).items()}
answers = {name: value.numpy().tolist() for name, value in signature(**inputs).items()}
ours = [m for m in sys.modules if m.startswith(("bert_tf", "data_pipelines"))]
print(json.dumps([answers, ours], default=lambda b: b.decode()))
"""


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.parametrize("kind", ["pretraining", "span_qa"])
def test_it_answers_without_this_project(exported, kind, tmp_path):
    _, path = exported(kind)
    inputs = inputs_of(kind)
    run = subprocess.run(
        [sys.executable, "-c", _BARE, path, json.dumps(inputs)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={k: v for k, v in os.environ.items() if k != "PYTHONPATH"},
    )
    assert run.returncode == 0, run.stderr
    answers, ours = json.loads(run.stdout)
    assert not ours
    assert_same(answers, answers_here(path, inputs))


def assert_same(found, expected):
    assert set(found) == set(expected)
    for name, values in expected.items():
        if values.dtype == object:
            texts = np.char.decode(values.astype(bytes), "utf-8")
            assert np.array_equal(found[name], texts), name
        else:
            np.testing.assert_allclose(found[name], values, atol=1e-5, err_msg=name)


@pytest.fixture(scope="module")
def ask(tmp_path_factory):
    """A C program that asks a SavedModel, and the op library that it loads."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        pytest.skip("there is no C compiler")
    packages = pathlib.Path(sysconfig.get_path("purelib"))
    tensorflow = pathlib.Path(tf.sysconfig.get_lib())
    program = tmp_path_factory.mktemp("c") / "ask"
    source = pathlib.Path(__file__).parent / "serving" / "c_api" / "ask.c"
    command = [compiler, "-std=c11", "-Wall", "-Werror", str(source)]
    command += ["-I", tf.sysconfig.get_include(), "-o", str(program)]
    command += [
        str(tensorflow / f"libtensorflow_{n}.so.2") for n in ("cc", "framework")
    ]
    command += [f"-Wl,-rpath,{tensorflow}"]
    subprocess.run(command, check=True)
    folder = packages / "tensorflow_text" / "python" / "ops"
    names = ("fast_wordpiece_tokenizer", "normalize_ops")
    return str(program), [str(folder / f"_{name}.so") for name in names]


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.parametrize("kind", [k for k in KINDS if "choice" not in k.values[0]])
def test_it_answers_in_c(exported, ask, kind):
    """TensorFlow's C API, as TF Serving has it: no Python in the way."""
    program, libraries = ask
    _, path = exported(kind)
    signature = meta_graph(path).signature_def["serving_default"]
    inputs = {name: [t for t in v if t] for name, v in inputs_of(kind).items()}
    count = min(map(len, inputs.values()))
    inputs = {name: values[:count] for name, values in inputs.items()}
    arguments = [
        f"{signature.inputs[name].name}={text}"
        for name, texts in inputs.items()
        for text in texts
    ]
    names = sorted(signature.outputs)
    outputs = [signature.outputs[name].name for name in names]
    run = subprocess.run(
        [program, path, *libraries, "--", *arguments, "--", *outputs],
        capture_output=True,
    )
    assert run.returncode == 0, run.stderr.decode()
    lines = iter(run.stdout.decode().split("\n"))
    for name, values in ((n, answers_here(path, inputs)[n]) for n in names):
        found = [next(lines) for _ in range(int(next(lines)))]
        if values.dtype == object:
            assert found == [value.decode() for value in values.flat], name
        else:
            np.testing.assert_allclose(
                np.array(found, float), values.astype(float).flat, atol=1e-5
            )


# Of the ops that TF Serving links beside TensorFlow's own: its BUILD names
# @org_tensorflow_text//tensorflow_text:ops_lib, see tensorflow_text/BUILD.
TEXT_OPS = {"FastWordpieceTokenizeWithOffsets", "NormalizeUTF8"}


@pytest.mark.parametrize("kind", KINDS)
def test_every_op_is_one_of_tf_serving(exported, core_ops, kind):
    used = ops_of(exported(kind)[1])
    assert used - core_ops == TEXT_OPS
    assert len(used & core_ops) > 50


@pytest.mark.long
@pytest.mark.slow
def test_only_signatures_of_xla_need_xla(exported):
    """TF Serving on a CPU answers XLA with an error unless it is told to compile."""
    content = meta_graph(exported("pretraining")[1])
    functions = {f.signature.name: f for f in content.graph_def.library.function}
    nodes = {node.name: node for node in content.graph_def.node}

    def compiles(function):
        if function.attr["_XlaMustCompile"].b:
            return True
        called = (v.func.name for n in function.node_def for v in n.attr.values())
        return any(compiles(functions[name]) for name in called if name in functions)

    found = {}
    for name, signature in content.signature_def.items():
        for output in signature.outputs.values():
            called = nodes[output.name.split(":")[0]].attr["f"].func.name
            if called in functions:
                found[name] = compiles(functions[called])
    assert {name for name, does in found.items() if does} == {
        "fill_mask_xla",
        "embed_xla",
        "similarity_xla",
        "features_xla",
    }
    assert not found["serving_default"] and not found["fill_mask_fixed"]


# --- Assets and kit.


@pytest.mark.slow
def test_assets(exported):
    _, path = exported("token_tagging")
    assert sorted(os.listdir(f"{path}/assets")) == [
        "bert_config.json",
        "model.json",
        "model_card.md",
        "options.json",
        "tokenization.json",
        "vocab.txt",
    ]
    card = pathlib.Path(path, "assets", "model_card.md").read_text()
    assert card.startswith("# token_tagging, version 1\n")
    for line in (
        "| labels | O, B-X, I-X, B-YZ, I-YZ |",
        "| casing | lower-cased |",
        "| longest sequence | 10 tokens |",
        "| seed | 0 |",
        f"| tensorflow | {tf.__version__} |",
        "| tag_words | `words` string [None, None] |",
    ):
        assert line in card
    assert not [name for name in os.listdir(os.path.dirname(path)) if "card" in name]


@pytest.mark.slow
def test_metrics_are_on_the_card(tmp_path):
    folder = write_model(tmp_path / "model", "regression")
    (tmp_path / "model" / "dev_metrics.json").write_text('{"pearson": 0.875}')
    path = saved_model.export(folder, "a", saved_models_dir=str(tmp_path / "saved"))
    card = pathlib.Path(path, "assets", "model_card.md").read_text()
    assert "| pearson | 0.875 |" in card
    assert os.path.exists(f"{path}/assets/dev_metrics.json")


@pytest.mark.long
@pytest.mark.parametrize("kind", KINDS)
def test_warmup_requests_are_answered(exported, kind):
    _, path = exported(kind)
    signatures = tf.saved_model.load(path).signatures
    asked = set()
    for record in tf.data.TFRecordDataset(f"{path}/{WARMUP}").as_numpy_iterator():
        request = prediction_log_pb2.PredictionLog.FromString(
            record
        ).predict_log.request
        assert request.model_spec.name == kind
        name = request.model_spec.signature_name
        inputs = {k: tf.make_ndarray(v) for k, v in request.inputs.items()}
        found = signatures[name](**{k: tf.constant(v) for k, v in inputs.items()})
        rows = {len(values) for values in inputs.values()}
        assert {len(values) for values in found.values()} == rows
        asked.add(name)
    expected = {n for n in signatures if not n.endswith("_xla")}
    assert asked == expected - {"classify", "regress"}


@pytest.mark.long
@pytest.mark.slow
def test_methods_of_tf_serving(exported):
    """What its Classify and Regress APIs ask for, model_servers and servables."""
    signatures = meta_graph(exported("classification")[1]).signature_def
    classify = signatures["classify"]
    assert classify.method_name == "tensorflow/serving/classify"
    assert set(classify.inputs) == {"inputs"}
    assert set(classify.outputs) == {"classes", "scores"}
    regress = meta_graph(exported("regression")[1]).signature_def["regress"]
    assert regress.method_name == "tensorflow/serving/regress"
    assert set(regress.inputs) == {"inputs"} and set(regress.outputs) == {"outputs"}
    others = {
        n: s
        for n, s in signatures.items()
        if n not in ("classify", "__saved_model_init_op")
    }
    assert {s.method_name for s in others.values()} == {"tensorflow/serving/predict"}


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.parametrize("kind", ["classification", "regression"])
def test_serialized_examples(exported, kind):
    signatures = tf.saved_model.load(exported(kind)[1]).signatures
    texts = ["the cat", "a dog ran"]
    serialized = []
    for text in texts:
        example = tf.train.Example()
        example.features.feature["text"].bytes_list.value.append(text.encode())
        serialized.append(example.SerializeToString())
    expected = signatures["serving_default"](texts=tf.constant(texts))
    if kind == "regression":
        found = signatures["regress"](inputs=tf.constant(serialized))
        np.testing.assert_allclose(found["outputs"], expected["score"], atol=1e-6)
        return
    found = signatures["classify"](inputs=tf.constant(serialized))
    assert np.array_equal(found["classes"], expected["labels"])
    np.testing.assert_allclose(found["scores"], expected["probabilities"], atol=1e-6)


def test_an_export_answers_as_predict_does(exported):
    folder, path = exported("regression")
    examples, inputs = examples_of("regression")
    expected = [answer.score for _, answer in predictor_of(folder).answers(examples)]
    found = answers_here(path, inputs)["score"]
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_kit_of_an_export(exported):
    saved = pathlib.Path(exported("regression")[1]).parent.parent
    assert set(os.listdir(saved)) == {"regression", kit.MODELS, *kit.FILES}


def test_kit(tmp_path):
    saved = tmp_path
    assert kit.write_kit(str(saved), "one") == [kit.MODELS, *kit.FILES]
    for name in ("compose.yaml", "kubernetes.yaml", "prometheus.yml"):
        assert list(yaml.safe_load_all((saved / name).read_text()))
    text = (saved / "compose.yaml").read_text()
    for name in ("batching_parameters.txt", "monitoring.config", kit.MODELS):
        assert f"/models/{name}" in text and (saved / name).exists()
    (saved / "compose.yaml").write_text("of the user")
    lists = saved / kit.MODELS
    # A label that the user has given.
    config = text_format.Parse(
        lists.read_text(), model_server_config_pb2.ModelServerConfig()
    )
    config.model_config_list.config[0].version_labels["stable"] = 1
    lists.write_text(text_format.MessageToString(config))
    assert kit.write_kit(str(saved), "two") == [kit.MODELS]
    assert kit.write_kit(str(saved), "two") == []
    assert (saved / "compose.yaml").read_text() == "of the user"
    models = text_format.Parse(
        lists.read_text(), model_server_config_pb2.ModelServerConfig()
    ).model_config_list.config
    assert [(m.name, m.base_path) for m in models] == [
        ("one", "/models/one"),
        ("two", "/models/two"),
    ]
    assert models[0].version_labels == {"stable": 1}
    # Comments stay, as everything that a user has written.
    lists.write_text("# mine\n" + lists.read_text())
    assert kit.write_kit(str(saved), "three") == [kit.MODELS]
    assert lists.read_text().startswith("# mine\nmodel_config_list")
    text_format.Parse(lists.read_text(), model_server_config_pb2.ModelServerConfig())
    lists.write_text("broken {")
    with pytest.raises(ValueError, match="is not a list of models"):
        kit.write_kit(str(saved), "four")
    folder = write_model(tmp_path / "model", "regression")
    with pytest.raises(ValueError, match="is not a list of models"):
        saved_model.export(folder, "four", saved_models_dir=str(saved))
    assert not (saved / "four").exists()


def test_an_export_needs_no_package_for_the_messages_of_tf_serving():
    serving = pathlib.Path(kit.__file__).parents[1]
    files = [
        pathlib.Path(export.__file__),
        *serving.glob("*.py"),
        *serving.glob("kit/*.py"),
    ]
    users = {f.name for f in files if "tensorflow_serving" in f.read_text()}
    assert users == {"client.py"}


# --- Versions.


@pytest.mark.long
@pytest.mark.slow
def test_versions(tmp_path):
    folder = write_model(tmp_path / "model", "regression")
    base = str(tmp_path / "saved")
    assert saved_model.export(folder, "a", saved_models_dir=base) == f"{base}/a/1"
    assert saved_model.export(folder, "a", 7, saved_models_dir=base) == f"{base}/a/7"
    assert saved_model.export(folder, "a", saved_models_dir=base) == f"{base}/a/8"
    with pytest.raises(ValueError, match=r"a/7 exists already .* such as 9"):
        saved_model.export(folder, "a", 7, saved_models_dir=base)
    assert sorted(os.listdir(f"{base}/a")) == ["1", "7", "8"]
    saved_model.export(folder, "a", saved_models_dir=base, keep=2)
    assert sorted(os.listdir(f"{base}/a")) == ["8", "9"]


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("version", [None, 3])
def test_two_exports_at_once(tmp_path, version):
    folder = write_model(tmp_path / "model", "regression")
    saved = tmp_path / "saved"
    command = [sys.executable, "-m", "bert_tf.export", f"--model_dir={folder}"]
    command += ["--name=a", f"--saved_models_dir={saved}", "--keep=1"]
    command += [f"--version={version}"] if version else []
    runs = [
        subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(2)
    ]
    errors = [run.communicate(timeout=300)[1] for run in runs]
    codes = sorted(run.returncode for run in runs)
    found = sorted(name for name in os.listdir(saved / "a") if name.isdigit())
    if version is None:
        assert codes == [0, 0] and found == ["1", "2"], errors
    else:
        assert codes == [0, 1] and found == ["3"], errors
        assert sum("3 exists already" in error for error in errors) == 1
        assert not any("Traceback" in error for error in errors)
    for number in found:
        card = (saved / "a" / number / "assets" / "model_card.md").read_text()
        assert card.startswith(f"# a, version {number}\n")
        assert answers_here(str(saved / "a" / number), {"texts": ["the cat"]})


@pytest.mark.parametrize("name", ["", "a/b", ".hidden", "a b", "a#b", kit.MODELS])
def test_bad_names(tmp_path, name):
    with pytest.raises(ValueError, match="Received the model name"):
        saved_model.export("none", name, saved_models_dir=str(tmp_path))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"version": 0}, "version=0. Expected numbers above 0"),
        ({"keep": 0}, "keep=0. Expected numbers above 0"),
        ({"pooling": "cls"}, "pooling=cls for a model of kind regression"),
    ],
)
def test_bad_arguments(tmp_path, arguments, message):
    folder = write_model(tmp_path / "model", "regression")
    with pytest.raises(ValueError, match=message):
        saved_model.export(folder, "a", saved_models_dir=str(tmp_path), **arguments)
    assert not (tmp_path / "a").exists()


def test_a_failed_export_leaves_nothing(tmp_path, monkeypatch):
    folder = write_model(tmp_path / "model", "regression")

    def fail(model, path, signatures):
        os.makedirs(f"{path}/variables")
        raise OSError("disk full")

    monkeypatch.setattr(saved_model.tf.saved_model, "save", fail)
    with pytest.raises(OSError, match="disk full"):
        saved_model.export(folder, "a", saved_models_dir=str(tmp_path / "saved"))
    assert not list((tmp_path / "saved").rglob("*/*"))
    assert not (tmp_path / "saved" / kit.MODELS).exists()


@pytest.mark.slow
def test_an_encoder_alone(tmp_path, capsys):
    """Without heads and pooler: vectors."""
    description = model_dir.Description("pretraining", head={"mlm_head": False})
    model = model_dir.make_model(small_config(pooler=False), description)
    randomize(model)
    folder = str(tmp_path / "model")
    model_dir.save(folder, model, VOCABULARY, description, {})
    saved = str(tmp_path / "saved")
    export.main(
        export.ExportOptions(model_dir=folder, name="x", saved_models_dir=saved)
    )
    line = capsys.readouterr().out.split("\n")[0]
    assert line.endswith("signatures attention, embed, encode, features, similarity.")
    found = answers_here(f"{saved}/x/1", {"texts": ["the cat"]})
    assert set(found) == {"cls", "mean", "sentence", "truncated"}
    with pytest.raises(ValueError, match=r"has no pooler\. Expected mean or cls"):
        saved_model.export(folder, "x", saved_models_dir=saved, pooling="pooled")


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.parametrize("precision", ["bfloat16", "int8"])
def test_narrow_weights_are_smaller(tmp_path, precision):
    config = small_config(hidden_size=64, intermediate_size=512, num_attention_heads=4)
    folder = write_model(tmp_path / "model", "regression", config)
    saved = str(tmp_path / "saved")

    def size(path):
        files = pathlib.Path(path, "variables").iterdir()
        return sum(file.stat().st_size for file in files)

    wide = size(saved_model.export(folder, "wide", saved_models_dir=saved))
    path = saved_model.export(folder, "a", saved_models_dir=saved, precision=precision)
    assert size(path) < wide * {"bfloat16": 0.6, "int8": 0.4}[precision]
    found = answers_here(path, {"texts": ["the cat", ""]})
    assert np.isfinite(found["score"]).all()


@pytest.mark.parametrize(
    ("precision", "rate", "expected"),
    [
        ("float32", 1e11, None),
        ("int8", 1e11, "products are computed in float32"),
        ("bfloat16", 1.1e11, "at 110 GFLOP/s in bfloat16 and at 100 in float32: here"),
        ("bfloat16", 4e11, None),
    ],
)
def test_what_a_precision_does_not_give(monkeypatch, precision, rate, expected):
    rates = {"float32": 1e11, "bfloat16": rate}
    monkeypatch.setattr(export, "peak_flops_per_second", rates.__getitem__)
    note = export.speed_note(precision)
    assert note is None if expected is None else expected in note
