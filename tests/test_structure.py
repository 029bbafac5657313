"""The rules of the layout: verbs on top, data flowing one way, quiet imports."""

import ast
import pathlib
import subprocess
import sys
import tomllib

import pytest

ROOT = pathlib.Path(__file__).parent.parent
PACKAGES = ("bert_tf", "data_pipelines")
MODULES = sorted(
    path.relative_to(ROOT)
    for package in PACKAGES
    for path in (ROOT / package).rglob("*.py")
)


def name_of(path):
    return ".".join(path.with_suffix("").parts).removesuffix(".__init__")


def room_of(name):
    """A file directly in a package, or a folder of it with all below."""
    return ".".join(name.split(".")[:2])


def imports(path):
    """Modules of this project that a file imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse((ROOT / path).read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    names = {name_of(module) for module in MODULES}
    return {name for name in found if name in names}


GRAPH = {name_of(path): imports(path) - set(PACKAGES) for path in MODULES}
ROOMS = {
    room: {
        room_of(other)
        for name, found in GRAPH.items()
        if room_of(name) == room
        for other in found
    }
    - {room}
    for room in {room_of(name) for name in GRAPH} - set(PACKAGES)
}
FILES = {
    name_of(path): ROOT / path
    for path in MODULES
    if len(path.parts) == 2 and path.name != "__init__.py"
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_directly_in_a_package_is_a_verb(name):
    assert 'if __name__ == "__main__":' in FILES[name].read_text()


def test_verbs_are_on_top():
    # The demo runs other verbs, and the comparison does so as programs. No other verb
    # of the model knows one of its peers.
    for room, found in ROOMS.items():
        if room not in ("bert_tf.demo", "bert_tf.compare"):
            verbs = {name for name in found & set(FILES) if name.startswith("bert_tf.")}
            assert not verbs, room


def test_pipelines_do_not_know_the_model():
    for name, found in GRAPH.items():
        if name.startswith("data_pipelines"):
            assert not [other for other in found if other.startswith("bert_tf")], name


@pytest.mark.parametrize(
    "room", ["bert_tf.layers", "bert_tf.optim", "bert_tf.ngram", "bert_tf.word_vectors"]
)
def test_ground_rooms_know_no_other_room_of_the_model(room):
    allowed = {
        "bert_tf.layers": set(),
        "bert_tf.optim": {"bert_tf.layers"},
    }
    found = {other for other in ROOMS[room] if other.startswith("bert_tf")}
    assert found <= allowed.get(room, set())


@pytest.mark.parametrize("graph", [GRAPH, ROOMS], ids=["modules", "rooms"])
def test_no_import_circles(graph):
    done, path = set(), []

    def visit(name):
        assert name not in path, " -> ".join([*path, name])
        if name not in done:
            path.append(name)
            for other in graph[name]:
                visit(other)
            done.add(path.pop())

    for name in graph:
        visit(name)


def test_no_graph_is_made_by_autograph():
    # No code here has control flow on tensors. AutoGraph, which looks for some in all
    # functions, takes up to half of the time of a first trace.
    for path in MODULES:
        nodes = list(ast.walk(ast.parse((ROOT / path).read_text())))
        switched_off = [
            node.func
            for node in nodes
            if isinstance(node, ast.Call)
            and "autograph=False" in map(ast.unparse, node.keywords)
        ]
        for node in nodes:
            if isinstance(node, ast.Attribute) and ast.unparse(node) == "tf.function":
                found = f"{path}:{node.lineno}: tf.function without autograph=False"
                assert node in switched_off, found


def test_a_wheel_holds_two_packages():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    found = project["tool"]["setuptools"]["packages"]["find"]
    assert found == {"include": [f"{package}*" for package in PACKAGES]}
    tops = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert tops == {*PACKAGES, "benchmarks", "tests"}


def test_the_checks_run_the_command_of_the_readme():
    command = "requirements-dev.txt && .venv/bin/pytest -n 2\n"
    for file in ("README.md", ".ci/run"):
        assert command in (ROOT / file).read_text()


# Programs can be imported with nothing but what a wheel depends on.
EXTRAS = {
    "gensim",
    "mwparserfromhell",
    "prometheus_client",
    "pyspark",
    "scipy",
    "seqeval",
    "sklearn",
    "starlette",
    "tensorboard",
    "tensorflow_serving",
    "threadpoolctl",
    "uvicorn",
}
_IMPORT_ALL = f"""
import importlib, sys
from absl import flags

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {EXTRAS}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

before = set(flags.FLAGS)
sys.meta_path.insert(0, Missing())
for name in {[*FILES]}:
    importlib.import_module(name)
del sys.meta_path[0]
for name in {[*map(name_of, MODULES)]}:
    importlib.import_module(name)
ours = {{f for f in set(flags.FLAGS) - before
        if flags.FLAGS.find_module_defining_flag(f).split(".")[0]
        in ("bert_tf", "data_pipelines")}}
assert not ours, ours
from tensorflow.python.eager import context
assert context.context()._context_handle is None, "a device was chosen"
"""


def test_importing_needs_no_extra_defines_no_flag_and_touches_no_device():
    run = subprocess.run(
        [sys.executable, "-c", _IMPORT_ALL], cwd=ROOT, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
