"""The quality of word vectors: similarity as people see it, and analogies."""

import dataclasses
import os
import posixpath
import tempfile
from collections.abc import Sequence
from typing import TYPE_CHECKING

import tensorflow as tf

if TYPE_CHECKING:
    from gensim.models import KeyedVectors


@dataclasses.dataclass(frozen=True)
class Score:
    """A figure, and what it is of.

    Attributes:
        value: of the items whose words all have a vector.
        known: the number of these.
        unknown: the number of the others.
    """

    value: float
    known: int
    unknown: int


def similarity(vectors: "KeyedVectors", pairs_file: str) -> Score:
    """Compares cosines with the scores of people: the rank correlation over pairs.

    Args:
        vectors: keyed by lower-cased word.
        pairs_file: word, word and score in each line, with tabs between them
            (SimLex-999, WordSim-353).

    Raises:
        ValueError: the file has another format, or not a pair that is known.
        FileNotFoundError: there is none.
    """
    with tf.io.gfile.GFile(_existing(pairs_file)) as file:
        rows = [line.split("\t") for line in file.read().splitlines() if line.strip()]
    try:
        pairs = [(a.lower(), b.lower(), float(score)) for a, b, score in rows]
    except ValueError:
        raise ValueError(
            f"{pairs_file} is no list of pairs. Expected word, word and score in each "
            "line, with tabs between them."
        ) from None
    known = [(a, b, score) for a, b, score in pairs if a in vectors and b in vectors]
    if len(known) < 2:
        raise ValueError(
            f"{len(known)} of {len(pairs)} pairs in {pairs_file} have vectors. "
            "Expected two at least: learn from more text."
        )
    # Imported here: SciPy takes a second to load.
    from scipy.stats import spearmanr

    cosines = [float(vectors.similarity(a, b)) for a, b, _ in known]
    spearman = spearmanr(cosines, [score for _, _, score in known]).statistic
    return Score(float(spearman), len(known), len(pairs) - len(known))


def analogies(
    vectors: "KeyedVectors", questions_file: str, num_words: int = 30_000
) -> Score:
    """The share of `a : b = c : ?` whose `?` is nearest to b - a + c but for the three.

    Args:
        vectors: keyed by lower-cased word, the most frequent first.
        questions_file: four words in each line, and lines that begin with `:`.
        num_words: the most frequent words, among which answers are looked for.

    Raises:
        ValueError: the file has another format, or no question is known.
        FileNotFoundError: there is none.
    """
    with tempfile.TemporaryDirectory() as folder:
        # The path may be remote; gensim wants a local one.
        local = os.path.join(folder, posixpath.basename(questions_file))
        tf.io.gfile.copy(_existing(questions_file), local)
        _, sections = vectors.evaluate_word_analogies(
            local, restrict_vocab=num_words, case_insensitive=True
        )
        with open(local, encoding="utf-8") as file:
            total = sum(1 for line in file if line.strip() and line[0] != ":")
    right = len(sections[-1]["correct"])
    known = right + len(sections[-1]["incorrect"])
    if not known:
        raise ValueError(
            f"None of {total} questions in {questions_file} has vectors for all of its "
            "words. Expected lines of four words, and more text to learn from."
        )
    return Score(right / known, known, total - known)


def check_files(pairs_files: Sequence[str], questions_file: str | None) -> None:
    """Raises FileNotFoundError where a file is not there: before hours of learning."""
    for path in (*pairs_files, *([questions_file] if questions_file else [])):
        _existing(path)


def lines(
    vectors: "KeyedVectors", pairs_files: Sequence[str], questions_file: str | None
) -> list[str]:
    """A line for each file, for the user."""
    told = []
    for path in pairs_files:
        found = similarity(vectors, path)
        figure = f"Spearman {found.value:.3f} on {found.known:,} pairs"
        told.append((path, figure, found.unknown))
    if questions_file is not None:
        found = analogies(vectors, questions_file)
        figure = f"{found.value:.1%} of {found.known:,} analogies"
        told.append((questions_file, figure, found.unknown))
    return [
        f"{posixpath.basename(path)}: {figure}; {unknown:,} have a word without vector."
        for path, figure, unknown in told
    ]


def _existing(path: str) -> str:
    if not tf.io.gfile.exists(path):
        raise FileNotFoundError(
            f"There is no file {path!r}. Expected one of word pairs, or of analogies."
        )
    return path
