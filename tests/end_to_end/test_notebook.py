"""The notebooks are short, run from top to bottom, and their models have learned."""

import json
import pathlib

import pytest

ROOT = pathlib.Path(__file__).parents[2]
NOTEBOOKS = {path.name: path for path in (ROOT / "notebooks").glob("*.ipynb")}


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_cells_are_short_and_without_outputs(name):
    cells = json.loads(NOTEBOOKS[name].read_text())["cells"]
    for cell in cells:
        if cell["cell_type"] == "code":
            assert len([line for line in cell["source"] if line.strip()]) <= 15
            assert cell["outputs"] == []


def executed(name: str, folder: pathlib.Path, monkeypatch) -> tuple[str, int]:
    """What the cells of a notebook show as text, and the number of its pictures."""
    nbclient = pytest.importorskip("nbclient", reason="needs the extra 'notebook'")
    nbformat = pytest.importorskip("nbformat", reason="needs the extra 'notebook'")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    notebook = nbformat.read(NOTEBOOKS[name], as_version=4)
    client = nbclient.NotebookClient(
        notebook, timeout=600, resources={"metadata": {"path": str(folder)}}
    )
    client.execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    data = [output.get("data", {}) for output in outputs]
    texts = [output.get("text", "") for output in outputs]
    texts += [part.get("text/plain", "") for part in data]
    return "\n".join(texts), sum("image/png" in part for part in data)


@pytest.mark.slow
@pytest.mark.long
def test_quickstart(tmp_path, monkeypatch):
    shown, num_pictures = executed("quickstart.ipynb", tmp_path, monkeypatch)
    assert "[[[Guess(token='mouse'" in shown
    assert "[ClassPrediction(label='indoors'" in shown
    assert "ClassPrediction(label='outdoors'" in shown
    assert "{'accuracy': 1.0, 'f1': 1.0}" in shown
    assert "saved_models/rooms/1" in shown
    assert num_pictures == 2


@pytest.mark.slow
@pytest.mark.long
def test_finetuning(tmp_path, monkeypatch):
    shown, num_pictures = executed("finetuning.ipynb", tmp_path, monkeypatch)
    assert "Entity(type='PER', text='Dora', start=0, end=1)" in shown
    assert "Entity(type='LOC', text='Lima', start=4, end=5)" in shown
    assert "'entity_f1': 1.0" in shown
    assert "'model.safetensors'" in shown
    assert any(
        f"[[[Guess(token='{city}'" in shown for city in ("paris", "rome", "oslo")
    )
    assert num_pictures == 1
