"""What the folders promise: data flows one way, and importing does nothing."""

import ast
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parent.parent
PACKAGES = ("bert_tf", "data_pipelines", "ngram", "word_vectors")
MODULES = sorted(
    path.relative_to(ROOT)
    for package in PACKAGES
    for path in (ROOT / package).rglob("*.py")
)
VERBS = {
    "pretrain",
    "finetune",
    "evaluate",
    "export",
    "predict",
    "extract_features",
    "demo",
    "model_size",
    "serve",
    "neighbors",
    "convert",
    "compare",
}


def imports(path):
    """Modules of this project that a file imports, wherever it does so."""
    found = set()
    for node in ast.walk(ast.parse((ROOT / path).read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    names = {name_of(module) for module in MODULES}
    return {name for name in found if name in names}


def name_of(path):
    return ".".join(path.with_suffix("").parts).removesuffix(".__init__")


GRAPH = {name_of(path): imports(path) - set(PACKAGES) for path in MODULES}


def test_pipelines_do_not_know_the_model():
    for name, found in GRAPH.items():
        if not name.startswith("bert_tf"):
            assert not [other for other in found if other.startswith("bert_tf")], name
        # Beside it stand packages that do not know each other.
        for package in ("data_pipelines", "ngram", "word_vectors"):
            if name.startswith(package):
                allowed = ("data_pipelines", package)
                assert all(other.startswith(allowed) for other in found), name


@pytest.mark.parametrize("package", ["bert_tf.layers", "bert_tf.optim"])
def test_layers_know_nothing_above_them(package):
    for name, found in GRAPH.items():
        if name.startswith(package):
            allowed = ("bert_tf.layers", package)
            assert all(other.startswith(allowed) for other in found), name


def test_verbs_are_on_top():
    for name, found in GRAPH.items():
        below = {other.removeprefix("bert_tf.") for other in found} & VERBS
        if below and name != "bert_tf.demo":
            # Sizes are also asked for by the training of a model.
            assert below == {"model_size"} and name == "bert_tf.pretrain"


def test_no_cycles():
    done, path = set(), []

    def visit(name):
        assert name not in path, " -> ".join([*path, name])
        if name not in done:
            path.append(name)
            for other in GRAPH[name]:
                visit(other)
            done.add(path.pop())

    for name in GRAPH:
        visit(name)


_IMPORT_ALL = """
import sys
from absl import flags
before = set(flags.FLAGS)
import importlib
for name in sys.argv[1:]:
    importlib.import_module(name)
ours = {f for f in set(flags.FLAGS) - before
        if flags.FLAGS.find_module_defining_flag(f).split(".")[0]
        in ("bert_tf", "data_pipelines", "ngram", "word_vectors")}
assert not ours, ours
from tensorflow.python.eager import context
assert context.context()._context_handle is None, "a device was chosen"
"""


def test_importing_defines_no_flag_and_touches_no_device():
    names = [name_of(path) for path in MODULES]
    subprocess.run([sys.executable, "-c", _IMPORT_ALL, *names], check=True, cwd=ROOT)
