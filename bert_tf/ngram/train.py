"""Trains a trigram model on the pieces of records of text.

    python -m bert_tf.ngram.train --records_dir=records --vocab_file=vocab.txt \\
        --model_file=trigrams.npz

Its perplexity and predictions are comparable to those of a neural model trained on the
same records, which has the same text and pieces. With --num_classes=500, the model is
mixed with a model of 500 classes of pieces, which improves it.
"""

import dataclasses

from bert_tf.ngram.class_model import MixedModel
from bert_tf.ngram.model import NgramModel
from bert_tf.ngram.model_file import TrigramFile, to_bytes
from data_pipelines.files.atomic import new_file
from data_pipelines.pretraining import record_folder
from data_pipelines.pretraining.documents import stored_texts
from data_pipelines.programs import cli, processes
from data_pipelines.tokenizers.vocabulary import Vocabulary


@dataclasses.dataclass(frozen=True)
class TrainOptions:
    """Options of the program."""

    records_dir: str = cli.option(
        cli.REQUIRED, "The folder of create_pretraining_data."
    )
    vocab_file: str = cli.option(
        cli.REQUIRED, "The vocabulary that the records were made with."
    )
    model_file: str = cli.option(
        cli.REQUIRED, "The file to write, NumPy's npz. It must not exist."
    )
    num_classes: int | None = cli.option(
        None,
        "Number of classes of pieces (Brown et al. 1992) of a class model that is "
        "mixed in. Default: no class model.",
    )


def train(
    records_dir: str, vocabulary: Vocabulary, num_classes: int | None = None
) -> TrigramFile:
    """Counts the training part of records; the held-out part is not read.

    With `num_classes`, a class model with this number of classes is mixed in.

    Raises:
        FileNotFoundError: there are no records.
        ValueError: the records have another vocabulary, the text is too short, or the
            number of classes is out of range.
    """
    manifest = record_folder.read_manifest(records_dir)
    record_folder.check_vocabulary(manifest, vocabulary)
    stored = stored_texts(record_folder.record_files(records_dir))
    texts = processes.show_progress("read", stored, manifest["counts"]["parts"])
    size = len(vocabulary)
    model = (
        NgramModel.fit(texts, size)
        if num_classes is None
        else MixedModel.fit(list(texts), size, num_classes)
    )
    casing = manifest["lower_case"], manifest["strip_accents"]
    return TrigramFile(model, vocabulary.with_casing(*casing))


def main(options: TrainOptions) -> None:
    """Trains and writes the model, and prints its size."""
    vocabulary = Vocabulary.from_file(options.vocab_file)
    with new_file(options.model_file) as file:
        loaded = train(options.records_dir, vocabulary, options.num_classes)
        file.write(to_bytes(loaded))
    model = loaded.model
    pieces = model.pieces if isinstance(model, MixedModel) else model
    print(
        f"{options.model_file}: {len(pieces.trigrams.keys):,} trigrams, "
        f"{len(pieces.bigrams.keys):,} bigrams, {len(vocabulary):,} pieces."
    )
    if isinstance(model, MixedModel):
        print(
            f"{options.num_classes:,} classes, {1 - model.weight:.0%} of the mixture; "
            f"{len(model.classes.trigrams.trigrams.keys):,} trigrams of classes."
        )


if __name__ == "__main__":
    cli.run(TrainOptions, main, __doc__ or "")
