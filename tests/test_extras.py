"""A program that needs an extra says so before it begins."""

import sys

import pytest

from bert_tf.finetune import FinetuneOptions, finetune


@pytest.mark.parametrize("package", ["sklearn", "seqeval", "scipy"])
def test_finetune_names_its_extra_before_it_trains(package, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, package, None)
    output_dir = tmp_path / "out"
    options = FinetuneOptions(
        model_dir="nowhere", dataset="glue/sst2", output_dir=str(output_dir)
    )
    with pytest.raises(ImportError, match=r"bert-tf\[finetune\]"):
        finetune(options)
    assert not output_dir.exists()
