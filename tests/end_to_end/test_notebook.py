"""The notebooks run from top to bottom, and their models have learned."""

import pathlib

import pytest

ROOT = pathlib.Path(__file__).parents[2]


def printed_by_the_last_cell(name: str) -> str:
    nbclient = pytest.importorskip("nbclient", reason="needs the extra 'notebook'")
    nbformat = pytest.importorskip("nbformat", reason="needs the extra 'notebook'")
    notebook = nbformat.read(ROOT / "notebooks" / name, as_version=4)
    client = nbclient.NotebookClient(
        notebook, timeout=300, resources={"metadata": {"path": str(ROOT)}}
    )
    client.execute()
    return "".join(
        output.get("text", "")
        for output in notebook.cells[-2].outputs
        if output.output_type == "stream" and output.name == "stdout"
    )


@pytest.mark.slow
def test_quickstart():
    printed = printed_by_the_last_cell("quickstart.ipynb")
    assert "It ate the mouse in the barn.\n    ['mouse" in printed
    assert "There the dog found a [MASK].\n    ['dog" in printed


@pytest.mark.slow
def test_finetuning():
    printed = printed_by_the_last_cell("finetuning.ipynb")
    assert "fine and not dull. praise" in printed
    assert "poor and not good. blame" in printed
