"""Evaluates word vectors: similarity to human ratings, and analogies."""

import dataclasses
import os
import posixpath
import tempfile
from collections.abc import Sequence
from typing import TYPE_CHECKING

import tensorflow as tf

if TYPE_CHECKING:
    from gensim.models import KeyedVectors

# The number of most frequent words that may answer analogies.
_ANSWERS = 30_000


@dataclasses.dataclass(frozen=True)
class Score:
    """A score, and the number of items that it covers."""

    value: float
    known: int  # items whose words all have a vector
    unknown: int  # other items


def similarity(vectors: "KeyedVectors", pairs_file: str) -> Score:
    """The rank correlation of cosines with human ratings of pairs.

    Each line of the file has word, word and score, separated by tabs (SimLex-999,
    WordSim-353). Vectors are keyed by lower-cased word.

    Raises:
        ValueError: the file has another format, or fewer than two pairs have vectors.
        FileNotFoundError: there is no such file.
    """
    with tf.io.gfile.GFile(_existing(pairs_file)) as file:
        rows = [line.split("\t") for line in file.read().splitlines() if line.strip()]
    try:
        pairs = [(a.lower(), b.lower(), float(score)) for a, b, score in rows]
    except ValueError:
        raise ValueError(
            f"{pairs_file} is not a list of pairs. Expected word, word and score in "
            "each line, separated by tabs."
        ) from None
    known = [(a, b, score) for a, b, score in pairs if a in vectors and b in vectors]
    if len(known) < 2:
        raise ValueError(
            f"{len(known)} of {len(pairs)} pairs in {pairs_file} have vectors. "
            "Expected at least two: learn from more text."
        )
    # Imported here: SciPy takes a second to load.
    from scipy.stats import spearmanr

    cosines = [float(vectors.similarity(a, b)) for a, b, _ in known]
    spearman = spearmanr(cosines, [score for _, _, score in known]).statistic
    return Score(float(spearman), len(known), len(pairs) - len(known))


def analogies(vectors: "KeyedVectors", questions_file: str) -> Score:
    """The share of analogies `a : b = c : ?` that are solved.

    The answer is the word nearest to b - a + c, other than a, b and c. Each line of the
    file has four words, or begins with `:`. Vectors are keyed by lower-cased word, the
    most frequent first.

    Raises:
        ValueError: the file has another format, or no question has all vectors.
        FileNotFoundError: there is no such file.
    """
    with tempfile.TemporaryDirectory() as folder:
        # The path may be remote; gensim needs a local one.
        local = os.path.join(folder, posixpath.basename(questions_file))
        tf.io.gfile.copy(_existing(questions_file), local)
        _, sections = vectors.evaluate_word_analogies(
            local, restrict_vocab=_ANSWERS, case_insensitive=True
        )
        with open(local, encoding="utf-8") as file:
            total = sum(1 for line in file if line.strip() and line[0] != ":")
    right = len(sections[-1]["correct"])
    known = right + len(sections[-1]["incorrect"])
    if not known:
        raise ValueError(
            f"None of {total} questions in {questions_file} has vectors for all its "
            "words. Expected lines of four words: check the file, or learn from more "
            "text."
        )
    return Score(right / known, known, total - known)


def check_files(pairs_files: Sequence[str], questions_file: str | None) -> None:
    """Raises FileNotFoundError if a file is missing, before hours of learning."""
    for path in filter(None, (*pairs_files, questions_file)):
        _existing(path)


def lines(
    vectors: "KeyedVectors", pairs_files: Sequence[str], questions_file: str | None
) -> list[str]:
    """A line to print for each file."""
    scores = [
        (path, "Spearman {:.3f} on {:,} pairs", similarity(vectors, path))
        for path in pairs_files
    ]
    if questions_file is not None:
        found = analogies(vectors, questions_file)
        scores.append((questions_file, "{:.1%} of {:,} analogies", found))
    return [
        f"{posixpath.basename(path)}: {figure.format(score.value, score.known)}; "
        f"{score.unknown:,} have a word without a vector."
        for path, figure, score in scores
    ]


def _existing(path: str) -> str:
    if not tf.io.gfile.exists(path):
        raise FileNotFoundError(
            f"There is no file {path!r}. Expected a file of word pairs or analogies."
        )
    return path
