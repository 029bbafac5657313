import sys

import pytest

from data_pipelines.programs.extras import extra


def test_a_missing_package_is_named_with_its_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "seqeval", None)
    message = r"seqeval .* pip install 'bert-tf\[finetune"
    with pytest.raises(ImportError, match=message), extra("finetune"):
        import seqeval  # noqa: F401


def test_what_is_there_is_imported():
    with extra("finetune"):
        import json
    assert json
