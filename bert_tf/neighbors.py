"""Finds the neighbours of a word among words, or among its own occurrences in text.

    python -m bert_tf.neighbors --word=play --vectors_file=words.bin
    python -m bert_tf.neighbors --word=play --model_dir=models/mine \\
        --input_files='books/*.txt.gz' --output_dir=play

A word has one static vector for all its senses; a vector in context is near those of
the same sense (Peters et al. 2018, table 4). `--output_dir` receives a picture, and
files for TensorBoard's projector.
"""

import dataclasses
import io
import itertools
import posixpath
import re
from collections.abc import Iterable, Iterator

import numpy as np
import tensorflow as tf

from bert_tf.checkpoints import model_dir
from bert_tf.prediction.text_vectors import TextVectors, make_vectorizer, normalized
from bert_tf.word_vectors.keyed_vectors import load_vectors
from data_pipelines.corpus import documents
from data_pipelines.corpus.chunks import batches_of_text
from data_pipelines.corpus.sentences import split_sentences
from data_pipelines.datasets.examples import TextExample
from data_pipelines.files.atomic import new_folder, require_new, write_file
from data_pipelines.programs import cli

PICTURE = "projection.png"
VECTORS, LABELS = "vectors.tsv", "labels.tsv"
# The number of characters shown on either side of the word.
_SHOWN = 45
# The number of labels that are drawn, and of characters on either side of the word.
_LABELLED = 24
_DRAWN = 16


@dataclasses.dataclass(frozen=True)
class NeighborsOptions:
    """Options of the program."""

    word: str = cli.option(cli.REQUIRED, "The word.")
    vectors_file: str | None = cli.option(
        None,
        "Vectors of words in word2vec's format, as written by bert_tf.learn_vectors.",
    )
    model_dir: str | None = cli.option(
        None, "A model folder, instead of --vectors_file; requires --input_files."
    )
    input_files: tuple[str, ...] | None = cli.option(
        None, "Text files to search for the word; required with --model_dir."
    )
    features: str = cli.option(
        "last", "The layer: embeddings, second_to_last, last, or its number."
    )
    max_sentences: int = cli.option(500, "Maximum number of sentences that are used.")
    num_sentences: int = cli.option(5, "Number of sentences to show neighbours for.")
    num_neighbors: int = cli.option(5, "Number of neighbours to show for each.")
    output_dir: str | None = cli.option(
        None, "A new folder for a picture and TensorBoard's projector files."
    )

    def __post_init__(self) -> None:
        in_context = self.model_dir is not None and self.input_files is not None
        if (self.vectors_file is not None) == in_context:
            raise ValueError(
                f"Received vectors_file={self.vectors_file}, model_dir="
                f"{self.model_dir} and input_files={self.input_files}. Expected either "
                "vectors_file, or both model_dir and input_files."
            )
        cli.require_positive(
            max_sentences=self.max_sentences,
            num_sentences=self.num_sentences,
            num_neighbors=self.num_neighbors,
        )


@dataclasses.dataclass(frozen=True)
class Points:
    """Labels, and vectors of length 1 (or 0), float32 (labels, width)."""

    labels: list[str]
    vectors: np.ndarray

    @classmethod
    def of(cls, labels: list[str], vectors: list[np.ndarray]) -> "Points":
        """Makes points from vectors of any length."""
        rows = np.stack(vectors)
        return cls(labels, normalized(rows))

    def nearest(self, index: int, count: int) -> list[tuple[str, float]]:
        """The nearest other points by cosine, nearest first."""
        cosines = self.vectors @ self.vectors[index]
        order = [other for other in np.argsort(-cosines) if other != index]
        return [(self.labels[i], float(cosines[i])) for i in order[:count]]


def words_around(path: str, word: str, count: int) -> Points:
    """A word, followed by the words with the nearest vectors.

    Raises:
        ValueError: the file does not have the word.
        FileNotFoundError: there is no such file.
    """
    vectors = load_vectors(path)
    if word not in vectors:
        raise ValueError(
            f"{path} has no vector for {word!r}. Expected one of its "
            f"{len(vectors):,} words, such as {vectors.index_to_key[:3]}."
        )
    names = [word, *(near for near, _ in vectors.most_similar(word, topn=count))]
    return Points.of(names, [vectors[name] for name in names])


