"""Learns a static vector for each word or piece, and evaluates the vectors.

    python -m bert_tf.learn_vectors --input_files='corpus/*.txt' --vectors_file=w.bin
    python -m bert_tf.learn_vectors --input_files='corpus/*.txt' --vectors_file=g.bin \\
        --method=glove --x_max=10

Static vectors preceded BERT: a word has the same vector in every context.

    python -m bert_tf.learn_vectors --records_dir=records --vocab_file=vocab.txt \\
        --vector_size=256 --vectors_file=vectors.bin
    python -m bert_tf.pretrain --token_vectors=vectors.bin ...

Vectors of pieces find similar pieces in minutes; a small BERT with random initial
vectors spends the first hours of training on that. `pretrain --learn_vectors` does both
at once.
"""

import dataclasses
from typing import TYPE_CHECKING, Any, Literal

from bert_tf.word_vectors import quality, word2vec
from bert_tf.word_vectors.glove import learn_glove
from bert_tf.word_vectors.keyed_vectors import to_word2vec_format
from bert_tf.word_vectors.texts import Pieces, Words
from data_pipelines.corpus.layout import Layout
from data_pipelines.files.atomic import new_file
from data_pipelines.programs import cli
from data_pipelines.tokenizers.vocabulary import Vocabulary

if TYPE_CHECKING:
    from gensim.models import KeyedVectors

# Options whose defaults are those of the methods' functions.
_OF_WORD2VEC = ("softmax", "sample", "num_threads")
_OF_GLOVE = ("x_max",)
_OF_BOTH = ("vector_size", "min_count", "seed", "side", "window", "num_epochs")


@dataclasses.dataclass(frozen=True)
class LearnVectorsOptions(Layout):
    """Options of the program. The defaults are word2vec's."""

    input_files: tuple[str, ...] | None = cli.option(
        None,
        "Text, for vectors of words: files or patterns such as 'corpus/*.txt', or "
        "tfds:NAME.",
    )
    records_dir: str | None = cli.option(
        None, "For vectors of pieces, instead: the folder of create_pretraining_data."
    )
    vocab_file: str | None = cli.option(
        None, "The vocabulary that the records were made with."
    )
    vectors_file: str = cli.option(
        cli.REQUIRED,
        "The file to write, in word2vec's format: binary if it ends in .bin, else "
        "text. It must not exist.",
    )
    method: Literal["skip_gram", "cbow", "glove"] = cli.option(
        "skip_gram",
        "skip_gram: predicts the context from a word. cbow: predicts a word from its "
        "context. glove: fits vectors to co-occurrence counts.",
    )
    side: word2vec.Side | None = cli.option(
        None,
        "Which of the two vectors of a word is kept, or their mean. Default: input; "
        "glove: mean.",
    )
    vector_size: int = cli.option(
        100,
        "Width of a vector; for pieces, the hidden_size of the model to initialize.",
    )
    window: int | None = cli.option(
        None, "Maximum distance of context words. Default: 5; glove: 10."
    )
    min_count: int = cli.option(5, "Words with a lower count have no vector.")
    num_epochs: int | None = cli.option(
        None,
        "Passes over the text, or, for glove, over its pairs. Default: 5; pieces: 2; "
        "glove: 50.",
    )
    seed: int = cli.option(0, "Random seed of the initial vectors and of all samples.")
    softmax: word2vec.Softmax | None = cli.option(
        None,
        "For skip_gram and cbow: negative_sampling uses random negatives, "
        "hierarchical a Huffman tree. Default: negative_sampling.",
    )
    sample: float | None = cli.option(
        None,
        "For skip_gram and cbow: words above this share of the text are subsampled; "
        "0: no subsampling. Default: 1e-4.",
    )
    num_threads: int | None = cli.option(
        None,
        "For skip_gram and cbow: number of threads. Vectors are reproducible only "
        "with 1. Default: one for each core.",
    )
    x_max: float | None = cli.option(
        None,
        "For glove: the count from which a pair has full weight; use less for less "
        "text. Default: 100.",
    )
    pairs_files: tuple[str, ...] = cli.option(
        (), "Files of word pairs with human ratings, such as SimLex-999, to evaluate."
    )
    questions_file: str | None = cli.option(None, "File of analogies to evaluate.")

    def __post_init__(self) -> None:
        sources = self.input_files, self.records_dir, self.vocab_file
        is_given = tuple(source is not None for source in sources)
        if is_given not in ((True, False, False), (False, True, True)):
            raise ValueError(
                f"Received input_files={self.input_files}, records_dir="
                f"{self.records_dir} and vocab_file={self.vocab_file}. Expected "
                "input_files alone, or records_dir and vocab_file."
            )
        is_glove = self.method == "glove"
        foreign = self.given(_OF_WORD2VEC if is_glove else _OF_GLOVE)
        if foreign:
            received = ", ".join(f"{name}={value}" for name, value in foreign.items())
            raise ValueError(
                f"Received {received} with method={self.method}. Expected it only with "
                f"{'skip_gram or cbow' if is_glove else 'glove'}: leave it out."
            )

    def given(self, names: tuple[str, ...]) -> dict[str, Any]:
        """The options among `names` that have a value."""
        values = {name: getattr(self, name) for name in names}
        return {name: value for name, value in values.items() if value is not None}


def text_of(options: LearnVectorsOptions) -> Words | Pieces:
    """The text to learn from; raises as `Words` and `Pieces` do."""
    if options.records_dir is None or options.vocab_file is None:
        return Words(options.input_files or (), options)
    return Pieces(options.records_dir, Vocabulary.from_file(options.vocab_file))


def learn_vectors(options: LearnVectorsOptions, text: Words | Pieces) -> "KeyedVectors":
    """Learns vectors by the method of the options; raises as its function does."""
    arguments = options.given(_OF_BOTH)
    if options.method == "glove":
        return learn_glove(text, **arguments, **options.given(_OF_GLOVE))
    if isinstance(text, Pieces):
        arguments.setdefault("num_epochs", 2)
    arguments |= options.given(("method", *_OF_WORD2VEC))
    return word2vec.learn_word2vec(text, **arguments)


def main(options: LearnVectorsOptions) -> None:
    """Learns, writes and evaluates the vectors."""
    path = options.vectors_file
    quality.check_files(options.pairs_files, options.questions_file)
    text = text_of(options)
    with new_file(path) as file:
        vectors = learn_vectors(options, text)
        file.write(to_word2vec_format(vectors, path))
    named = "words" if isinstance(text, Words) else f"of {len(text.tokens):,} pieces"
    size, count = vectors.vector_size, len(vectors)
    print(f"{path}: {size}-dimensional vectors for {count:,} {named}.")
    for line in quality.lines(vectors, options.pairs_files, options.questions_file):
        print(line)


if __name__ == "__main__":
    cli.run(LearnVectorsOptions, main, __doc__)
