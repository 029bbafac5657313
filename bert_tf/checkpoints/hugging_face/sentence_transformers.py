"""The files of a sentence-transformers folder beside its Hugging Face model.

Bi-encoders and CrossEncoders of versions 2 to 6 are read; bi-encoders are written.
The class `sentence_transformers.models.Pooling` of version 5 is called
`sentence_transformers.sentence_transformer.modules.pooling.Pooling` in version 6.
"""

import dataclasses
import os
from typing import Any, Literal, get_args

from bert_tf.checkpoints.description import SentenceVector, Similarity
from bert_tf.checkpoints.hugging_face import tokenizer
from data_pipelines.files.json_files import read_json, read_json_if_any, write_json

MODULES = "modules.json"
_CONFIG = "config_sentence_transformers.json"
_POOLING, _SETTINGS = "1_Pooling", "sentence_bert_config.json"
# Former names of the same file.
_OLD_SETTINGS = tuple(
    f"sentence_{name}_config.json"
    for name in ("roberta", "distilbert", "camembert", "albert", "xlm-roberta")
)
_NAMES: dict[Literal["mean", "cls"], str] = {
    "mean": "pooling_mode_mean_tokens",
    "cls": "pooling_mode_cls_token",
}
_MODULE = "sentence_transformers.models"
# The supported values of `transformer_task`, which older versions do not write.
_TASKS = (None, "feature-extraction", "sequence-classification")


@dataclasses.dataclass(frozen=True)
class Texts:
    """Settings that turn the outputs of a Hugging Face model into vectors or scores.

    Attributes:
        folder: the folder of the Hugging Face model.
        lower_case: whether texts are lower-cased before they reach the tokenizer.
        vector: the settings of a bi-encoder; None for other models.
        is_cross_encoder: whether it scores pairs of texts.
        activation: the class name of the activation of a CrossEncoder, if given.
    """

    folder: str
    lower_case: bool = False
    vector: SentenceVector | None = None
    is_cross_encoder: bool = False
    activation: str | None = None


def read(folder: str) -> Texts:
    """Reads the settings of a folder; a folder of transformers has none.

    Raises:
        ValueError: a setting is not supported; it is named.
    """
    if not os.path.exists(os.path.join(folder, MODULES)):
        activation = _activation(read_json_if_any(os.path.join(folder, "config.json")))
        return Texts(
            folder, is_cross_encoder=activation is not None, activation=activation
        )
    modules = read_json(os.path.join(folder, MODULES), list)
    kinds = [_kind(str(module.get("type"))) for module in modules]
    config = read_json_if_any(os.path.join(folder, _CONFIG))
    is_cross_encoder = config.get("model_type") == "CrossEncoder"
    known = ["Transformer"] if is_cross_encoder else ["Transformer", "Pooling"]
    if kinds != known and (is_cross_encoder or kinds != [*known, "Normalize"]):
        raise ValueError(
            f"The model in {folder} consists of {kinds}. Expected Transformer, Pooling "
            "and optionally Normalize, or for a CrossEncoder, Transformer alone."
        )
    model_folder = os.path.join(folder, modules[0]["path"]).rstrip("/")
    settings: dict[str, Any] = {}
    for name in (*_OLD_SETTINGS, _SETTINGS):
        settings |= read_json_if_any(os.path.join(model_folder, name))
    if settings.get("transformer_task") not in _TASKS:
        raise ValueError(
            f"The model in {folder} has transformer_task="
            f"{settings['transformer_task']!r}. Expected one of {list(_TASKS[1:])}."
        )
    prompts, default = _prompts(config, folder)
    lower_case = bool(settings.get("do_lower_case"))
    values = read_json(os.path.join(model_folder, "config.json"))
    if is_cross_encoder:
        if default is not None:
            raise ValueError(
                f"The CrossEncoder in {folder} prepends {prompts[default]!r} to its "
                "texts. Expected one without a prompt; otherwise scores would differ."
            )
        activation = config.get("activation_fn") or _activation(values)
        return Texts(model_folder, lower_case, None, True, activation)

    length = settings.get("max_seq_length")
    if length is None:
        length = tokenizer.max_length(model_folder)
    longest = values["max_position_embeddings"]
    similarity: Any = config.get("similarity_fn_name") or "cosine"
    if similarity not in get_args(Similarity):
        raise ValueError(
            f"The model in {folder} has similarity_fn_name={similarity!r}. Expected "
            f"one of {list(get_args(Similarity))}."
        )
    pooling = read_json(os.path.join(folder, modules[1]["path"], "config.json"))
    if prompts and not pooling.get("include_prompt", True):
        raise ValueError(
            f"The model in {folder} excludes its prompts {list(prompts.values())} from "
            "pooling (include_prompt=false). Expected a model that includes them."
        )
    vector = SentenceVector(
        pooling=_pooling(pooling, folder),
        normalize="Normalize" in kinds,
        max_length=min(length or longest, longest),
        prompts=prompts,
        default_prompt=default,
        similarity=similarity,
    )
    return Texts(model_folder, lower_case, vector)


