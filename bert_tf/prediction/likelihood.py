"""Log-likelihoods of texts, by masked and by causal language models."""

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
import tqdm

from bert_tf.checkpoints.model_dir import LoadedModel
from bert_tf.metrics.minimal_pairs import minimal_pair_accuracy
from bert_tf.prediction.answers import ADVICE
from data_pipelines.datasets.minimal_pairs import MinimalPair
from data_pipelines.files.finite import require_finite

# Texts that are tokenized at once.
_TEXTS = 10_000
_TOKENS = tf.TensorSpec([None, None], tf.int32)
_PLACES = tf.TensorSpec([None], tf.int32)


def log_likelihoods(
    loaded: LoadedModel,
    texts: Sequence[str],
    *,
    batch_size: int = 256,
    show_progress: bool = False,
) -> np.ndarray:
    """Computes how likely each text is, the sum over its tokens, in nats.

    A masked model predicts each token from all others: the pseudo-log-likelihood of
    Salazar et al. (2020), one row for each token, which is masked. A causal model
    predicts each token from [CLS] and those before it. Neither predicts [CLS] or the
    final [SEP]. Probabilities are shares among the pieces of the vocabulary.

    Args:
        loaded: a pre-trained model with a language-model head.
        texts: texts that fit the model as a whole. Equal ones are computed once.
        batch_size: the number of rows that are run at once, all of one length.
        show_progress: whether a bar shows the rows that are done.

    Returns:
        float64 (texts,).

    Raises:
        ValueError: the model has no language-model head, a text has no token or more
            than the model can read, or a likelihood is not finite.
    """
    loaded.description.require_language_model_head()
    ids = _ids_of(loaded, texts)
    unique = sorted(set(ids), key=lambda text: (len(text), text))
    is_causal = loaded.model.encoder.config.causal
    run = _next_token_likelihoods(loaded) if is_causal else _masked_likelihoods(loaded)
    totals = np.zeros(len(unique))
    total = len(unique) if is_causal else sum(map(len, unique))
    with tqdm.tqdm(total=total, unit=" rows", disable=not show_progress) as bar:
        for rows in _batches(unique, batch_size, by_token=not is_causal):
            index, places = np.array(rows, np.int32).T
            tokens = np.array([unique[i] for i in index], np.int32)
            found = run(tf.constant(tokens), tf.constant(places)).numpy()
            np.add.at(totals, index, found)
            bar.update(len(rows))
    require_finite(totals, "The log-likelihood of texts", ADVICE)
    by_ids = dict(zip(unique, totals, strict=True))
    return np.array([by_ids[text] for text in ids])


def minimal_pair_scores(
    loaded: LoadedModel,
    pairs: Sequence[MinimalPair],
    batch_size: int = 256,
    show_progress: bool = False,
) -> dict[str, float]:
    """Evaluates a model on minimal pairs of sentences, by their `log_likelihoods`.

    Returns:
        See `minimal_pair_accuracy`.

    Raises:
        ValueError: as for `log_likelihoods`.
    """
    sentences = [text for pair in pairs for text in (pair.good, pair.bad)]
    found = log_likelihoods(
        loaded, sentences, batch_size=batch_size, show_progress=show_progress
    )
    return minimal_pair_accuracy(pairs, found[0::2], found[1::2])


def _ids_of(loaded: LoadedModel, texts: Sequence[str]) -> list[tuple[int, ...]]:
    """The ids of each text, without special tokens."""
    most = loaded.model.encoder.config.max_sequence_length - 2
    found: list[tuple[int, ...]] = []
    for first in range(0, len(texts), _TEXTS):
        ragged = loaded.tokenizer.tokenize(tf.constant(texts[first : first + _TEXTS]))
        found += map(tuple, ragged.to_list())
    for place, (text, ids) in enumerate(zip(texts, found, strict=True)):
        if not 1 <= len(ids) <= most:
            raise ValueError(
                f"Received text {place} (from 0) with {len(ids)} tokens: {text[:50]!r}."
                f" Expected 1 to {most} tokens, as many as the model can read."
            )
    return found


def _batches(
    texts: Sequence[tuple[int, ...]], batch_size: int, by_token: bool
) -> Iterator[list[tuple[int, int]]]:
    """Yields batches of rows of one length: the index of a text, and of its token."""
    numbered = enumerate(texts)
    for length, group in itertools.groupby(numbered, key=lambda pair: len(pair[1])):
        places = range(length if by_token else 1)
        rows = ((index, place) for index, _ in group for place in places)
        while batch := list(itertools.islice(rows, batch_size)):
            yield batch


def _masked_likelihoods(loaded: LoadedModel) -> Any:
    """A function of tokens (rows, length) and the index of one in each row."""

    @tf.function(input_signature=[_TOKENS, _PLACES], autograph=False)
    def run(tokens: tf.Tensor, places: tf.Tensor) -> tf.Tensor:
        rows = _framed(tokens, loaded)
        positions = places[:, tf.newaxis] + 1
        is_masked = tf.range(tf.shape(rows)[1]) == positions
        rows = tf.where(is_masked, loaded.vocabulary.mask_id, rows)
        labels = tf.gather(tokens, places[:, tf.newaxis], batch_dims=1)
        return _sums(loaded, rows, positions, labels)

    return run


def _next_token_likelihoods(loaded: LoadedModel) -> Any:
    """A function of tokens (rows, length), and of a second tensor for each row."""

    @tf.function(input_signature=[_TOKENS, _PLACES], autograph=False)
    def run(tokens: tf.Tensor, _: tf.Tensor) -> tf.Tensor:
        rows = _framed(tokens, loaded)
        # The token at a position predicts the one behind it.
        positions = tf.broadcast_to(tf.range(tf.shape(tokens)[1]), tf.shape(tokens))
        return _sums(loaded, rows, positions, tokens)

    return run


def _framed(tokens: tf.Tensor, loaded: LoadedModel) -> tf.Tensor:
    vocabulary, num_rows = loaded.vocabulary, tf.shape(tokens)[0]
    opening = tf.fill([num_rows, 1], vocabulary.cls_id)
    closing = tf.fill([num_rows, 1], vocabulary.sep_id)
    return tf.concat([opening, tokens, closing], axis=1)


def _sums(
    loaded: LoadedModel, rows: tf.Tensor, positions: tf.Tensor, labels: tf.Tensor
) -> tf.Tensor:
    """Sums the log-probabilities of the labels of each row; float32 (rows,)."""
    inputs = {
        "token_ids": rows,
        "segment_ids": tf.zeros_like(rows),
        "padding_mask": tf.ones_like(rows, tf.bool),
        "mlm_positions": positions,
    }
    logits = loaded.model(inputs)["mlm"][:, :, : len(loaded.vocabulary)]
    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
    return -tf.reduce_sum(losses, axis=1)
