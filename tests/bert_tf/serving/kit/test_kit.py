"""The list of models, to which several exports add at once."""

import concurrent.futures
import re

import pytest

from bert_tf.serving import kit


@pytest.mark.parametrize("where", ["local", "remote"])
def test_no_name_is_lost(where, tmp_path):
    saved = str(tmp_path) if where == "local" else f"ram://{tmp_path.name}"
    names = [f"m{number}" for number in range(12)]
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        written = list(pool.map(lambda name: kit.write_kit(saved, name), names))
    assert all(kit.MODELS in files for files in written)
    found = re.findall(r'name: "(\w+)"', kit.read_models(saved))
    assert sorted(found) == sorted(names)
