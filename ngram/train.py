"""Records of text to a trigram model of their pieces.

    python -m ngram.train --records_dir=records --vocab_file=vocab.txt \\
        --model_file=trigrams.npz

The text and the pieces are those of a neural model that reads the same records, so that
their perplexities and guesses can be compared.
"""

import dataclasses

from data_pipelines import cli, pretraining, processes
from data_pipelines.new_file import new_file
from data_pipelines.record_folder import check_vocabulary, read_manifest, record_files
from data_pipelines.vocabulary import Vocabulary
from ngram.model import NgramModel
from ngram.model_file import LoadedModel, to_bytes


@dataclasses.dataclass(frozen=True)
class TrainOptions:
    """What the program can be told."""

    records_dir: str = cli.option(
        cli.REQUIRED, "The folder of create_pretraining_data."
    )
    vocab_file: str = cli.option(
        cli.REQUIRED, "The vocabulary that the records were made with."
    )
    model_file: str = cli.option(
        cli.REQUIRED, "The file to write, NumPy's npz. There must be none yet."
    )


def train(records_dir: str, vocabulary: Vocabulary) -> LoadedModel:
    """A model of the training part of records; what is held out is not read.

    Raises:
        FileNotFoundError: there are no records.
        ValueError: the vocabulary is another, or the text too short.
    """
    manifest = read_manifest(records_dir)
    check_vocabulary(manifest, vocabulary)
    texts = processes.show_progress(
        "read",
        pretraining.stored_texts(record_files(records_dir)),
        manifest["counts"]["parts"],
    )
    return LoadedModel(
        NgramModel.fit(texts, len(vocabulary)),
        vocabulary,
        manifest["lower_case"],
        manifest["strip_accents"],
    )


def main(options: TrainOptions) -> None:
    """Counts, writes the model, and says how large it is."""
    vocabulary = Vocabulary.from_file(options.vocab_file)
    with new_file(options.model_file) as write:
        loaded = train(options.records_dir, vocabulary)
        write(to_bytes(loaded))
    print(
        f"{options.model_file}: {len(loaded.model.trigrams.keys):,} trigrams, "
        f"{len(loaded.model.bigrams.keys):,} bigrams, {len(vocabulary):,} pieces."
    )


if __name__ == "__main__":
    cli.run(TrainOptions, main, __doc__ or "")
