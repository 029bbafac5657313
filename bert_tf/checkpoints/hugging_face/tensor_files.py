"""Tensors in a Hugging Face folder: safetensors or PyTorch files, whole or sharded."""

import os
import pickle
from typing import Any

from bert_tf.checkpoints.tensors import Tensors, open_safetensors
from data_pipelines.files.json_files import read_json

SAFETENSORS = "model.safetensors"
_PYTORCH = "pytorch_model.bin"
_POINTER = b"version https://git-lfs"
# Filename endings of weights, to name those that are not read.
_OTHERS = (".h5", ".msgpack", ".onnx", ".gguf", ".ot", ".safetensors", ".bin", ".pt")


def open_tensors(folder: str) -> Tensors:
    """The tensors in a folder.

    Raises:
        FileNotFoundError: there are no weights.
        ModuleNotFoundError: the file is PyTorch's, and PyTorch is not installed.
        ValueError: a PyTorch file contains more than tensors.
    """
    files = _files(folder, SAFETENSORS) or _files(folder, _PYTORCH)
    if not files:
        names = sorted(os.listdir(folder))
        others = [name for name in names if name.endswith(_OTHERS)]
        found = f"weights only in {', '.join(others)}" if others else "no weights"
        raise FileNotFoundError(
            f"{folder} contains {found}. Expected {SAFETENSORS} or {_PYTORCH}, or the "
            "shards of one of them and their index."
        )
    missing = [os.path.basename(file) for file in files if not os.path.exists(file)]
    if missing:
        raise FileNotFoundError(
            f"{folder} lacks {', '.join(missing)} of the {len(files)} files of weights "
            "in its index. Expected all of them: copy the folder again."
        )
    pointers = [os.path.basename(file) for file in files if _is_pointer(file)]
    if pointers:
        raise ValueError(
            f"{folder} contains Git LFS pointers in place of {', '.join(pointers)}. "
            "Expected the weights themselves: run `git lfs pull` in this folder."
        )
    opened = [(_pytorch if f.endswith(".bin") else open_safetensors)(f) for f in files]
    owners = {name: tensors for tensors in opened for name in tensors.shapes}
    return Tensors(
        {name: tensors.shapes[name] for name, tensors in owners.items()},
        lambda name: owners[name].read(name),
    )


def _is_pointer(path: str) -> bool:
    with open(path, "rb") as file:
        return file.read(len(_POINTER)) == _POINTER


def _files(folder: str, name: str) -> list[str]:
    """The file of this name, or its shards; empty if there is neither."""
    if os.path.exists(os.path.join(folder, name)):
        return [os.path.join(folder, name)]
    index = os.path.join(folder, f"{name}.index.json")
    if not os.path.exists(index):
        return []
    weight_map = read_json(index).get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise ValueError(
            f"{index} has no weight_map. Expected one that names the file of each "
            "tensor: copy the index again."
        )
    shards = sorted(set(weight_map.values()))
    return [os.path.join(folder, shard) for shard in shards]


def _pytorch(path: str) -> Tensors:
    try:
        import torch
    except ModuleNotFoundError:
        raise ModuleNotFoundError(
            f"{path} is in PyTorch's own format. Expected torch to be installed (pip "
            f"install torch), or the same model as {SAFETENSORS}."
        ) from None
    try:
        # weights_only: nothing in the file is run.
        tensors: dict[str, Any] = torch.load(
            path, map_location="cpu", weights_only=True
        )
    except pickle.UnpicklingError:
        raise ValueError(
            f"{path} contains more than tensors, or is corrupt. It is not read, since "
            "such a file can run any program. Expected only tensors, or a file "
            f"{SAFETENSORS}."
        ) from None
    shapes = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    return Tensors(shapes, lambda name: tensors[name].float().numpy())
