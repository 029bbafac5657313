"""The demo with few steps: that it goes the whole way, not how well it learns."""

import pathlib
import re

import pytest

from bert_tf import demo


class Ticks:
    """A clock that goes on by six seconds whenever somebody looks at it."""

    now = 0.0

    def __call__(self):
        self.now += 6.0
        return self.now


@pytest.mark.slow
@pytest.mark.long
def test_demo(tmp_path, capsys):
    output_dir = tmp_path / "demo"
    answers = demo.demo(str(output_dir), "20m", Ticks())
    assert [len(blanks) for _, blanks in answers] == [1, 1, 1, 1, 1, 2]
    assert all(len(guesses) == 5 for _, blanks in answers for guesses in blanks)
    printed = capsys.readouterr().out
    assert "4. Filling in blanks" in printed and "Traceback" not in printed
    said = demo.summary(str(output_dir / "model"))
    assert re.search(
        r"predicts \d+% of the masked tokens .*\n.* after \d+ steps; after \d+", said
    )
    assert str(output_dir / "model" / "report.html") in said
    assert (output_dir / "model" / "report.html").exists()
    # A second run has nothing to do, and answers alike.
    assert demo.demo(str(output_dir), "20m") == answers


def test_a_budget_that_is_none(tmp_path):
    with pytest.raises(ValueError, match="Received budget='soon'"):
        demo.demo(str(tmp_path / "demo"), "soon")
    assert not (tmp_path / "demo").exists()


@pytest.mark.long
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
