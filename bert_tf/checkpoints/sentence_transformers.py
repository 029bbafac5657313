"""The files of a sentence-transformers folder beside its Hugging Face model."""

import os
from typing import Literal

from bert_tf.checkpoints.description import SentenceVector
from data_pipelines.files.json_files import read_json, read_json_if_any, write_json

MODULES = "modules.json"
_POOLING, _SETTINGS = "1_Pooling", "sentence_bert_config.json"
_NAMES: dict[Literal["mean", "cls"], str] = {
    "mean": "pooling_mode_mean_tokens",
    "cls": "pooling_mode_cls_token",
}
_MODULE = "sentence_transformers.models"


def read(folder: str) -> tuple[str, SentenceVector, bool]:
    """Reads how a text becomes a vector.

    Returns:
        The folder of the Hugging Face model, what is made of its output, and whether
        texts are lower-cased before the tokenizer sees them.

    Raises:
        ValueError: a step is not known here; it is named.
    """
    modules = read_json(os.path.join(folder, MODULES), list)
    kinds = [module["type"].rpartition(".")[2] for module in modules]
    known = ["Transformer", "Pooling"]
    if kinds not in (known, [*known, "Normalize"]):
        raise ValueError(
            f"The model in {folder} consists of {kinds}. Expected Transformer, Pooling "
            "and perhaps Normalize."
        )
    model_folder = os.path.join(folder, modules[0]["path"]).rstrip("/")
    values = read_json(os.path.join(folder, modules[1]["path"], "config.json"))
    modes = [
        name
        for name, value in values.items()
        if value is True and name.startswith("pooling_mode")
    ]
    poolings = [pooling for pooling, name in _NAMES.items() if modes == [name]]
    if not poolings:
        raise ValueError(
            f"The model in {folder} pools by {sorted(modes)}. Expected one of "
            f"{list(_NAMES.values())}."
        )
    settings = read_json_if_any(os.path.join(model_folder, _SETTINGS))
    length = settings.get("max_seq_length")
    if length is None:
        config = read_json(os.path.join(model_folder, "config.json"))
        length = config["max_position_embeddings"]
    vector = SentenceVector(poolings[0], "Normalize" in kinds, length)
    return model_folder, vector, bool(settings.get("do_lower_case"))


def write(folder: str, vector: SentenceVector, width: int) -> None:
    """Writes these files for vectors of a width."""
    modules = {"Transformer": "", "Pooling": _POOLING}
    if vector.normalize:
        modules["Normalize"] = "2_Normalize"
    write_json(
        os.path.join(folder, MODULES),
        [
            {"idx": i, "name": str(i), "path": path, "type": f"{_MODULE}.{kind}"}
            for i, (kind, path) in enumerate(modules.items())
        ],
    )
    modes = {name: pooling == vector.pooling for pooling, name in _NAMES.items()}
    os.makedirs(os.path.join(folder, _POOLING), exist_ok=True)
    write_json(
        os.path.join(folder, _POOLING, "config.json"),
        {"word_embedding_dimension": width, **modes},
    )
    write_json(
        os.path.join(folder, _SETTINGS),
        {"max_seq_length": vector.max_length, "do_lower_case": False},
    )
