r"""Any BERT in, any BERT out: a model in one format becomes the same model in another.

    python -m bert_tf.convert --source=bert-base-uncased/ --output_dir=models/base
    python -m bert_tf.convert --source=models/mine --output_dir=mine_for_hugging_face \
        --output_format=hugging_face

The format of the source is recognised. A name, such as bert_base_en_uncased, is that of
a KerasHub preset and is downloaded: the encoder, as of `hf://` names, without heads.
"""

import dataclasses
import math
from typing import Literal

import tensorflow as tf

from bert_tf import model_dir
from bert_tf.checkpoints.checkpoint import encoder_only
from bert_tf.checkpoints.formats import READERS, WRITERS, recognise
from data_pipelines import cli


@dataclasses.dataclass(frozen=True)
class ConvertOptions:
    """What the program can be told."""

    source: str = cli.option(
        cli.REQUIRED, "A model: a folder, a checkpoint's prefix, or a preset's name."
    )
    output_dir: str = cli.option(cli.REQUIRED, "The folder to make.")
    output_format: Literal["bert_tf", "google", "hugging_face", "keras_hub"] = (
        cli.option("bert_tf", "What is written.")
    )
    lower_case: bool | None = cli.option(
        None,
        "Whether texts are lower-cased. Default: as the source says; where its format "
        "does not, as its vocabulary does.",
    )
    encoder_only: bool = cli.option(False, "Leaves the heads out.")


def convert(options: ConvertOptions) -> None:
    """Writes the model in the other format, whole or not at all, and says what it was.

    Raises:
        FileNotFoundError: there is no model.
        ValueError: the output exists, or one of the formats cannot hold the model.
    """
    if tf.io.gfile.exists(options.output_dir):
        raise ValueError(
            f"{options.output_dir} exists already and is never written over. Expected "
            "a new folder: remove it, or choose another."
        )
    if options.output_format not in WRITERS:
        raise ValueError(
            f"Received output_format={options.output_format!r}. Expected one of "
            f"{list(WRITERS)}."
        )
    source_format = recognise(options.source)
    checkpoint = dataclasses.replace(
        READERS[source_format](options.source),
        options={"converted_from": options.source},
    )
    if options.lower_case is not None:
        checkpoint = dataclasses.replace(
            checkpoint,
            description=dataclasses.replace(
                checkpoint.description, lower_case=options.lower_case
            ),
        )
    if options.encoder_only:
        checkpoint = encoder_only(checkpoint)
    model_dir.check_sizes(checkpoint.config, checkpoint.vocabulary)
    unfinished = f"{options.output_dir.rstrip('/')}.unfinished"
    if tf.io.gfile.exists(unfinished):
        tf.io.gfile.rmtree(unfinished)
    try:
        WRITERS[options.output_format](checkpoint, unfinished)
        tf.io.gfile.rename(unfinished, options.output_dir)
    except BaseException:
        if tf.io.gfile.exists(unfinished):
            tf.io.gfile.rmtree(unfinished)
        raise
    shapes = checkpoint.weights.shapes
    pieces, num_rows = len(checkpoint.vocabulary), checkpoint.config.vocab_size
    unused = f" for {num_rows:,} rows" if pieces < num_rows else ""
    print(
        f"{options.source} ({source_format}): {checkpoint.description.kind}, "
        f"{sum(math.prod(shape) for shape in shapes.values()):,} weights in "
        f"{len(shapes)} tensors, {checkpoint.config.num_hidden_layers} layers of "
        f"{checkpoint.config.hidden_size}, {pieces:,} pieces{unused}, "
        f"lower_case={checkpoint.description.lower_case}"
    )
    print(f"Wrote {options.output_dir} ({options.output_format}).")


if __name__ == "__main__":
    cli.run(ConvertOptions, convert, __doc__)
