"""Explains why a source was not recognised as a model, and what is expected."""

import posixpath
import re

import tensorflow as tf

from data_pipelines.files.json_files import read_json
from data_pipelines.files.paths import is_folder

# Filename endings of models and of archives, by a description of the file.
_JSON = "a JSON file"
_KINDS = {
    "PyTorch weights": (".bin", ".pt", ".pth", ".ckpt"),
    "safetensors weights": (".safetensors", ".safetensors.index.json"),
    "Keras weights": (".h5", ".keras", ".hdf5"),
    "Flax weights": (".msgpack",),
    "an ONNX model": (".onnx",),
    "a quantised llama.cpp model": (".gguf", ".ggml"),
    "a TensorFlow Lite model": (".tflite",),
    "a TensorFlow graph": (".pb",),
    "a part of a TensorFlow checkpoint": (".meta", ".index"),
    "an archive, which must be unpacked": (".zip", ".tar", ".tgz", ".tar.gz", ".7z"),
    _JSON: (".json",),
}
# First bytes of PyTorch's files, new and old, and of other binary files.
_MAGIC = (b"PK\x03\x04", b"\x80\x02", b"\x80\x04", b"GGUF", b"\x89HDF", b"\x1f\x8b\x08")
# Endings that files of word vectors have, too.
_AMBIGUOUS = (".bin", ".gz")
_EXPECTED = (
    "Expected a folder of bert_tf, google-research/bert, Model Garden, Hugging Face or "
    "KerasHub, the name of a KerasHub preset, hf:// and the name of a model of the "
    "Hub, or a file of word vectors"
)
_HUGGING_FACE = (
    "config.json, the vocabulary (vocab.txt or tokenizer.json) and model.safetensors"
)
_ADAPTER = "adapter_config.json"
_SHOWN = 6


def kind_of_file(path: str) -> str | None:
    """A description of a model file; None if it has word vectors, or is unknown."""
    name = path.lower()
    for kind, endings in _KINDS.items():
        if name.endswith(endings):
            if name.endswith(_AMBIGUOUS) and not name.endswith(".tar.gz"):
                with tf.io.gfile.GFile(path, "rb") as file:
                    return kind if file.read(4).startswith(_MAGIC) else None
            return kind
    return None


def explanation(source: str, models: list[str]) -> str:
    """One line that says what was found and what is expected.

    Args:
        source: the path or name that was received.
        models: names of the folders in it that contain models.
    """
    received = f"Received {source!r}, in which no model was recognised"
    if is_folder(source):
        return f"{received}: {_of_folder(source, models)}"
    if not tf.io.gfile.exists(source):
        hint = ""
        if re.fullmatch(r"[\w.-]+(/[\w.-]+)?", source):
            hint = (
                f". For a name on the Hugging Face Hub, pass hf://{source}, or "
                f"download the folder (hf download {source} --local-dir=FOLDER)"
            )
        return f"{received}: there is no such file or folder. {_EXPECTED}{hint}."
    kind = kind_of_file(source) or "a file"
    folder = posixpath.dirname(source) or "."
    return (
        f"{received}: it is only {kind}. Expected the folder of the whole model, with "
        f"{_HUGGING_FACE}; {folder} contains {_names(_listed(folder))}."
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
            f"it is a PEFT adapter, which needs its base model {base!r}. "
            "Expected the whole model: save what model.merge_and_unload() returns, "
            "with its tokenizer."
        )
    if models:
        return (
            f"there are models one level deeper. Expected one of {_names(models)}, for "
            f"example --source={posixpath.join(folder, models[0])}."
        )
    kinds = {kind_of_file(posixpath.join(folder, name)) for name in names}
    kinds -= {None, _JSON}
    if not kinds:
        return f"it contains {_names(names)}. {_EXPECTED}."
    lacking = [] if "config.json" in names else ["config.json"]
    if not {"vocab.txt", "tokenizer.json", "vocab.json"} & {*names}:
        lacking.append("the vocabulary (vocab.txt or tokenizer.json)")
    hint = ""
    if "bert_config.json" in names:
        hint = (
            ". Old PyTorch folders call the config bert_config.json: copy it to "
            'config.json and add "model_type": "bert"'
        )
    return (
        f"it contains {_names(names)} ({', '.join(sorted(filter(None, kinds)))}), but "
        f"not {' and '.join(lacking)}. Expected a complete Hugging Face model: "
        f"{_HUGGING_FACE}{hint}."
    )


def _listed(folder: str) -> list[str]:
    found = (name.rstrip("/") for name in tf.io.gfile.listdir(folder))
    return sorted(name for name in found if not name.startswith("."))


def _names(names: list[str]) -> str:
    shown = ", ".join(names[:_SHOWN])
    more = len(names) - _SHOWN
    return f"{shown} and {more} more" if more > 0 else shown
