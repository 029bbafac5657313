"""Records of text to a vector for each piece of the vocabulary, by skip-gram.

    python -m data_pipelines.learn_token_vectors --records_dir=records \\
        --vocab_file=vocab.txt --vector_size=256 --vectors_file=vectors.bin
    python -m bert_tf.pretrain --token_vectors=vectors.bin ...

Which pieces are alike, skip-gram learns in minutes; a small BERT that starts from
random vectors spends the first hours of its training on that.
"""

import dataclasses
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

from data_pipelines import cli, pretraining, processes
from data_pipelines.new_file import new_file
from data_pipelines.record_folder import check_vocabulary, read_manifest, record_files
from data_pipelines.token_vectors import to_word2vec_format
from data_pipelines.vocabulary import Vocabulary
from data_pipelines.word2vec import learn_word2vec

if TYPE_CHECKING:
    from gensim.models import KeyedVectors

# gensim cuts off what is longer than 10,000.
_PIECES_AT_ONCE = 1000


@dataclasses.dataclass(frozen=True)
class LearnTokenVectorsOptions:
    """What the program can be told. The defaults are word2vec's, but for the epochs."""

    records_dir: str = cli.option(
        cli.REQUIRED, "The folder of create_pretraining_data."
    )
    vocab_file: str = cli.option(
        cli.REQUIRED, "The vocabulary that the records were made with."
    )
    vectors_file: str = cli.option(
        cli.REQUIRED,
        "The file to write, in word2vec's format: binary if it ends in .bin, else "
        "text. There must be none yet.",
    )
    vector_size: int = cli.option(
        cli.REQUIRED, "Width of a vector: the hidden_size of the model to start."
    )
    num_epochs: int = cli.option(2, "How often the text is gone through.")
    min_count: int = cli.option(5, "Rarer pieces have no vector.")
    num_threads: int | None = cli.option(
        None, "Default: one for each core. Only with 1 the vectors are reproducible."
    )
    seed: int = cli.option(0, "Of the vectors' start and of the negatives.")


def learn_token_vectors(
    *,
    records_dir: str,
    vocabulary: Vocabulary,
    vector_size: int,
    num_epochs: int = 2,
    min_count: int = 5,
    num_threads: int | None = None,
    seed: int = 0,
) -> "KeyedVectors":
    """Skip-gram with negative sampling on the training part of records.

    Args:
        records_dir: see `create_pretraining_data`; what is held out is not read.
        vocabulary: the one that the records were made with.
        vector_size: width.
        num_epochs: how often the text is gone through.
        min_count: rarer pieces have no vector.
        num_threads: None: one for each core.
        seed: with one thread, the vectors depend on it and the records alone.

    Returns:
        gensim's vectors, keyed by piece.

    Raises:
        ValueError: a number is not positive, the vocabulary is another, or no piece is
            frequent enough.
        ModuleNotFoundError: gensim is not installed.
    """
    manifest = read_manifest(records_dir)
    check_vocabulary(manifest, vocabulary)
    text = _Text(records_dir, vocabulary, manifest["counts"]["parts"])
    return learn_word2vec(
        text,
        vector_size=vector_size,
        min_count=min_count,
        num_epochs=num_epochs,
        num_threads=num_threads,
        seed=seed,
    )


class _Text:
    """Lists of pieces, from the start in each iteration."""

    def __init__(
        self, records_dir: str, vocabulary: Vocabulary, num_parts: int
    ) -> None:
        self.documents = pretraining.documents_from_records(
            record_files(records_dir), shuffle_parts=0
        )
        self.tokens = np.array(vocabulary.tokens, dtype=object)
        self.num_parts = num_parts

    def __iter__(self) -> Iterator[list[str]]:
        first, all_of_it = tf.constant(0, tf.int64), tf.constant(0, tf.int64)
        parts = self.documents(first, all_of_it, 1).as_numpy_iterator()
        for part in processes.show_progress("read", parts, self.num_parts):
            pieces = self.tokens[part["token_ids"]].tolist()
            for start in range(0, len(pieces), _PIECES_AT_ONCE):
                yield pieces[start : start + _PIECES_AT_ONCE]


def main(options: LearnTokenVectorsOptions) -> None:
    """Learns the vectors, writes them, and prints how many there are."""
    vocabulary = Vocabulary.from_file(options.vocab_file)
    path = options.vectors_file
    arguments = dataclasses.asdict(options)
    del arguments["vocab_file"], arguments["vectors_file"]
    with new_file(path) as write:
        vectors = learn_token_vectors(vocabulary=vocabulary, **arguments)
        write(to_word2vec_format(vectors, path))
    print(
        f"{path}: vectors of {vectors.vector_size} numbers for {len(vectors):,} of "
        f"{len(vocabulary):,} pieces."
    )


if __name__ == "__main__":
    cli.run(LearnTokenVectorsOptions, main, __doc__ or "")
