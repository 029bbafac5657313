"""Many arrays, of which each is made when it is asked for, and files of them.

Weights of a large model fill gigabytes. Here they pass from file to file one by one.
"""

import dataclasses
import json
import math
import os
import struct
from collections.abc import Callable, Mapping
from typing import Any

import ml_dtypes  # noqa: F401  (with it NumPy knows bfloat16)
import numpy as np
import safetensors
import safetensors.numpy
import tensorflow as tf

from data_pipelines.files.finite import require_finite

# About weights that are not finite.
_ADVICE = (
    "restore the file if it is damaged, or take a checkpoint from before the training "
    "diverged"
)


@dataclasses.dataclass(frozen=True)
class Tensors:
    """Named arrays.

    Attributes:
        shapes: of each, by name.
        read: makes one.
    """

    shapes: Mapping[str, tuple[int, ...]]
    read: Callable[[str], np.ndarray]

    @classmethod
    def of(cls, arrays: Mapping[str, Any]) -> "Tensors":
        """Makes them of existing arrays or variables."""
        shapes = {name: tuple(array.shape) for name, array in arrays.items()}
        return cls(shapes, lambda name: np.asarray(arrays[name]))

    def renamed(self, names: Mapping[str, str]) -> "Tensors":
        """Some of them under other names: `names` has the old one of each new one."""
        shapes = {name: self.shapes[old] for name, old in names.items()}
        return Tensors(shapes, lambda name: self.read(names[name]))

    def finite(self, origin: str) -> "Tensors":
        """The same in float32; one that is not finite in it raises when it is read.

        Args:
            origin: the file or folder, for messages.
        """

        def read(name: str) -> np.ndarray:
            # Of float64, what is too large becomes infinite.
            with np.errstate(over="ignore"):
                values = np.asarray(self.read(name)).astype("float32", copy=False)
            require_finite(values, f"The tensor {name} in {origin}", _ADVICE)
            return values

        return Tensors(self.shapes, read)


def differences(
    found: Mapping[str, tuple[int, ...]], expected: Mapping[str, tuple[int, ...]]
) -> list[str]:
    """Problems with names and shapes: missing, left over, or another shape."""
    problems = [f"missing {name}" for name in sorted(set(expected) - set(found))]
    problems += [f"extra {name}" for name in sorted(set(found) - set(expected))]
    problems += [
        f"{name} has the shape {tuple(found[name])}, expected {tuple(shape)}"
        for name, shape in sorted(expected.items())
        if name in found and tuple(found[name]) != tuple(shape)
    ]
    return problems


def open_safetensors(path: str) -> Tensors:
    """The tensors of a safetensors file; a local one is not read before it is needed.

    Raises:
        ValueError: it is not such a file.
    """
    try:
        if os.path.exists(path):
            with safetensors.safe_open(path, framework="numpy") as file:
                names = file.keys()
                shapes = {n: tuple(file.get_slice(n).get_shape()) for n in names}
            return Tensors(shapes, lambda name: _read(path, name))
        with tf.io.gfile.GFile(path, "rb") as remote:
            return Tensors.of(safetensors.numpy.load(remote.read()))
    except tf.errors.OpError:
        raise
    except Exception as error:  # The package's own error type is not public API.
        raise ValueError(f"{path} is not a safetensors file: {error}") from None


def _read(path: str, name: str) -> np.ndarray:
    # Opened each time: what was read of an open file stays mapped.
    with safetensors.safe_open(path, framework="numpy") as file:
        return file.get_tensor(name)


def write_safetensors(path: str, tensors: Tensors, metadata: dict[str, str]) -> None:
    """Writes float32 tensors one by one, in the order of their names.

    The format is a length, a header in JSON and the values; the package itself wants
    all of them in memory.

    Args:
        path: local or remote.
        tensors, metadata: what is written, and plain strings beside it.
    """
    header: dict[str, Any] = {"__metadata__": metadata}
    begin = 0
    names = sorted(tensors.shapes)
    for name in names:
        shape = list(tensors.shapes[name])
        end = begin + 4 * math.prod(shape)
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [begin, end]}
        begin = end
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with tf.io.gfile.GFile(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for name in names:
            value = tensors.read(name)
            if value.shape != tuple(tensors.shapes[name]):
                raise ValueError(
                    f"{name} has the shape {value.shape}. Expected "
                    f"{tensors.shapes[name]}."
                )
            file.write(value.astype("<f4", copy=False).tobytes())
