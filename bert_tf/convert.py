r"""Any BERT in, any BERT out: a model in one format becomes the same model in another.

    python -m bert_tf.convert --source=bert-base-uncased/ --output_dir=models/base
    python -m bert_tf.convert --source=models/mine --output_dir=mine_for_hugging_face \
        --output_format=hugging_face

    python -m bert_tf.convert --source=words.bin --output_dir=models/words

The format of the source is recognised. A file of vectors of words, or of pieces,
becomes an encoder that is nothing but their table. A name, such as
bert_base_en_uncased, is that of a KerasHub preset and is downloaded: the encoder, as of
`hf://` names, without heads.
"""

import dataclasses
import math
from typing import Literal

from bert_tf.checkpoints import formats, model_dir
from bert_tf.checkpoints.checkpoint import encoder_only
from bert_tf.checkpoints.model_dir import Description
from data_pipelines.files.atomic import new_folder, require_new
from data_pipelines.programs import cli
from data_pipelines.tokenizers.tokenizer import kind_of, lowers_case


@dataclasses.dataclass(frozen=True)
class ConvertOptions:
    """What the program can be told."""

    source: str = cli.option(
        cli.REQUIRED,
        "A model: a folder, a checkpoint's prefix, a preset's name, or a file of word "
        "vectors in word2vec's format.",
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
    strip_accents: bool | None = cli.option(
        None, "Whether accents are taken away. Default: likewise."
    )
    num_choices: int | None = cli.option(
        None,
        "Multiple choice: the choices of a question, which Hugging Face's files do not "
        "say. Default: 2 for theirs.",
    )
    encoder_only: bool = cli.option(False, "Leaves the heads out.")


def convert(options: ConvertOptions) -> None:
    """Writes the model in the other format, whole or not at all, and says what it was.

    Raises:
        FileNotFoundError: there is no model.
        ValueError: the output exists, or one of the formats cannot hold the model.
    """
    require_new(options.output_dir)
    source_format, checkpoint = formats.read(options.source)
    checkpoint = dataclasses.replace(
        checkpoint, options={"converted_from": options.source}
    )
    checkpoint = dataclasses.replace(
        checkpoint, description=_as_told(checkpoint.description, options)
    )
    if options.encoder_only:
        checkpoint = encoder_only(checkpoint)
    model_dir.check_sizes(checkpoint.config, checkpoint.vocabulary)
    described = checkpoint.description
    lowers_case(
        kind_of(checkpoint.vocabulary), described.lower_case, described.strip_accents
    )  # Or it raises.
    with new_folder(options.output_dir) as unfinished:
        formats.write(checkpoint, unfinished, options.output_format)
    shapes = checkpoint.weights.shapes
    pieces, num_rows = len(checkpoint.vocabulary), checkpoint.config.vocab_size
    unused = f" for {num_rows:,} rows" if pieces < num_rows else ""
    print(
        f"{options.source} ({source_format}): {checkpoint.description.kind}, "
        f"{sum(math.prod(shape) for shape in shapes.values()):,} weights in "
        f"{len(shapes)} tensors, {checkpoint.config.num_hidden_layers} layers of "
        f"{checkpoint.config.hidden_size}, {pieces:,} pieces{unused}, "
        f"{_texts_and_heads(checkpoint.description)}"
    )
    print(f"Wrote {options.output_dir} ({options.output_format}).")


def _as_told(description: Description, options: ConvertOptions) -> Description:
    """The description with what the options say of it."""
    casing = {
        name: value
        for name in ("lower_case", "strip_accents")
        if (value := getattr(options, name)) is not None
    }
    description = dataclasses.replace(description, **casing)
    if options.num_choices is None:
        return description
    if description.kind != "multiple_choice" or options.num_choices < 2:
        raise ValueError(
            f"Received num_choices={options.num_choices} for a model of the kind "
            f"{description.kind}. Expected 2 or more, for one of multiple choice."
        )
    return dataclasses.replace(
        description,
        head={**description.head, "num_choices": options.num_choices},
        encoding={**description.encoding, "group_size": options.num_choices},
    )


def _texts_and_heads(description: Description) -> str:
    parts = [f"lower_case={description.lower_case}"]
    if description.strip_accents is not None:
        parts.append(f"strip_accents={description.strip_accents}")
    if description.kind == "multiple_choice":
        parts.append(f"{description.head['num_choices']} choices")
    if description.labels is not None:
        parts.append(f"labels {', '.join(description.labels)}")
    return ", ".join(parts)


if __name__ == "__main__":
    cli.run(ConvertOptions, convert, __doc__)
