"""Named arrays that are read lazily, and files of them.

The weights of a large model fill gigabytes; they are copied from file to file one by
one.
"""

import dataclasses
import json
import math
import os
import struct
from collections.abc import Callable, Mapping
from typing import Any

import ml_dtypes  # noqa: F401  (adds bfloat16 to NumPy)
import numpy as np
import safetensors
import safetensors.numpy
import tensorflow as tf

from data_pipelines.files.finite import require_finite

# The end of the error for weights that are not finite.
_ADVICE = (
    "restore the file if it is corrupt, or use a checkpoint from before training "
    "diverged"
)


@dataclasses.dataclass(frozen=True)
class Tensors:
    """Named arrays, read lazily.

    Attributes:
        shapes: the shape of each array, by name.
        read: returns the array of a name.
    """

    shapes: Mapping[str, tuple[int, ...]]
    read: Callable[[str], np.ndarray]

    @classmethod
    def of(cls, arrays: Mapping[str, Any]) -> "Tensors":
        """Wraps existing arrays or variables."""
        shapes = {name: tuple(array.shape) for name, array in arrays.items()}
        return cls(shapes, lambda name: np.asarray(arrays[name]))

    def renamed(self, names: Mapping[str, str]) -> "Tensors":
        """A selection under new names; `names` maps each new name to the old one."""
        shapes = {name: self.shapes[old] for name, old in names.items()}
        return Tensors(shapes, lambda name: self.read(names[name]))

    def finite(self, origin: str) -> "Tensors":
        """The same arrays in float32; reading one that is not finite raises ValueError.

        Args:
            origin: the file or folder, for messages.
        """

        def read(name: str) -> np.ndarray:
            # Values of float64 that are too large become infinite.
            with np.errstate(over="ignore"):
                values = np.asarray(self.read(name)).astype("float32", copy=False)
            require_finite(values, f"The tensor {name} in {origin}", _ADVICE)
            return values

        return Tensors(self.shapes, read)


def differences(
    found: Mapping[str, tuple[int, ...]], expected: Mapping[str, tuple[int, ...]]
) -> list[str]:
    """Problems with names and shapes: missing, extra, or mis-shaped tensors."""
    problems = [f"missing {name}" for name in sorted(set(expected) - set(found))]
    problems += [f"extra {name}" for name in sorted(set(found) - set(expected))]
    problems += [
        f"{name} has the shape {tuple(found[name])}, expected {tuple(shape)}"
        for name, shape in sorted(expected.items())
        if name in found and tuple(found[name]) != tuple(shape)
    ]
    return problems


def open_safetensors(path: str) -> Tensors:
    """The tensors of a safetensors file; those of a local file are read lazily.

    Raises:
        ValueError: it is not a safetensors file.
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
    # The file is opened each time: pages read from an open file stay mapped.
    with safetensors.safe_open(path, framework="numpy") as file:
        return file.get_tensor(name)


def write_safetensors(path: str, tensors: Tensors, metadata: dict[str, str]) -> None:
    """Writes float32 tensors one by one, in the order of their names.

    The format is a length, a header in JSON and the values; the package itself needs
    all of them in memory.

    Args:
        path: a local or remote file.
        tensors: the arrays to write.
        metadata: strings that are written into the header.
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
