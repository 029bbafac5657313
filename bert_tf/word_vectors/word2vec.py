"""Vectors of words, or of pieces, by skip-gram or CBOW. The work is gensim's.

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
        lists: of words, iterated several times.
        method: skip_gram: a word guesses those around it. cbow: they guess it.
        softmax: negative_sampling: against five words drawn by chance. hierarchical:
            along the path in a Huffman tree.
        side: of the two vectors that each word has, the one that is kept. A tree has no
            output vectors of words.
        vector_size: width.
        window: the greatest distance of the words around.
        min_count: rarer words have no vector.
        sample: of words that are more frequent than this share of the text, occurrences
            are left out by chance, the more the more frequent they are; 0: none.
        num_epochs: passes over the text.
        num_threads: None: one for each core. Only with 1 the vectors are reproducible.
        seed: of the vectors' start and of the negatives.

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
            f"Received side={side} with softmax=hierarchical. Expected input: the "
            "output vectors of a tree are of its nodes, not of words."
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
