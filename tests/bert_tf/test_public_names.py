"""`import bert_tf`: its names, and that nothing heavy is imported for them."""

import inspect
import pathlib
import subprocess
import sys

import pytest

import bert_tf

ROOT = pathlib.Path(bert_tf.__file__).parent


def test_no_name_is_that_of_a_module():
    # Importing `bert_tf.pretrain` would replace a function of that name.
    modules = {path.stem for path in ROOT.glob("*.py")}
    modules |= {path.name for path in ROOT.iterdir() if path.is_dir()}
    assert not modules & set(bert_tf.__all__)


def test_importing_is_light():
    program = (
        "import sys, bert_tf; names = dir(bert_tf);"
        "assert set(bert_tf.__all__) <= set(names);"
        "print([name for name in ('tensorflow', 'keras', 'numpy', 'absl') "
        "if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"


def test_an_unknown_name():
    with pytest.raises(AttributeError, match="no attribute 'TextClasifier'"):
        bert_tf.TextClasifier  # noqa: B018


@pytest.mark.parametrize("name", bert_tf.__all__)
def test_everything_has_a_docstring_with_an_example(name):
    found = getattr(bert_tf, name)
    assert ">>> " in inspect.getdoc(found)
    for method, function in inspect.getmembers(found, inspect.isfunction):
        if not method.startswith("_"):
            assert inspect.getdoc(function), f"{name}.{method}"
