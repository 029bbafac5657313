"""The notebook runs from top to bottom and its model has learned the stories."""

import pathlib

import pytest

ROOT = pathlib.Path(__file__).parents[2]


def test_quickstart():
    nbclient = pytest.importorskip("nbclient", reason="needs the extra 'notebook'")
    nbformat = pytest.importorskip("nbformat", reason="needs the extra 'notebook'")
    notebook = nbformat.read(ROOT / "notebooks" / "quickstart.ipynb", as_version=4)
    client = nbclient.NotebookClient(
        notebook, timeout=300, resources={"metadata": {"path": str(ROOT)}}
    )
    client.execute()
    printed = "".join(
        output.get("text", "")
        for output in notebook.cells[-2].outputs
        if output.output_type == "stream" and output.name == "stdout"
    )
    assert "It ate the mouse in the barn.\n    ['mouse" in printed
    assert "There the dog found a [MASK].\n    ['dog" in printed
