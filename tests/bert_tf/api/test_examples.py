"""The examples in the docstrings of the public names, as they are written."""

import doctest

import pytest

import bert_tf
from tests.end_to_end.tasks import write_model


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.parametrize("name", bert_tf.__all__)
def test_an_example_does_what_it_says(tmp_path, monkeypatch, name):
    write_model(tmp_path / "models" / "mine")
    monkeypatch.chdir(tmp_path)
    example = doctest.DocTestParser().get_doctest(
        getattr(bert_tf, name).__doc__, {"bert_tf": bert_tf}, name, None, 0
    )
    assert example.examples
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    runner.run(example)
    assert runner.failures == 0
