"""A model folder to a SavedModel that takes plain strings.

    python -m bert_tf.export --model_dir=models/demo --name=demo

It loads with tensorflow and tensorflow-text alone, and in TF Serving.
"""

import dataclasses
import posixpath

import tensorflow as tf

from bert_tf import model_dir, serving
from bert_tf.saved_model_versions import new_version, unpublished
from data_pipelines import cli


@dataclasses.dataclass(frozen=True)
class ExportOptions:
    """What the program can be told."""

    model_dir: str = cli.option(
        cli.REQUIRED, "The model folder that bert_tf.pretrain wrote."
    )
    name: str = cli.option(cli.REQUIRED, "Under which name the model is served.")
    version: int | None = cli.option(
        None, "A number. Default: one more than the newest version there is."
    )
    saved_models_dir: str = cli.option("saved_models", "Where NAME/VERSION is made.")
    top_k: int = cli.option(5, "How many guesses fill_mask gives for a mask.")
    embedding_layer: int = cli.option(
        -1, "The layer that embed reads: 0 the embeddings, -1 the last block."
    )


def export(
    model_folder: str,
    name: str,
    version: int | None = None,
    saved_models_dir: str = "saved_models",
    top_k: int = 5,
    embedding_layer: int = -1,
) -> str:
    """Writes `saved_models_dir/name/version`, whole or not at all.

    Args:
        model_folder: a folder of `model_dir.save`.
        name: of the served model.
        version: a positive number that is not there yet; None: the next one.
        saved_models_dir: TF Serving's base path, one folder a model below it.
        top_k: guesses of `fill_mask`.
        embedding_layer: the layer of `embed`.

    Returns:
        The path of the version.

    Raises:
        ValueError: the version exists, or the name or a number is not usable.
        FileNotFoundError: there is no model folder.
    """
    if not name or "/" in name or name.startswith("."):
        raise ValueError(f"Received name={name!r}. Expected a plain folder name.")
    base = posixpath.join(saved_models_dir, name)
    version = new_version(base, version)
    _, _, description = model_dir.load_description(model_folder)
    if description.kind != model_dir.PRETRAINING:
        raise ValueError(
            f"{model_folder} is a model of the kind {description.kind}. Expected a "
            "pre-trained one, which export can do so far: use bert_tf.predict."
        )
    loaded = model_dir.load(model_folder, dtype="float32")
    text_model = serving.TextModel(
        loaded.model,
        loaded.tokenizer,
        top_k=top_k,
        embedding_layer=embedding_layer,
        sentence_vector=loaded.description.sentence_vector,
    )
    text_model.assets = [
        tf.saved_model.Asset(posixpath.join(model_folder, file))
        for file in (model_dir.VOCABULARY, model_dir.CONFIG, model_dir.DESCRIPTION)
    ]
    with unpublished(base, version) as folder:
        tf.saved_model.save(text_model, folder, text_model.signatures())
    return posixpath.join(base, str(version))


def main(options: ExportOptions) -> None:
    """Exports and says what there is."""
    path = export(
        options.model_dir,
        options.name,
        options.version,
        options.saved_models_dir,
        options.top_k,
        options.embedding_layer,
    )
    _, _, description = model_dir.load_description(options.model_dir)
    signatures = "embed (serving_default), encode"
    if description.has_mlm_head:
        signatures = "fill_mask (serving_default), embed, encode"
    print(f"Wrote {path} with the signatures {signatures}.")


if __name__ == "__main__":
    cli.run(ExportOptions, main, __doc__)
