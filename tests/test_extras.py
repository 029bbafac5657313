"""Every program can be imported with nothing but what a wheel depends on."""

import subprocess
import sys

import pytest

from bert_tf.finetune import FinetuneOptions, finetune
from tests.test_structure import FILES, ROOT

_EXTRAS = (
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
)
_IMPORT = """
import importlib, sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {extras}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Missing())
for name in sys.argv[1:]:
    importlib.import_module(name)
"""


def test_programs_do_without_the_extras():
    code = _IMPORT.format(extras=set(_EXTRAS))
    subprocess.run([sys.executable, "-c", code, *FILES], check=True, cwd=ROOT)


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