def _kind(name: str) -> str:
    """The class of a module; the full name if it is not one of the library's own."""
    if not name.startswith("sentence_transformers."):
        return name
    return name.rpartition(".")[2]


def _pooling(values: dict[str, Any], folder: str) -> Literal["mean", "cls"]:
    modes = values.get("pooling_mode")
    if modes is None:
        modes = [
            name
            for name, value in values.items()
            if value is True and name.startswith("pooling_mode")
        ]
    modes = [modes] if isinstance(modes, str) else list(modes)
    found = [ours for ours, name in _NAMES.items() if modes in ([name], [ours])]
    if not found:
        raise ValueError(
            f"The model in {folder} pools by {sorted(modes)}. Expected one of "
            f"{list(_NAMES)}, or in old files one of {list(_NAMES.values())}."
        )
    return found[0]


def _prompts(config: dict[str, Any], folder: str) -> tuple[dict[str, str], str | None]:
    """The prompts by name, and the name of the default prompt.

    If all prompts are empty strings, there are none.
    """
    prompts, default = config.get("prompts") or {}, config.get("default_prompt_name")
    is_object = isinstance(prompts, dict)
    if not is_object or not all(isinstance(p, str) for p in prompts.values()):
        raise ValueError(
            f"The model in {folder} has prompts={prompts}. Expected an object that "
            "maps each name to a text."
        )
    if default is not None and default not in prompts:
        raise ValueError(
            f"The model in {folder} has default_prompt_name={default!r}. Expected one "
            f"of its prompts {list(prompts)}."
        )
    if not any(prompts.values()):
        return {}, None
    return dict(prompts), default if prompts.get(default) else None


def _activation(values: dict[str, Any]) -> str | None:
    """The activation of a CrossEncoder of versions 2 to 5, from its config.json."""
    today = (values.get("sentence_transformers") or {}).get("activation_fn")
    return today or values.get("sbert_ce_default_activation_function")


def cross_encoder_head(texts: Texts, num_outputs: int) -> dict[str, Any]:
    """The fields of the description of a CrossEncoder, besides its labels.

    A single score passes through the activation. Several outputs are the logits of
    classes, whose order the supported activations do not change.

    Raises:
        ValueError: the activation is not supported.
    """
    name = (texts.activation or "").rpartition(".")[2]
    name = name or ("Sigmoid" if num_outputs == 1 else "Identity")
    known = ("Sigmoid", "Identity") if num_outputs == 1 else ("Identity", "Softmax")
    if name not in known:
        raise ValueError(
            f"The CrossEncoder in {texts.folder} applies {texts.activation} to its "
            f"{num_outputs} outputs. Expected one of {list(known)}."
        )
    if num_outputs > 1:
        return {"pairs": True}
    activation = {"output_activation": "sigmoid"} if name == "Sigmoid" else {}
    return {"pairs": True, "head": {"num_outputs": 1, **activation}}


def write(folder: str, vector: SentenceVector, width: int) -> None:
    """Writes the files of a bi-encoder whose vectors have `width` dimensions."""
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
    if vector.prompts or vector.similarity != "cosine":
        write_json(
            os.path.join(folder, _CONFIG),
            {
                "model_type": "SentenceTransformer",
                "prompts": vector.prompts,
                "default_prompt_name": vector.default_prompt,
                "similarity_fn_name": vector.similarity,
            },
        )
