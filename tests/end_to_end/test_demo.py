"""The demo with few steps: that it goes the whole way, not how well it learns."""

import pathlib
import re

import pytest

from bert_tf import demo


@pytest.mark.slow
def test_demo(tmp_path, capsys):
    output_dir = tmp_path / "demo"
    answers = demo.demo(str(output_dir), num_train_steps=8)
    assert [len(blanks) for _, blanks in answers] == [1, 1, 1, 1, 1, 2]
    assert all(len(guesses) == 5 for _, blanks in answers for guesses in blanks)
    assert (output_dir / "model" / "report.html").exists()
    printed = capsys.readouterr().out
    assert str(output_dir / "model" / "report.html") in printed
    # A second run has nothing to do, and answers alike.
    assert demo.demo(str(output_dir), num_train_steps=8) == answers


@pytest.mark.slow
def test_documentation_is_prose():
    documents = dict(demo.documentation())
    assert len(documents) > 300
    text = documents["module.json.decoder"]
    assert text.startswith("Implementation of JSONDecoder\n")
    assert not re.search(r"^ *>>> ", "".join(documents.values()), re.MULTILINE)


def test_files_that_are_no_python_are_skipped(tmp_path):
    broken = pathlib.Path(tmp_path, "broken.py")
    broken.write_text("def (:")
    assert list(demo._docstrings(broken)) == []
