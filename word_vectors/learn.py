"""Text to a vector for each word, and how good they are.

    python -m word_vectors.learn --input_files='corpus/*.txt' --vectors_file=words.bin
    python -m word_vectors.learn --input_files="corpus/*.txt" --vectors_file=w.txt \\
        --method=cbow --softmax=hierarchical --pairs_files=EN-SIMLEX-999.txt

What came before BERT: one vector for a word, whatever stands around it.
"""

import dataclasses

from data_pipelines import cli, corpus, word2vec
from data_pipelines.new_file import new_file
from data_pipelines.token_vectors import to_word2vec_format
from word_vectors import quality
from word_vectors.text import Words


@dataclasses.dataclass(frozen=True)
class LearnOptions:
    """What the program can be told. The defaults are word2vec's."""

    input_files: tuple[str, ...] = cli.option(
        cli.REQUIRED, "Text: files or patterns such as 'corpus/*.txt', or tfds:NAME."
    )
    vectors_file: str = cli.option(
        cli.REQUIRED,
        "The file to write, in word2vec's format: binary if it ends in .bin, else "
        "text. There must be none yet.",
    )
    separator: corpus.Separator = cli.option(
        "file", "file: a file is one document. blank_line: empty lines separate them."
    )
    method: word2vec.Method = cli.option(
        "skip_gram", "A word guesses those around it, or (cbow) they guess it."
    )
    softmax: word2vec.Softmax = cli.option(
        "negative_sampling", "Against words by chance, or along a tree."
    )
    side: word2vec.Side = cli.option(
        "input", "Which of the two vectors of a word is kept, or their mean."
    )
    vector_size: int = cli.option(100, "Width of a vector.")
    window: int = cli.option(5, "How far the words around are looked for.")
    min_count: int = cli.option(5, "Rarer words have no vector.")
    sample: float = cli.option(
        1e-4, "Words more frequent than this share are thinned out; 0: none."
    )
    num_epochs: int = cli.option(5, "How often the text is gone through.")
    num_threads: int | None = cli.option(
        None, "Default: one for each core. Only with 1 the vectors are reproducible."
    )
    seed: int = cli.option(0, "Of the vectors' start and of the negatives.")
    pairs_files: tuple[str, ...] = cli.option(
        (), "Word pairs with scores, such as SimLex-999, to compare with."
    )
    questions_file: str | None = cli.option(None, "Analogies to answer.")


def main(options: LearnOptions) -> None:
    """Learns the vectors, writes them, and says how good they are."""
    path = options.vectors_file
    quality.check_files(options.pairs_files, options.questions_file)
    with new_file(path) as write:
        vectors = word2vec.learn_word2vec(
            Words(options.input_files, options.separator),
            method=options.method,
            softmax=options.softmax,
            side=options.side,
            vector_size=options.vector_size,
            window=options.window,
            min_count=options.min_count,
            sample=options.sample,
            num_epochs=options.num_epochs,
            num_threads=options.num_threads,
            seed=options.seed,
        )
        write(to_word2vec_format(vectors, path))
    print(
        f"{path}: vectors of {vectors.vector_size} numbers for {len(vectors):,} words."
    )
    for line in quality.lines(vectors, options.pairs_files, options.questions_file):
        print(line)


if __name__ == "__main__":
    cli.run(LearnOptions, main, __doc__)
