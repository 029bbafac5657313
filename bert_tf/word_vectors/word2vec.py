"""Learns vectors of words or pieces by skip-gram or CBOW, using gensim.

Reference: Mikolov et al. 2013, Efficient Estimation of Word Representations in Vector
Space, and Distributed Representations of Words and Phrases and their Compositionality.
"""

import itertools
import math
import os
import time
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Literal

from bert_tf.word_vectors.cooccurrences import require_words
from data_pipelines.programs import cli
from data_pipelines.programs.extras import extra

if TYPE_CHECKING:
    from gensim.models import KeyedVectors, Word2Vec

Method = Literal["skip_gram", "cbow"]
Softmax = Literal["negative_sampling", "hierarchical"]
Side = Literal["input", "output", "mean"]

_NEGATIVES = 5
# Lists of words of which the speed is measured, where the time is limited.
_MEASURED_LISTS = 300


def learn_word2vec(
    lists: Iterable[list[str]],
    *,
    method: Method = "skip_gram",
    softmax: Softmax = "negative_sampling",
    side: Side = "input",
    vector_size: int = 100,
    window: int = 5,
    min_count: int = 5,
    sample: float = 1e-4,
    num_epochs: int = 5,
    num_threads: int | None = None,
    seed: int = 0,
    max_seconds: float = math.inf,
) -> "KeyedVectors":
    """Learns a vector for each frequent word.

    Args:
        lists: lists of words, iterated several times.
        method: "skip_gram" predicts the context from a word, "cbow" the word from its
            context.
        softmax: "negative_sampling" uses five random negatives, "hierarchical" the path
            in a Huffman tree.
        side: which of the two vectors of a word is kept. With a tree, words have no
            output vectors.
        vector_size: the width of a vector.
        window: the maximum distance of context words.
        min_count: words with a lower count have no vector.
        sample: occurrences of words above this share of the text are randomly
            subsampled; 0: no subsampling.
        num_epochs: the number of passes over the text.
        num_threads: None: one for each core. Vectors are reproducible only with 1.
        seed: random seed of the initial vectors and of the negatives.
        max_seconds: the time to learn in, about: there are fewer passes then, or only
            the first part of the text is read. The vectors depend on the speed of the
            machine.

    Returns:
        gensim's vectors, keyed by word, the most frequent first.

    Raises:
        ValueError: a number is not positive, no word is frequent enough, or the side
            does not exist.
        ImportError: the extra `word_vectors` is not installed.
    """
    cli.require_positive(
        vector_size=vector_size,
        window=window,
        min_count=min_count,
        num_epochs=num_epochs,
        num_threads=num_threads,
    )
    is_tree = softmax == "hierarchical"
    if is_tree and side != "input":
        raise ValueError(
            f"Received side={side} with softmax=hierarchical. Expected side=input: the "
            "output vectors of a tree belong to its nodes, not to words."
        )
    began = time.monotonic()
    with extra("word_vectors"):
        from gensim.models import Word2Vec
    model = Word2Vec(
        vector_size=vector_size,
        window=window,
        min_count=min_count,
        sg=int(method == "skip_gram"),
        hs=int(is_tree),
        negative=0 if is_tree else _NEGATIVES,
        sample=sample,
        workers=num_threads or os.cpu_count() or 1,
        seed=seed,
    )
    model.build_vocab(lists)
    require_words(model.wv.index_to_key, min_count)
    count = model.corpus_count
    if max_seconds < math.inf:
        left = max_seconds - (time.monotonic() - began)
        lists, count, num_epochs = _affordable(model, lists, left, num_epochs)
    model.train(lists, total_examples=count, epochs=num_epochs)
    vectors = model.wv
    if side == "output":
        vectors.vectors = model.syn1neg
    elif side == "mean":
        vectors.vectors = (vectors.vectors + model.syn1neg) / 2
    vectors.fill_norms(force=True)
    return vectors


class _First:
    """The first of some lists, in each iteration."""

    def __init__(self, lists: Iterable[list[str]], count: int) -> None:
        self.lists = lists
        self.count = count

    def __iter__(self) -> Iterator[list[str]]:
        return itertools.islice(iter(self.lists), self.count)


def _affordable(
    model: "Word2Vec", lists: Iterable[list[str]], seconds: float, num_epochs: int
) -> tuple[Iterable[list[str]], int, int]:
    """Measures the speed; returns what to read, its number of lists, and the passes."""
    began, measured = time.monotonic(), _First(lists, _MEASURED_LISTS)
    model.train(measured, total_examples=_MEASURED_LISTS, epochs=1)
    took = max(time.monotonic() - began, 1e-3)
    count = model.corpus_count
    per_second = min(_MEASURED_LISTS, count) / took
    affordable = max(int((seconds - took) * per_second), 1)
    if affordable >= count:
        return lists, count, min(affordable // count, num_epochs)
    return _First(lists, affordable), affordable, 1