def sentences_with(word: str, sources: Iterable[str]) -> Iterator[str]:
    """Yields the distinct sentences that contain a word, ignoring case."""
    pattern = _pattern(word)
    seen = set()
    for source in sources:
        for batch in batches_of_text(documents.read_documents(source)):
            texts = [text for text, _, _ in batch]
            for encoded in split_sentences(tf.constant(texts)).values.numpy():
                sentence = " ".join(encoded.decode("utf-8", "replace").split())
                if sentence not in seen and pattern.search(sentence):
                    seen.add(sentence)
                    yield sentence


def occurrences(word: str, texts: Iterable[TextVectors]) -> Points:
    """The vector of the first occurrence of a word in each text, a mean over pieces."""
    labels, rows = [], []
    for text in texts:
        sentence = text.example.first
        found = _pattern(word).search(sentence)
        if found is None or text.tokens is None:
            continue
        first = len(sentence[: found.start()].encode())
        last = len(sentence[: found.end()].encode())
        inside = (text.tokens.starts >= first) & (text.tokens.ends <= last)
        # A word beyond the maximum length has no vector.
        if not inside.any():
            continue
        rows.append(text.vectors[inside].mean(axis=0))
        before = sentence[max(0, found.start() - _SHOWN) : found.start()]
        after = sentence[found.end() : found.end() + _SHOWN]
        labels.append(f"{before}[{found[0]}]{after}")
    if len(labels) < 2:
        raise ValueError(
            f"{len(labels)} sentences have the word {word!r}. Expected at least two: "
            "choose a more frequent word, or more text."
        )
    return Points.of(labels, rows)


def neighbors(options: NeighborsOptions) -> None:
    """Prints the neighbours, and draws them.

    Raises:
        ValueError: the word is not found.
        FileExistsError: the output folder exists already.
        FileNotFoundError: an input file or the model folder is missing.
    """
    folder = options.output_dir
    if folder is not None:
        require_new(folder)
    shown = [0]
    if options.vectors_file is not None:
        count = max(options.num_neighbors, 50 if folder else 0)
        points = words_around(options.vectors_file, options.word.lower(), count)
    else:
        vectorizer = make_vectorizer(
            model_dir.load(str(options.model_dir)), "tokens", options.features
        )
        sources = documents.expand_sources(options.input_files or ())
        found = sentences_with(options.word, sources)
        sentences = itertools.islice(found, options.max_sentences)
        examples = (TextExample("", text, None, None) for text in sentences)
        points = occurrences(options.word, vectorizer.vectorize(examples))
        last = len(points.labels) - 1
        shown = np.linspace(0, last, options.num_sentences, dtype=int).tolist()
    for index in dict.fromkeys(shown):
        print(points.labels[index])
        for label, cosine in points.nearest(index, options.num_neighbors):
            print(f"    {cosine:.3f}  {label}")
    if folder is not None:
        with new_folder(folder) as unfinished:
            write_projection(unfinished, points)
        print(f"Wrote {folder}/{PICTURE}, {VECTORS} and {LABELS}.")


def write_projection(folder: str, points: Points) -> None:
    """Draws the first two principal components, and writes the projector's files.

    The folder must exist.
    """
    # Imported here: it takes a while to load, and only this function needs it.
    from matplotlib.figure import Figure

    rows = ("\t".join(f"{value:.6g}" for value in row) for row in points.vectors)
    labels = (" ".join(label.split()) for label in points.labels)
    for name, lines in ((VECTORS, rows), (LABELS, labels)):
        content = "".join(f"{line}\n" for line in lines)
        write_file(posixpath.join(folder, name), content.encode())
    centred = points.vectors - points.vectors.mean(axis=0)
    *_, components = np.linalg.svd(centred, full_matrices=False)
    places = centred @ components[:2].T
    figure = Figure(figsize=(11, 8), layout="constrained")
    axes = figure.subplots()
    axes.scatter(places[:, 0], places[:, 1], s=12, color="#2463a8")
    count = len(points.labels)
    for index in np.linspace(0, count - 1, min(count, _LABELLED), dtype=int):
        label = points.labels[index]
        middle = max(label.find("["), 0)
        short = label[max(0, middle - _DRAWN) : middle + _DRAWN]
        axes.annotate(
            short, places[index], (3, 3), textcoords="offset points", fontsize=7
        )
    axes.set(xlabel="first principal component", ylabel="second")
    picture = io.BytesIO()
    figure.savefig(picture, dpi=150)
    write_file(posixpath.join(folder, PICTURE), picture.getvalue())


def _pattern(word: str) -> re.Pattern[str]:
    return re.compile(rf"(?<!\w){re.escape(word)}(?!\w)", re.IGNORECASE)


if __name__ == "__main__":
    cli.run(NeighborsOptions, neighbors, __doc__)
