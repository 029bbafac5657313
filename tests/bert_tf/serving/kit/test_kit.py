"""The list of models, to which several exports add at once."""

import concurrent.futures
import re

from bert_tf.serving import kit


def test_no_name_is_lost(tmp_path):
    names = [f"m{number}" for number in range(12)]
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        written = list(pool.map(lambda name: kit.write_kit(str(tmp_path), name), names))
    assert all(kit.MODELS in files for files in written)
    found = re.findall(r'name: "(\w+)"', kit.read_models(str(tmp_path)))
    assert sorted(found) == sorted(names)
