"""Records of text to a vector for each piece of the vocabulary.

    python -m bert_tf.learn_token_vectors --records_dir=records \\
        --vocab_file=vocab.txt --vector_size=256 --vectors_file=vectors.bin
    python -m bert_tf.pretrain --token_vectors=vectors.bin ...

Which pieces are alike, skip-gram (or GloVe) learns in minutes; a small BERT that starts
from random vectors spends the first hours of its training on that.
"""

import dataclasses
from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

import numpy as np

from bert_tf.word_vectors.glove import learn_glove
from bert_tf.word_vectors.token_vectors import to_word2vec_format
from bert_tf.word_vectors.word2vec import learn_word2vec
from data_pipelines.files.atomic import new_file
from data_pipelines.pretraining import batches
from data_pipelines.pretraining.record_folder import (
    check_vocabulary,
    read_manifest,
    record_files,
)
from data_pipelines.programs import cli, processes
from data_pipelines.tokenizers.vocabulary import Vocabulary

if TYPE_CHECKING:
    from gensim.models import KeyedVectors

Method = Literal["skip_gram", "glove"]

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
    method: Method = cli.option(
        "skip_gram",
        "A piece guesses those around it, or (glove) vectors are fitted to counts of "
        "pairs.",
    )
    num_epochs: int | None = cli.option(
        None,
        "How often the text, or glove: its pairs, are gone through. Default: 2; "
        "glove: 50.",
    )
    min_count: int = cli.option(5, "Rarer pieces have no vector.")
    num_threads: int | None = cli.option(
        None,
        "Of skip_gram. Default: one for each core. Only with 1 the vectors are "
        "reproducible.",
    )
    seed: int = cli.option(0, "Of the vectors' start and of what is drawn by chance.")


def learn_token_vectors(
    *,
    records_dir: str,
    vocabulary: Vocabulary,
    vector_size: int,
    method: Method = "skip_gram",
    num_epochs: int | None = None,
    min_count: int = 5,
    num_threads: int | None = None,
    seed: int = 0,
) -> "KeyedVectors":
    """Skip-gram with negative sampling, or GloVe, on the training part of records.

    Args:
        records_dir: see `create_pretraining_data`; what is held out is not read.
        vocabulary: the one that the records were made with.
        vector_size: width.
        method: see `word2vec` and `glove`.
        num_epochs: how often the text, or its counted pairs, are gone through; None: 2
            or, for these, 50.
        min_count: rarer pieces have no vector.
        num_threads: of skip-gram; None: one for each core.
        seed: with one thread, or GloVe, the vectors depend on it and the records alone.

    Returns:
        gensim's vectors, keyed by piece.

    Raises:
        ValueError: a number is not positive, the vocabulary is another, no piece is
            frequent enough, or GloVe is given threads.
        ModuleNotFoundError: gensim is not installed.
    """
    if method == "glove" and num_threads is not None:
        raise ValueError(
            f"Received num_threads={num_threads} with method=glove, which uses all "
            "cores. Expected it with skip_gram alone: leave it out."
        )
    manifest = read_manifest(records_dir)
    check_vocabulary(manifest, vocabulary)
    text = _Text(records_dir, vocabulary, manifest["counts"]["parts"])
    if method == "glove":
        return learn_glove(
            text,
            vector_size=vector_size,
            min_count=min_count,
            num_epochs=50 if num_epochs is None else num_epochs,
            seed=seed,
        )
    return learn_word2vec(
        text,
        vector_size=vector_size,
        min_count=min_count,
        num_epochs=2 if num_epochs is None else num_epochs,
        num_threads=num_threads,
        seed=seed,
    )


class _Text:
    """Lists of pieces, from the start in each iteration."""

    def __init__(
        self, records_dir: str, vocabulary: Vocabulary, num_parts: int
    ) -> None:
        self.files = record_files(records_dir)
        self.tokens = np.array(vocabulary.tokens, dtype=object)
        self.num_parts = num_parts

    def __iter__(self) -> Iterator[list[str]]:
        texts = batches.stored_texts(self.files)
        for token_ids in processes.show_progress("read", texts, self.num_parts):
            pieces = self.tokens[token_ids].tolist()
            for start in range(0, len(pieces), _PIECES_AT_ONCE):
                yield pieces[start : start + _PIECES_AT_ONCE]


def main(options: LearnTokenVectorsOptions) -> None:
    """Learns the vectors, writes them, and prints how many there are."""
    vocabulary = Vocabulary.from_file(options.vocab_file)
    path = options.vectors_file
    arguments = dataclasses.asdict(options)
    del arguments["vocab_file"], arguments["vectors_file"]
    with new_file(path) as file:
        vectors = learn_token_vectors(vocabulary=vocabulary, **arguments)
        file.write(to_word2vec_format(vectors, path))
    print(
        f"{path}: vectors of {vectors.vector_size} numbers for {len(vectors):,} of "
        f"{len(vocabulary):,} pieces."
    )


if __name__ == "__main__":
    cli.run(LearnTokenVectorsOptions, main, __doc__ or "")
