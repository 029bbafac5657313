"""Explains a source in which no model was recognised, and what would make it one."""

import posixpath
import re

import tensorflow as tf

from data_pipelines.files.json_files import read_json
from data_pipelines.files.paths import is_folder

# Endings of the files of models, and of what holds them, by what they are.
_KINDS = {
    "weights of PyTorch": (".bin", ".pt", ".pth", ".ckpt"),
    "weights in safetensors": (".safetensors", ".safetensors.index.json"),
    "weights of Keras": (".h5", ".keras", ".hdf5"),
    "weights of Flax": (".msgpack",),
    "a model of ONNX": (".onnx",),
    "a quantised model of llama.cpp": (".gguf", ".ggml"),
    "a model of TensorFlow Lite": (".tflite",),
    "a graph of TensorFlow": (".pb",),
    "a part of a checkpoint of TensorFlow": (".meta", ".index"),
    "an archive, which is to be unpacked": (".zip", ".tar", ".tgz", ".tar.gz", ".7z"),
    "a file of JSON": (".json",),
}
# First bytes of PyTorch's files, today and formerly, and of others that are no text.
_MAGIC = (b"PK\x03\x04", b"\x80\x02", b"\x80\x04", b"GGUF", b"\x89HDF", b"\x1f\x8b\x08")
# Endings that a file of word vectors has, too.
_AMBIGUOUS = (".bin", ".gz")
_EXPECTED = (
    "Expected a folder of bert_tf, google-research/bert, Model Garden, Hugging Face or "
    "KerasHub, the name of a preset of KerasHub, or a file of word vectors"
)
_HUGGING_FACE = (
    "config.json, the vocabulary (vocab.txt or tokenizer.json) and model.safetensors"
)
_ADAPTER = "adapter_config.json"
_SHOWN = 6


def kind_of_file(path: str) -> str | None:
    """The kind of a file of a model; None: it is one of word vectors, or another."""
    name = path.lower()
    for kind, endings in _KINDS.items():
        if name.endswith(endings):
            if name.endswith(_AMBIGUOUS) and not name.endswith(".tar.gz"):
                with tf.io.gfile.GFile(path, "rb") as file:
                    return kind if file.read(4).startswith(_MAGIC) else None
            return kind
    return None


def explanation(source: str, models: list[str]) -> str:
    """One line: what was found, and what is expected.

    Args:
        source: what was received.
        models: names of the folders in it that hold models.
    """
    received = f"Received {source!r}, in which no model was recognised"
    if is_folder(source):
        return f"{received}: {_of_folder(source, models)}"
    if not tf.io.gfile.exists(source):
        hint = ""
        if re.fullmatch(r"[\w.-]+(/[\w.-]+)?", source):
            hint = (
                ". Of a name on the Hugging Face Hub, download the folder (hf download "
                f"{source} --local-dir=FOLDER), or give hf://{source} for the encoder "
                "without its heads"
            )
        return f"{received}: there is no such file or folder. {_EXPECTED}{hint}."
    kind = kind_of_file(source) or "a file"
    folder = posixpath.dirname(source) or "."
    return (
        f"{received}: it is {kind} alone. Expected the folder of the whole model, with "
        f"{_HUGGING_FACE}; {folder} holds {_names(_listed(folder))}."
    )


def _of_folder(folder: str, models: list[str]) -> str:
    names = _listed(folder)
    if not names:
        return f"the folder is empty. {_EXPECTED}."
    if _ADAPTER in names:
        base = read_json(posixpath.join(folder, _ADAPTER)).get(
            "base_model_name_or_path"
        )
        return (
            f"it is an adapter of {base!r} (PEFT), which is no model without it. "
            "Expected the whole model: save what model.merge_and_unload() returns, "
            "with its tokenizer."
        )
    if models:
        return (
            f"there are models one level deeper. Expected one of {_names(models)}, as "
            f"in --source={posixpath.join(folder, models[0])}."
        )
    kinds = {kind_of_file(posixpath.join(folder, name)) for name in names}
    kinds -= {None, "a file of JSON"}
    if not kinds:
        return f"it holds {_names(names)}. {_EXPECTED}."
    lacking = [] if "config.json" in names else ["config.json"]
    if not {"vocab.txt", "tokenizer.json", "vocab.json"} & {*names}:
        lacking.append("the vocabulary (vocab.txt or tokenizer.json)")
    hint = ""
    if "bert_config.json" in names:
        hint = (
            ", which in old folders of PyTorch is bert_config.json: copy it under this "
            'name, with "model_type": "bert" in it'
        )
    return (
        f"it holds {_names(names)} ({', '.join(sorted(filter(None, kinds)))}), but not "
        f"{' and '.join(lacking)}. Expected all of a Hugging Face model: "
        f"{_HUGGING_FACE}{hint}."
    )


def _listed(folder: str) -> list[str]:
    found = (name.rstrip("/") for name in tf.io.gfile.listdir(folder))
    return sorted(name for name in found if not name.startswith("."))


def _names(names: list[str]) -> str:
    shown = ", ".join(names[:_SHOWN])
    more = len(names) - _SHOWN
    return f"{shown} and {more} more" if more > 0 else shown
