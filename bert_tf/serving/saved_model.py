"""A model folder to a SavedModel, whole or not at all, beside what serves it."""

import dataclasses
import posixpath
from collections.abc import Mapping
from typing import Literal

import tensorflow as tf

from bert_tf.checkpoints import model_dir
from bert_tf.checkpoints.description import SentenceVector
from bert_tf.checkpoints.model_dir import LoadedModel
from bert_tf.serving import model_card
from bert_tf.serving.fine_tuned import FineTunedModel
from bert_tf.serving.kit import FILES, MODELS, read_models, write_kit
from bert_tf.serving.model_names import require_model_name
from bert_tf.serving.pretrained import TextModel
from bert_tf.serving.stored_weights import COMPUTE_POLICIES, Precision
from bert_tf.serving.versions import (
    remove_old_versions,
    require_free,
    versions,
    write_version,
)
from bert_tf.serving.warmup import write_warmup
from data_pipelines.files.atomic import write_file
from data_pipelines.programs import cli

Pooling = Literal["mean", "cls", "pooled"]

# The signatures of TF Serving's Classify and Regress APIs, and their method names.
_METHODS = {
    "classify": tf.compat.v1.saved_model.signature_constants.CLASSIFY_METHOD_NAME,
    "regress": tf.compat.v1.saved_model.signature_constants.REGRESS_METHOD_NAME,
}


def export(
    model_folder: str,
    name: str,
    version: int | None = None,
    saved_models_dir: str = "saved_models",
    keep: int | None = None,
    precision: Precision = "float32",
    top_k: int = 5,
    pooling: Pooling | None = None,
) -> str:
    """Writes `saved_models_dir/name/version`, completely or not at all.

    Args:
        model_folder: a folder written by `model_dir.save`.
        name: the name under which the model is served.
        version: a positive number that is not in use; None: the next free one when the
            model has been written.
        saved_models_dir: a folder with one folder for each model, which is the base
            path for TF Serving.
        keep: the number of versions to keep, including this one; None: all. Versions
            that others write in the meantime are kept, too.
        precision: the precision of the weights.
        top_k: see `TextModel`.
        pooling: pooling of the sentence vector, which is then scaled to length 1;
            None: as trained.

    Returns:
        The path of the version.

    Raises:
        ValueError: the version exists, or the name or a number is invalid.
        FileExistsError: another program has written the version in the meantime.
        FileNotFoundError: there is no model folder.
    """
    require_model_name(name)
    if name in (MODELS, *FILES):
        raise ValueError(
            f"Received the model name {name!r}, which is the name of a file beside "
            "the models. Expected another name."
        )
    cli.require_positive(version=version, keep=keep)
    base = posixpath.join(saved_models_dir, name)
    existing = versions(base)
    if version is not None:
        require_free(base, version)
    # An invalid list is reported before a new version is written.
    read_models(saved_models_dir)
    loaded = model_dir.load(model_folder, dtype=COMPUTE_POLICIES[precision])
    served = _served(loaded, precision, top_k, pooling)
    functions = served.signatures()
    served.assets = [
        tf.saved_model.Asset(file) for file in model_card.asset_files(model_folder)
    ]

    def write(folder: str) -> None:
        tf.saved_model.save(served, folder, functions)
        _name_methods(folder, functions)
        write_warmup(folder, name, functions, loaded.vocabulary)

    def describe(folder: str, number: int) -> None:
        card = model_card.model_card(
            name, number, model_folder, loaded, functions, precision
        )
        write_file(posixpath.join(folder, "assets", model_card.FILE), card.encode())

    version = write_version(base, version, write, describe)
    if keep is not None:
        remove_old_versions(base, keep, among=existing)
    write_kit(saved_models_dir, name)
    return posixpath.join(base, str(version))


def _served(
    loaded: LoadedModel, precision: Precision, top_k: int, pooling: Pooling | None
) -> FineTunedModel | TextModel:
    description = loaded.description
    if description.kind != model_dir.PRETRAINING:
        if pooling is not None:
            raise ValueError(
                f"Received pooling={pooling} for a model of kind {description.kind}. "
                "Expected it only for a pre-trained model."
            )
        return FineTunedModel(loaded, precision)
    vector = description.sentence_vector
    if pooling is not None:
        most = loaded.model.encoder.config.max_sequence_length
        vector = vector or SentenceVector(pooling, True, most)
        vector = dataclasses.replace(vector, pooling=pooling, normalize=True)
    return TextModel(loaded.model, loaded.tokenizer, top_k, vector, precision)


def _name_methods(folder: str, functions: Mapping[str, object]) -> None:
    """Declares the signatures that TF Serving's Classify and Regress APIs may call."""
    names = [name for name in _METHODS if name in functions]
    if names:
        definition = tf.compat.v1.saved_model.signature_def_utils.MethodNameUpdater(
            folder
        )
        for name in names:
            definition.replace_method_name(name, _METHODS[name], tags="serve")
        definition.save()
