"""Text to a vector for each word, and how good they are.

    python -m bert_tf.learn_vectors --input_files='corpus/*.txt' --vectors_file=w.bin
    python -m bert_tf.learn_vectors --input_files="corpus/*.txt" --vectors_file=w.txt \\
        --method=cbow --softmax=hierarchical --pairs_files=EN-SIMLEX-999.txt
    python -m bert_tf.learn_vectors --input_files='corpus/*.txt' --vectors_file=g.bin \\
        --method=glove --x_max=10

What came before BERT: one vector for a word, whatever stands around it.
"""

import dataclasses
from typing import TYPE_CHECKING, Any, Literal

from bert_tf.word_vectors import quality, word2vec
from bert_tf.word_vectors.glove import learn_glove
from bert_tf.word_vectors.token_vectors import to_word2vec_format
from bert_tf.word_vectors.words import Words
from data_pipelines.corpus import documents
from data_pipelines.files.atomic import new_file
from data_pipelines.programs import cli

if TYPE_CHECKING:
    from gensim.models import KeyedVectors

# What only some methods have; the defaults are those of their functions.
_OF_WORD2VEC = ("softmax", "sample", "num_threads")
_OF_GLOVE = ("x_max", "vocab_size")
_OF_BOTH = ("side", "window", "num_epochs")


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
    separator: documents.Separator = cli.option(
        "file", "file: a file is one document. blank_line: empty lines separate them."
    )
    method: Literal["skip_gram", "cbow", "glove"] = cli.option(
        "skip_gram",
        "A word guesses those around it, or (cbow) they guess it, or (glove) vectors "
        "are fitted to counts of pairs.",
    )
    side: word2vec.Side | None = cli.option(
        None,
        "Which of the two vectors of a word is kept, or their mean. Default: input; "
        "glove: mean.",
    )
    vector_size: int = cli.option(100, "Width of a vector.")
    window: int | None = cli.option(
        None, "How far the words around are looked for. Default: 5; glove: 10."
    )
    min_count: int = cli.option(5, "Rarer words have no vector.")
    num_epochs: int | None = cli.option(
        None,
        "How often the text, or glove: its pairs, are gone through. Default: 5; "
        "glove: 50.",
    )
    seed: int = cli.option(0, "Of the vectors' start and of what is drawn by chance.")
    softmax: word2vec.Softmax | None = cli.option(
        None,
        "Of skip_gram and cbow. negative_sampling, the default: against words by "
        "chance. hierarchical: along a tree.",
    )
    sample: float | None = cli.option(
        None,
        "Of skip_gram and cbow: words more frequent than this share are thinned out; "
        "0: none. Default: 1e-4.",
    )
    num_threads: int | None = cli.option(
        None,
        "Of skip_gram and cbow. Default: one for each core. Only with 1 the vectors "
        "are reproducible.",
    )
    x_max: float | None = cli.option(
        None,
        "Of glove: the count from which on a pair has the full weight, less for less "
        "text. Default: 100.",
    )
    vocab_size: int | None = cli.option(
        None, "Of glove: at most so many words have a vector. Default: all."
    )
    pairs_files: tuple[str, ...] = cli.option(
        (), "Word pairs with scores, such as SimLex-999, to compare with."
    )
    questions_file: str | None = cli.option(None, "Analogies to answer.")

    def __post_init__(self) -> None:
        is_glove = self.method == "glove"
        foreign = [
            f"{name}={getattr(self, name)}"
            for name in (_OF_WORD2VEC if is_glove else _OF_GLOVE)
            if getattr(self, name) is not None
        ]
        if foreign:
            raise ValueError(
                f"Received {', '.join(foreign)} with method={self.method}. Expected "
                f"it with {'skip_gram or cbow' if is_glove else 'glove'} alone: leave "
                "it out."
            )

    def learn(self) -> "KeyedVectors":
        """The vectors of the words of the text, by the method."""
        words = Words(self.input_files, self.separator)
        given: dict[str, Any] = {
            name: getattr(self, name)
            for name in (*_OF_BOTH, *_OF_WORD2VEC, *_OF_GLOVE)
            if getattr(self, name) is not None
        }
        given |= {
            "vector_size": self.vector_size,
            "min_count": self.min_count,
            "seed": self.seed,
        }
        if self.method == "glove":
            return learn_glove(words, **given)
        return word2vec.learn_word2vec(words, method=self.method, **given)


def main(options: LearnOptions) -> None:
    """Learns the vectors, writes them, and says how good they are."""
    path = options.vectors_file
    quality.check_files(options.pairs_files, options.questions_file)
    with new_file(path) as file:
        vectors = options.learn()
        file.write(to_word2vec_format(vectors, path))
    print(
        f"{path}: vectors of {vectors.vector_size} numbers for {len(vectors):,} words."
    )
    for line in quality.lines(vectors, options.pairs_files, options.questions_file):
        print(line)


if __name__ == "__main__":
    cli.run(LearnOptions, main, __doc__)
