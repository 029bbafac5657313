"""What a sentence-transformers folder says beside the Hugging Face model in it."""

import json
import os
from typing import Any, Literal

from bert_tf.checkpoints.sentence_vector import SentenceVector
from data_pipelines.files.json_files import read_json, read_json_if_any

MODULES = "modules.json"
_POOLING, _SETTINGS = "1_Pooling", "sentence_bert_config.json"
_NAMES: dict[Literal["mean", "cls"], str] = {
    "mean": "pooling_mode_mean_tokens",
    "cls": "pooling_mode_cls_token",
}
_MODULE = "sentence_transformers.models"


def read(folder: str) -> tuple[str, SentenceVector]:
    """The folder of the Hugging Face model, and what is made of its output.

    Raises:
        ValueError: a step is not known here; it is named.
    """
    modules = read_json(os.path.join(folder, MODULES), list)
    kinds = [module["type"].rpartition(".")[2] for module in modules]
    if kinds not in (
        ["Transformer", "Pooling"],
        ["Transformer", "Pooling", "Normalize"],
    ):
        raise ValueError(
            f"The model in {folder} consists of {kinds}. Expected Transformer, Pooling "
            "and perhaps Normalize."
        )
    model_folder = os.path.join(folder, modules[0]["path"]).rstrip("/")
    pooling = read_json(os.path.join(folder, modules[1]["path"], "config.json"))
    modes = sorted(name for name, value in pooling.items() if value is True)
    modes = [name for name in modes if name.startswith("pooling_mode")]
    known = [kind for kind, name in _NAMES.items() if modes == [name]]
    if not known:
        raise ValueError(
            f"The model in {folder} pools by {modes}. Expected one of "
            f"{list(_NAMES.values())}."
        )
    length = read_json_if_any(os.path.join(model_folder, _SETTINGS)).get(
        "max_seq_length"
    )
    if length is None:
        length = read_json(os.path.join(model_folder, "config.json"))[
            "max_position_embeddings"
        ]
    return model_folder, SentenceVector(known[0], "Normalize" in kinds, length)


def lowers_texts(model_folder: str) -> bool:
    """Whether texts are lower-cased before the tokenizer sees them."""
    settings = read_json_if_any(os.path.join(model_folder, _SETTINGS))
    return bool(settings.get("do_lower_case"))


def files(vector: SentenceVector, width: int) -> dict[str, bytes]:
    """What a folder holds of it, by path.

    Args:
        vector: what is made.
        width: of the vectors.
    """
    kinds = ["Transformer", "Pooling"] + ["Normalize"] * vector.normalize
    paths = ("", _POOLING, "2_Normalize")
    modules = [
        {"idx": i, "name": str(i), "path": paths[i], "type": f"{_MODULE}.{kind}"}
        for i, kind in enumerate(kinds)
    ]
    modes = {name: kind == vector.pooling for kind, name in _NAMES.items()}
    length = {"max_seq_length": vector.max_length, "do_lower_case": False}
    return {
        MODULES: _bytes(modules),
        f"{_POOLING}/config.json": _bytes({"word_embedding_dimension": width, **modes}),
        _SETTINGS: _bytes(length),
    }


def _bytes(values: Any) -> bytes:
    return json.dumps(values, indent=2).encode() + b"\n"
