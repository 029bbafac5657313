"""Learns vectors of words or pieces by skip-gram or CBOW, using gensim.

Reference: Mikolov et al. 2013, Efficient Estimation of Word Representations in Vector
Space, and Distributed Representations of Words and Phrases and their Compositionality.
"""

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal

from bert_tf.word_vectors.cooccurrences import require_words
from data_pipelines.programs import cli
from data_pipelines.programs.extras import extra

if TYPE_CHECKING:
    from gensim.models import KeyedVectors

Method = Literal["skip_gram", "cbow"]
Softmax = Literal["negative_sampling", "hierarchical"]
Side = Literal["input", "output", "mean"]

_NEGATIVES = 5


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
    model.train(lists, total_examples=model.corpus_count, epochs=num_epochs)
    vectors = model.wv
    if side == "output":
        vectors.vectors = model.syn1neg
    elif side == "mean":
        vectors.vectors = (vectors.vectors + model.syn1neg) / 2
    vectors.fill_norms(force=True)
    return vectors
