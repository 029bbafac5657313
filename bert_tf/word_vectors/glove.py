"""GloVe: vectors of words or pieces whose products fit logarithms of co-occurrences.

Reference: Pennington et al. 2014, GloVe: Global Vectors for Word Representation.
"""

import math
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import keras
import numpy as np
import tensorflow as tf

from bert_tf.word_vectors.cooccurrences import PAIR, Cooccurrences, count_cooccurrences
from bert_tf.word_vectors.word2vec import Side
from data_pipelines.programs import cli, processes
from data_pipelines.programs.extras import extra

if TYPE_CHECKING:
    from gensim.models import KeyedVectors

# From section 4.2 of the paper; AdaGrad's initial value is from the authors' code.
_ALPHA = 0.75
_LEARNING_RATE = 0.05
_INITIAL_SQUARES = 1.0
_PAIRS_OF_A_BATCH = 1 << 16
_STEPS_OF_AN_EPOCH = 100


class Glove(tf.Module):
    """Two vectors and two biases for each word, and their training step.

    Pairs with a count of `x_max` or more have full weight.
    """

    def __init__(
        self, num_words: int, vector_size: int, x_max: float, seed: int
    ) -> None:
        super().__init__()
        start = np.random.default_rng(seed)
        shape = (num_words, vector_size)
        self.inputs, self.outputs = (
            tf.Variable((start.random(shape, np.float32) - 0.5) / vector_size)
            for _ in range(2)
        )
        self.input_biases, self.output_biases = (
            tf.Variable(tf.zeros([num_words])) for _ in range(2)
        )
        self.x_max = x_max
        self.optimizer = keras.optimizers.Adagrad(
            _LEARNING_RATE, _INITIAL_SQUARES, epsilon=0.0
        )
        self.optimizer.build(self.trainable_variables)

    def objective(
        self, rows: tf.Tensor, columns: tf.Tensor, counts: tf.Tensor
    ) -> tf.Tensor:
        """The sum of f(X) (w v + b + c - log X)^2 over pairs, equation 8.

        All are `(pairs,)`: int32 words of the input vectors, int32 words of the output
        vectors, and float32 X. A count of 0 adds nothing.
        """
        products = tf.reduce_sum(
            tf.gather(self.inputs, rows) * tf.gather(self.outputs, columns), axis=1
        )
        biases = tf.gather(self.input_biases, rows)
        biases += tf.gather(self.output_biases, columns)
        weights = tf.minimum(1.0, (counts / self.x_max) ** _ALPHA)
        logarithms = tf.math.log(tf.where(counts > 0, counts, 1.0))
        return tf.reduce_sum(weights * (products + biases - logarithms) ** 2)

    # A pair reads and writes two rows of each table; XLA avoids intermediate copies.
    @tf.function(jit_compile=True, autograph=False)
    def train_step(
        self, rows: tf.Tensor, columns: tf.Tensor, counts: tf.Tensor
    ) -> tf.Tensor:
        """Takes a step on half the objective, as the authors' code does.

        The arguments are as for `objective`; each pair stands for both halves of the
        matrix. Returns the objective before the step.
        """
        others = tf.where(rows == columns, 0.0, counts)
        with tf.GradientTape() as tape:
            objective = self.objective(
                tf.concat([rows, columns], 0),
                tf.concat([columns, rows], 0),
                tf.concat([counts, others], 0),
            )
            half = objective / 2
        gradients = tape.gradient(half, self.trainable_variables)
        # Dense gradients sum over the pairs of a word before AdaGrad squares them.
        gradients = [tf.convert_to_tensor(gradient) for gradient in gradients]
        self.optimizer.apply(gradients, self.trainable_variables)
        return objective

    def vectors(self, side: Side) -> np.ndarray:
        """One of the tables, or their mean: float32 `(words, vector_size)`."""
        mean = (self.inputs + self.outputs) / 2
        tables = {"input": self.inputs, "output": self.outputs, "mean": mean}
        return tables[side].numpy()


def learn_glove(
    lists: Iterable[list[str]],
    *,
    side: Side = "mean",
    vector_size: int = 100,
    window: int = 10,
    min_count: int = 5,
    x_max: float = 100.0,
    num_epochs: int = 50,
    seed: int = 0,
) -> "KeyedVectors":
    """Learns a vector for each frequent word; see `learn_word2vec`.

    Args:
        lists: lists of words, iterated twice.
        side: which of the two vectors of a word is kept; "mean" has the direction of
            the paper's sum.
        vector_size, window, min_count: as for `learn_word2vec`.
        x_max: the count from which a pair has full weight. The paper's 100 is for
            billions of words.
        num_epochs: the number of passes over the pairs.
        seed: random seed of the initial vectors and of the order of the pairs.

    Returns:
        gensim's vectors, keyed by word, the most frequent first.

    Raises:
        ValueError, ImportError: as for `learn_word2vec`.
    """
    cli.require_positive(vector_size=vector_size, num_epochs=num_epochs, x_max=x_max)
    with extra("word_vectors"):
        from gensim.models import KeyedVectors
    with count_cooccurrences(lists, window=window, min_count=min_count) as counted:
        glove = Glove(len(counted.words), vector_size, x_max, seed)
        # An epoch has at least this number of steps, even for a small text.
        size = min(_PAIRS_OF_A_BATCH, math.ceil(counted.num_pairs / _STEPS_OF_AN_EPOCH))
        num_batches = num_epochs * math.ceil(counted.num_pairs / size)
        batches = _batches(counted, size, num_epochs, seed)
        for batch in processes.show_progress("learn", batches, num_batches):
            glove.train_step(*batch)
    vectors = KeyedVectors(vector_size)
    vectors.add_vectors(counted.words, glove.vectors(side))
    for word, frequency in zip(counted.words, counted.frequencies, strict=True):
        vectors.set_vecattr(word, "count", frequency)
    vectors.fill_norms(force=True)
    return vectors


def _batches(
    counted: Cooccurrences, size: int, num_epochs: int, seed: int
) -> tf.data.Dataset:
    """Batches of pairs for `Glove.train_step`, in a different order in each epoch.

    Shards are read one after another, and the pairs of each are shuffled. The last
    batch of an epoch is padded with counts of 0, so that the step is compiled once.
    """

    def batches() -> Iterator[tuple[np.ndarray, ...]]:
        for epoch in range(num_epochs):
            order = np.random.default_rng((seed, epoch))
            left = np.zeros(0, PAIR)
            for shard in order.permutation(counted.shards):
                pairs = np.concatenate([left, order.permutation(counted.read(shard))])
                last = len(pairs) - len(pairs) % size
                for first in range(0, last, size):
                    yield fields(pairs[first : first + size])
                left = pairs[last:]
            if len(left):
                filling = np.zeros(size - len(left), PAIR)
                yield fields(np.concatenate([left, filling]))

    def fields(pairs: np.ndarray) -> tuple[np.ndarray, ...]:
        return tuple(np.ascontiguousarray(pairs[name]) for name in PAIR.names or ())

    signature = tuple(tf.TensorSpec([size], PAIR[name]) for name in PAIR.names or ())
    made = tf.data.Dataset.from_generator(batches, output_signature=signature)
    return made.prefetch(2)
