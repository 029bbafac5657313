"""A model folder to a SavedModel that takes plain strings, and what serves it.

    python -m bert_tf.export --model_dir=models/demo --name=demo
    python -m bert_tf.export --model_dir=models/sst2 --name=sst2 --precision=int8

It loads with tensorflow and tensorflow-text alone, and in TF Serving, whose files are
written beside the models.
"""

import dataclasses
import posixpath
from collections.abc import Mapping
from typing import Literal

import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from bert_tf.checkpoints import model_dir
from bert_tf.checkpoints.sentence_vector import SentenceVector
from bert_tf.serving import model_card
from bert_tf.serving.fine_tuned import FineTunedModel
from bert_tf.serving.kit import read_models, write_kit
from bert_tf.serving.pretrained import TextModel
from bert_tf.serving.stored_weights import POLICIES, Precision
from bert_tf.serving.versions import (
    GRAPH,
    new_version,
    remove_old_versions,
    unpublished,
)
from bert_tf.serving.warmup import write_warmup
from data_pipelines.files.atomic import write_file
from data_pipelines.programs import cli

# Signatures of TF Serving's Classify and Regress APIs, and what these call them.
_METHODS = {
    "classify": tf.compat.v1.saved_model.signature_constants.CLASSIFY_METHOD_NAME,
    "regress": tf.compat.v1.saved_model.signature_constants.REGRESS_METHOD_NAME,
}


@dataclasses.dataclass(frozen=True)
class ExportOptions:
    """What the program can be told."""

    model_dir: str = cli.option(
        cli.REQUIRED, "The model folder, pre-trained or fine-tuned."
    )
    name: str = cli.option(cli.REQUIRED, "Under which name the model is served.")
    version: int | None = cli.option(
        None, "A number. Default: one more than the newest version there is."
    )
    saved_models_dir: str = cli.option("saved_models", "Where NAME/VERSION is made.")
    keep: int | None = cli.option(
        None, "Versions that stay, the newest. Default: all of them."
    )
    precision: Precision = cli.option(
        "float32", "Of the weights: half as large in bfloat16, a quarter in int8."
    )
    top_k: int = cli.option(5, "How many guesses fill_mask gives for a mask.")
    num_tokens: int = cli.option(32, "Pieces that generate adds at most.")
    embedding_layer: int = cli.option(
        -1, "The layer of embed and features: 0 the embeddings, -1 the last block."
    )
    pooling: Literal["mean", "cls", "pooled"] | None = cli.option(
        None, "What embed gives as sentence. Default: as it was trained, or the mean."
    )


def export(
    model_folder: str,
    name: str,
    version: int | None = None,
    saved_models_dir: str = "saved_models",
    top_k: int = 5,
    embedding_layer: int = -1,
    pooling: Literal["mean", "cls", "pooled"] | None = None,
    precision: Precision = "float32",
    keep: int | None = None,
    num_tokens: int = 32,
) -> str:
    """Writes `saved_models_dir/name/version`, whole or not at all.

    Args:
        model_folder: a folder of `model_dir.save`.
        name: of the served model.
        version: a positive number that is not there yet; None: the next one.
        saved_models_dir: one folder a model below it, each a base path of TF Serving.
        top_k, embedding_layer, num_tokens: of `TextModel`.
        pooling: of its sentence vector, whose length is then 1; None: as trained.
        precision: of the weights.
        keep: how many versions stay, this one included; None: all.

    Returns:
        The path of the version.

    Raises:
        ValueError: the version exists, or the name or a number is not usable.
        FileNotFoundError: there is no model folder.
    """
    if not name or "/" in name or name.startswith("."):
        raise ValueError(f"Received name={name!r}. Expected a plain folder name.")
    if keep is not None and keep < 1:
        raise ValueError(f"Received keep={keep}. Expected 1 or more.")
    base = posixpath.join(saved_models_dir, name)
    version = new_version(base, version)
    # A list that cannot be read is told before there is a new version.
    read_models(saved_models_dir)
    loaded = model_dir.load(model_folder, dtype=POLICIES[precision])
    description = loaded.description
    served: FineTunedModel | TextModel
    if description.kind != model_dir.PRETRAINING:
        if pooling is not None:
            raise ValueError(
                f"Received pooling={pooling} for a model of the kind "
                f"{description.kind}. Expected it for a pre-trained one alone."
            )
        served = FineTunedModel(loaded, precision)
    else:
        vector = description.sentence_vector
        if pooling is not None:
            most = loaded.model.encoder.config.max_sequence_length
            vector = SentenceVector(
                pooling, True, vector.max_length if vector else most
            )
        served = TextModel(
            loaded.model,
            loaded.tokenizer,
            top_k=top_k,
            embedding_layer=embedding_layer,
            sentence_vector=vector,
            precision=precision,
            num_tokens=num_tokens,
        )
    functions = served.signatures()
    card = model_card.model_card(name, version, model_folder, functions, precision)
    with unpublished(base, version) as folder:
        # Beside the assets, which are copied from files.
        path = posixpath.join(f"{folder}.card", model_card.FILE)
        tf.io.gfile.makedirs(posixpath.dirname(path))
        try:
            write_file(path, card.encode())
            assets = [*model_card.asset_files(model_folder), path]
            served.assets = [tf.saved_model.Asset(file) for file in assets]
            tf.saved_model.save(served, folder, functions)
        finally:
            tf.io.gfile.rmtree(posixpath.dirname(path))
        _name_methods(folder, functions)
        write_warmup(folder, name, functions, loaded.vocabulary)
    if keep is not None:
        remove_old_versions(base, keep)
    write_kit(saved_models_dir, name)
    return posixpath.join(base, str(version))


def _name_methods(folder: str, functions: Mapping[str, object]) -> None:
    """Tells TF Serving which signatures its Classify and Regress APIs may call."""
    names = [name for name in _METHODS if name in functions]
    if names:
        definition = tf.compat.v1.saved_model.signature_def_utils.MethodNameUpdater(
            folder
        )
        for name in names:
            definition.replace_method_name(name, _METHODS[name], tags="serve")
        definition.save()


def _signatures(path: str) -> list[str]:
    with tf.io.gfile.GFile(posixpath.join(path, GRAPH), "rb") as file:
        saved_model = saved_model_pb2.SavedModel.FromString(file.read())
    return sorted(saved_model.meta_graphs[0].signature_def)


def main(options: ExportOptions) -> None:
    """Exports and says what there is."""
    values = dataclasses.asdict(options)
    folder = values.pop("model_dir")
    path = export(folder, **values)
    signatures = [
        name
        for name in _signatures(path)
        if not name.endswith(("_fixed", "_xla", "_default", "_init_op"))
    ]
    print(
        f"Wrote {path} with the signatures {', '.join(signatures)}.\n"
        f"Beside it, for TF Serving: docker compose up, in {options.saved_models_dir}."
    )


if __name__ == "__main__":
    cli.run(ExportOptions, main, __doc__)
