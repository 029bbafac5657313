"""Saves a trigram model in one NumPy file, with its tables and its vocabulary."""

import dataclasses
import io
import json
import zipfile
from typing import Any

import numpy as np
import tensorflow as tf

from bert_tf.ngram.class_model import ClassModel, MixedModel
from bert_tf.ngram.model import NgramModel, Table
from data_pipelines.files.finite import require_finite
from data_pipelines.files.paths import exists
from data_pipelines.tokenizers.vocabulary import Vocabulary

_FORMAT = 1
# Names of the tables, and the value of missing keys.
_TABLES = {"trigrams": 0.0, "trigram_rest": 1.0, "bigrams": 0.0}
_ARRAYS = ("bigram_rest", "unigrams")
# The prefix of the tables of a class model, and its other arrays.
_OF_CLASSES = "class_"
_CLASS_ARRAYS = ("classes", "shares")


@dataclasses.dataclass(frozen=True)
class TrigramFile:
    """A model and the vocabulary of its ids."""

    model: NgramModel | MixedModel
    vocabulary: Vocabulary


def to_bytes(loaded: TrigramFile) -> bytes:
    """The content of a model file, in NumPy's npz format."""
    model, vocabulary = loaded.model, loaded.vocabulary
    if isinstance(model, MixedModel):
        arrays = _arrays(model.pieces) | _arrays(model.classes.trigrams, _OF_CLASSES)
        arrays |= {name: getattr(model.classes, name) for name in _CLASS_ARRAYS}
        arrays["weight"] = np.array(model.weight)
    else:
        arrays = _arrays(model)
    names = ("merges", "add_prefix_space", "lower_case", "strip_accents")
    description = {name: getattr(vocabulary, name) for name in names}
    description["format"] = _FORMAT
    arrays["vocabulary"] = np.frombuffer(vocabulary.to_bytes(), np.uint8)
    arrays["description"] = np.frombuffer(json.dumps(description).encode(), np.uint8)
    with io.BytesIO() as file:
        np.savez(file, **arrays)
        return file.getvalue()


def load(path: str) -> TrigramFile:
    """Reads a local or remote file written by `bert_tf.ngram.train`.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is not a model file, or is corrupt.
    """
    if not exists(path):
        raise FileNotFoundError(
            f"There is no n-gram model at {path!r}. Expected a file written by "
            "bert_tf.ngram.train."
        )
    with tf.io.gfile.GFile(path, "rb") as file:
        content = io.BytesIO(file.read())
    try:
        with np.load(content, allow_pickle=False) as arrays:
            return _from_arrays(dict(arrays))
    except (ValueError, KeyError, EOFError, OSError, zipfile.BadZipFile) as error:
        raise ValueError(
            f"{path} is not an n-gram model ({error}). Expected a complete file "
            "written by bert_tf.ngram.train."
        ) from None


def _from_arrays(arrays: dict[str, np.ndarray]) -> TrigramFile:
    for name, values in arrays.items():
        if np.issubdtype(values.dtype, np.floating):
            require_finite(values, f"the table {name}", "count again")
    description = json.loads(arrays["description"].tobytes())
    if (found := description.pop("format")) != _FORMAT:
        raise ValueError(f"format {found}, expected {_FORMAT}")
    if description.get("merges") is not None:
        description["merges"] = tuple(map(tuple, description["merges"]))
    lines = arrays["vocabulary"].tobytes().decode().split("\n")
    pieces = _model(arrays)
    model: NgramModel | MixedModel = pieces
    if "weight" in arrays:
        class_arrays = {name: arrays[name] for name in _CLASS_ARRAYS}
        classes = ClassModel(
            pieces.vocab_size, trigrams=_model(arrays, _OF_CLASSES), **class_arrays
        )
        weight = float(arrays["weight"])
        model = MixedModel(pieces.vocab_size, pieces, classes, weight)
    return TrigramFile(model, Vocabulary(tuple(lines[:-1]), **description))


def _arrays(model: NgramModel, prefix: str = "") -> dict[str, Any]:
    arrays = {prefix + name: getattr(model, name) for name in _ARRAYS}
    for name in _TABLES:
        table = getattr(model, name)
        arrays[f"{prefix}{name}_keys"] = table.keys
        arrays[f"{prefix}{name}_values"] = table.values
    return arrays


def _model(arrays: dict[str, np.ndarray], prefix: str = "") -> NgramModel:
    values: dict[str, Any] = {name: arrays[prefix + name] for name in _ARRAYS}
    for name, default in _TABLES.items():
        keys, shares = (arrays[f"{prefix}{name}_{part}"] for part in ("keys", "values"))
        values[name] = Table(keys, shares, default)
    return NgramModel(vocab_size=len(values["unigrams"]), **values)
