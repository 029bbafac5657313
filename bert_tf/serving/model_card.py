"""The model card of a served model: a Markdown page in its SavedModel's assets."""

import datetime
import importlib.metadata
import posixpath
import re
import unicodedata
from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from bert_tf.checkpoints import model_dir
from bert_tf.checkpoints.model_dir import LoadedModel
from bert_tf.serving.stored_weights import Precision
from data_pipelines.files.json_files import read_json_if_any
from data_pipelines.tokenizers.vocabulary_files import MERGES, TOKENIZATION

FILE = "model_card.md"
# Characters with a meaning in Markdown, except _ inside a word, and those by which
# GitHub recognises a link.
_MARKDOWN = re.compile(
    r"[\\`*\[\]|]|_(?<![^\W_]_)|_(?![^\W_])|:(?=//)|(?<=www)\.", re.IGNORECASE
)
# Characters without an escape that works everywhere.
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "~": "&#126;", "$": "&#36;"}
# Categories of control and formatting characters, surrogates and line ends; except the
# joiners, which letters and emoji need.
_HIDDEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}
_JOINERS = "\u200c\u200d"
_PACKAGES = ("bert-tf", "tensorflow", "tensorflow-text", "keras")


def asset_files(model_folder: str) -> list[str]:
    """The files of a model folder that are copied into the SavedModel."""
    names = (
        model_dir.VOCABULARY,
        MERGES,
        TOKENIZATION,
        model_dir.CONFIG,
        model_dir.DESCRIPTION,
        model_dir.OPTIONS,
        model_dir.DEV_METRICS,
    )
    paths = (posixpath.join(model_folder, name) for name in names)
    return [path for path in paths if tf.io.gfile.exists(path)]


def model_card(
    name: str,
    version: int,
    model_folder: str,
    loaded: LoadedModel,
    signatures: Mapping[str, Any],
    precision: Precision,
) -> str:
    """The Markdown page of a model that is served as `name` and `version`."""
    description, config = loaded.description, loaded.model.encoder.config
    longest = description.encoding.get("max_length", config.max_sequence_length)
    facts = {
        "kind": description.kind,
        "trained on": description.dataset or "see options.json",
        "labels": ", ".join(description.labels or ()) or None,
        "casing": "lower-cased" if loaded.vocabulary.lower_case else "cased",
        "vocabulary": f"{len(loaded.vocabulary):,} pieces",
        "encoder": f"{config.num_hidden_layers} layers, {config.hidden_size} wide",
        "longest sequence": f"{longest} tokens",
        "weights": precision,
        "exported": datetime.datetime.now(datetime.UTC).date().isoformat(),
    }
    metrics, options = (
        read_json_if_any(posixpath.join(model_folder, file))
        for file in (model_dir.DEV_METRICS, model_dir.OPTIONS)
    )
    inputs = {escaped(key): _inputs(function) for key, function in signatures.items()}
    packages = {name: _version_of(name) for name in _PACKAGES}
    sections = {
        f"# {escaped(name)}, version {version}": table(facts),
        "## On the development set": table(metrics) or "No metrics were recorded.",
        "## Signatures": _rows(inputs),
        "## Versions": table(packages),
        "## Training options": table(options) or "No options were recorded.",
    }
    return "".join(f"{title}\n\n{text}\n\n" for title, text in sections.items())


def table(facts: Mapping[str, Any]) -> str:
    """A Markdown table of the facts that are not None; "" if all are None."""
    return _rows({escaped(k): escaped(v) for k, v in facts.items() if v is not None})


def escaped(value: object) -> str:
    """A value, such as a name that a user chose, as one line of plain Markdown text.

    Invisible characters that could break or reverse the line are escaped as in Python.
    """
    text = "".join(map(_seen, str(value)))
    text = _MARKDOWN.sub(r"\\\g<0>", text)
    return "".join(_ENTITIES.get(character, character) for character in text)


def _seen(character: str) -> str:
    is_hidden = unicodedata.category(character) in _HIDDEN
    if not is_hidden or character in _JOINERS:
        return character
    return character.encode("unicode_escape").decode()


def _rows(cells: Mapping[str, str]) -> str:
    rows = [f"| {key} | {value} |" for key, value in cells.items()]
    return "\n".join(["| | |", "|---|---|", *rows]) if rows else ""


def _inputs(function: Any) -> str:
    return ", ".join(
        f"`{spec.name}` {spec.dtype.name} {list(spec.shape)}"
        for spec in function.input_signature
    )


def _version_of(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"
