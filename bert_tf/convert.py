r"""Converts a model from one format to another.

    python -m bert_tf.convert --source=bert-base-uncased/ --output_dir=models/base
    python -m bert_tf.convert --source=models/mine --output_dir=mine_for_hugging_face \
        --output_format=hugging_face

    python -m bert_tf.convert --source=hf://answerdotai/ModernBERT-base \
        --output_dir=models/modernbert
    python -m bert_tf.convert --source=words.bin --output_dir=models/words

The format of the source is recognised. A file of vectors of words, or of pieces,
becomes an encoder that consists of an embedding table alone. A name with `hf://` is
that of a model of the Hugging Face Hub, which is downloaded. Another name, such as
bert_base_en_uncased, is that of a KerasHub preset, of which the encoder is read without
heads.
"""

import dataclasses
import math
import posixpath

import tensorflow as tf

from bert_tf.checkpoints import formats, model_dir
from bert_tf.checkpoints.foreign import encoder_only
from bert_tf.checkpoints.model_dir import Checkpoint, Description
from data_pipelines.files.atomic import new_folder, require_new
from data_pipelines.programs import cli
from data_pipelines.tokenizers.casing import CasingOptions
from data_pipelines.tokenizers.vocabulary import Vocabulary
from data_pipelines.tokenizers.vocabulary_files import TOKENIZATION


@dataclasses.dataclass(frozen=True)
class ConvertOptions(CasingOptions):
    """Options of the program."""

    source: str = cli.option(
        cli.REQUIRED,
        "A model: a folder, a checkpoint's prefix, hf:// and a name of the Hugging "
        "Face Hub, the name of a KerasHub preset, or a file of word vectors.",
    )
    output_dir: str = cli.option(cli.REQUIRED, "The folder to create.")
    output_format: str = cli.option(
        "bert_tf", f"The format to write: {', '.join(formats.WRITTEN)}."
    )
    num_choices: int | None = cli.option(
        None,
        "Multiple choice: the number of choices of a question, which Hugging Face's "
        "files do not store. Default: 2 for their models.",
    )
    encoder_only: bool = cli.option(False, "Convert the encoder without its heads.")


def convert(options: ConvertOptions) -> None:
    """Writes the model in the other format, completely or not at all, and prints it.

    Raises:
        FileNotFoundError: there is no model.
        FileExistsError: the output exists.
        ValueError: one of the formats cannot store the model.
    """
    require_new(options.output_dir)
    source_format, checkpoint = formats.read(options.source)
    checkpoint = dataclasses.replace(
        checkpoint,
        vocabulary=_with_casing(checkpoint.vocabulary, options),
        description=_with_choices(checkpoint.description, options.num_choices),
        options={"converted_from": options.source},
    )
    if options.encoder_only:
        checkpoint = encoder_only(checkpoint)
    model_dir.check_sizes(checkpoint.config, checkpoint.vocabulary)
    # This may fail, so it comes before the folder appears.
    summary = _summary(checkpoint)
    with new_folder(options.output_dir) as folder:
        formats.write(checkpoint, folder, options.output_format)
    print(f"{options.source} ({source_format}): {summary}")
    print(f"Wrote {options.output_dir} ({options.output_format}).")


def _with_casing(vocabulary: Vocabulary, options: ConvertOptions) -> Vocabulary:
    """The vocabulary with the casing of the options.

    Raises:
        ValueError: the source's own file has a different casing.
    """
    changed = vocabulary.with_casing(options.lower_case, options.strip_accents)
    path = posixpath.join(options.source, TOKENIZATION)
    if changed != vocabulary and tf.io.gfile.exists(path):
        raise ValueError(
            f"Received lower_case={options.lower_case} and strip_accents="
            f"{options.strip_accents}. Expected lower_case={vocabulary.lower_case} and "
            f"strip_accents={vocabulary.strip_accents} as in {path}: leave these "
            "options out."
        )
    return changed


def _with_choices(description: Description, num_choices: int | None) -> Description:
    if num_choices is None:
        return description
    if "num_choices" not in description.head or num_choices < 2:
        raise ValueError(
            f"Received num_choices={num_choices} for a model of kind "
            f"{description.kind}. Expected 2 or more, for a multiple-choice model."
        )
    return dataclasses.replace(
        description,
        head={**description.head, "num_choices": num_choices},
        encoding={**description.encoding, "group_size": num_choices},
    )


def _summary(checkpoint: Checkpoint) -> str:
    config, vocabulary = checkpoint.config, checkpoint.vocabulary
    description, shapes = checkpoint.description, checkpoint.weights.shapes
    pieces, num_rows = len(vocabulary), config.vocab_size
    unused = f" for {num_rows:,} rows" if pieces < num_rows else ""
    parts = [
        description.kind,
        f"{sum(map(math.prod, shapes.values())):,} weights in {len(shapes)} tensors",
        f"{config.num_hidden_layers} layers of {config.hidden_size}",
        f"{pieces:,} pieces{unused}",
        f"lower_case={vocabulary.lower_case}",
    ]
    if vocabulary.strip_accents != vocabulary.lower_case:
        parts.append(f"strip_accents={vocabulary.strip_accents}")
    if vocabulary.added_tokens:
        parts.append(f"{len(vocabulary.added_tokens)} added tokens")
    if "num_choices" in description.head:
        parts.append(f"{description.head['num_choices']} choices")
    if description.labels is not None:
        parts.append(f"labels {', '.join(description.labels)}")
    return ", ".join(parts)


if __name__ == "__main__":
    cli.run(ConvertOptions, convert, __doc__)
