import re

import ml_dtypes
import numpy as np
import pytest
import safetensors.numpy

from bert_tf.checkpoints.tensors import Tensors, open_safetensors, write_safetensors

ARRAYS = {
    "b/kernel": np.arange(6, dtype="float32").reshape(2, 3),
    "a": np.float32(3).reshape(()),
    "empty": np.zeros((0, 4), "float32"),
    # As it lies in memory its axes are the other way round.
    "turned": np.arange(6, dtype="float32").reshape(2, 3).T,
}


def test_the_package_reads_what_is_written(tmp_path):
    path = str(tmp_path / "x.safetensors")
    write_safetensors(path, Tensors.of(ARRAYS), {"format": "pt"})
    found = safetensors.numpy.load_file(path)
    assert found.keys() == ARRAYS.keys()
    for name, value in ARRAYS.items():
        np.testing.assert_array_equal(found[name], value)
    with safetensors.safe_open(path, framework="numpy") as file:
        assert file.metadata() == {"format": "pt"}
    again = open_safetensors(path)
    assert again.shapes == Tensors.of(ARRAYS).shapes
    np.testing.assert_array_equal(again.read("turned"), ARRAYS["turned"])


def test_one_at_a_time(tmp_path):
    asked = []

    def read(name):
        asked.append(name)
        return ARRAYS[name]

    tensors = Tensors(Tensors.of(ARRAYS).shapes, read)
    assert not asked
    write_safetensors(str(tmp_path / "x"), tensors, {})
    assert asked == sorted(ARRAYS)


def test_narrow_numbers_are_read(tmp_path):
    path = str(tmp_path / "x.safetensors")
    value = np.array([1.0, -2.5], ml_dtypes.bfloat16)
    safetensors.numpy.save_file({"x": value, "y": value.astype("float16")}, path)
    tensors = open_safetensors(path)
    for name in "xy":
        found = tensors.read(name).astype("float32")
        np.testing.assert_array_equal(found, [1, -2.5])


def test_other_shapes_than_said(tmp_path):
    wrong = Tensors({"a": (2,)}, lambda name: np.zeros(3, "float32"))
    with pytest.raises(ValueError, match=re.escape("a has the shape (3,)")):
        write_safetensors(str(tmp_path / "x"), wrong, {})


def test_no_such_file(tmp_path):
    (tmp_path / "x").write_bytes(b"no tensors")
    with pytest.raises(ValueError, match="is not a safetensors file"):
        open_safetensors(str(tmp_path / "x"))
