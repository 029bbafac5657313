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

# The most frequent words, among which answers to analogies are looked for.
_ANSWERS = 30_000


@dataclasses.dataclass(frozen=True)
class Score:
    """A figure, and what it is of."""

    value: float
    known: int  # the number of its items, whose words all have a vector
    unknown: int  # the number of the others


def similarity(vectors: "KeyedVectors", pairs_file: str) -> Score:
    """Compares cosines with the scores of people: the rank correlation over pairs.

    Each line of the file has word, word and score, with tabs between them (SimLex-999,
    WordSim-353). Vectors are keyed by lower-cased word.

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


def analogies(vectors: "KeyedVectors", questions_file: str) -> Score:
    """The share of `a : b = c : ?` whose `?` is nearest to b - a + c but for the three.

    Each line of the file has four words, or begins with `:`. Vectors are keyed by
    lower-cased word, the most frequent first.

    Raises:
        ValueError: the file has another format, or no question is known.
        FileNotFoundError: there is none.
    """
    with tempfile.TemporaryDirectory() as folder:
        # The path may be remote; gensim wants a local one.
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
            f"None of {total} questions in {questions_file} has vectors for all of its "
            "words. Expected lines of four words, and more text to learn from."
        )
    return Score(right / known, known, total - known)


def check_files(pairs_files: Sequence[str], questions_file: str | None) -> None:
    """Raises FileNotFoundError where a file is not there: before hours of learning."""
    for path in filter(None, (*pairs_files, questions_file)):
        _existing(path)


def lines(
    vectors: "KeyedVectors", pairs_files: Sequence[str], questions_file: str | None
) -> list[str]:
    """A line for each file, for the user."""
    scores = [
        (path, "Spearman {:.3f} on {:,} pairs", similarity(vectors, path))
        for path in pairs_files
    ]
    if questions_file is not None:
        found = analogies(vectors, questions_file)
        scores.append((questions_file, "{:.1%} of {:,} analogies", found))
    return [
        f"{posixpath.basename(path)}: {figure.format(score.value, score.known)}; "
        f"{score.unknown:,} have a word without vector."
        for path, figure, score in scores
    ]


def _existing(path: str) -> str:
    if not tf.io.gfile.exists(path):
        raise FileNotFoundError(
            f"There is no file {path!r}. Expected one of word pairs, or of analogies."
        )
    return path
