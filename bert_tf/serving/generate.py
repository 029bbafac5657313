"""Greedy generation with a causal model, in graph."""

from collections.abc import Callable

import tensorflow as tf

from bert_tf.serving.signatures import row_length
from bert_tf.tasks.endpoints import Rows
from data_pipelines.rows.packing import filled_rows
from data_pipelines.tokenizers.byte_symbols import bytes_of
from data_pipelines.tokenizers.spelling import CONTINUATION, readable
from data_pipelines.tokenizers.vocabulary import Vocabulary


def generate_ids(
    next_logits: Callable[[dict[str, tf.Tensor]], tf.Tensor],
    ids: tf.RaggedTensor,
    vocabulary: Vocabulary,
    num_tokens: int,
    max_length: int,
    rows: Rows,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Appends the most probable piece `num_tokens` times.

    Args:
        next_logits: maps the model's inputs, whose `mlm_positions` are the last
            tokens, to logits, float (texts, pieces of the vocabulary).
        ids: ragged int32 (texts, (pieces)), each with room for `num_tokens` more.
        vocabulary: the pieces, with the control tokens.
        num_tokens: the number of pieces to append.
        max_length: the maximum number of tokens of a row.
        rows: see `Rows`.

    Returns:
        int32 and float32 (texts, num_tokens): the pieces and their probabilities.
    """
    opening = tf.fill([ids.nrows(), 1], vocabulary.cls_id)
    ids = tf.concat([opening, ids], axis=1)
    lengths = tf.cast(ids.row_lengths(), tf.int32)
    width = row_length(lengths + num_tokens, max_length, rows)
    never = (vocabulary.pad_id, vocabulary.cls_id, vocabulary.mask_id)
    is_allowed = tf.constant([n not in never for n in range(len(vocabulary))])

    def add_one(
        step: tf.Tensor, token_ids: tf.Tensor, probabilities: tf.TensorArray
    ) -> tuple[tf.Tensor, tf.Tensor, tf.TensorArray]:
        known = lengths + step
        inputs = {
            "token_ids": token_ids,
            "segment_ids": tf.zeros_like(token_ids),
            "padding_mask": tf.sequence_mask(known, width),
            "mlm_positions": (known - 1)[:, tf.newaxis],
        }
        logits = next_logits(inputs)
        shares = tf.nn.softmax(tf.where(is_allowed, logits, logits.dtype.min))
        best = tf.argmax(shares, axis=-1, output_type=tf.int32)
        is_next = tf.range(width) == known[:, tf.newaxis]
        token_ids = tf.where(is_next, best[:, tf.newaxis], token_ids)
        probabilities = probabilities.write(step, tf.reduce_max(shares, axis=-1))
        return step + 1, token_ids, probabilities

    _, token_ids, probabilities = tf.while_loop(
        lambda step, *_: step < num_tokens,
        add_one,
        (
            0,
            filled_rows(ids, width, vocabulary.pad_id),
            tf.TensorArray(tf.float32, num_tokens, element_shape=[None]),
        ),
    )
    places = lengths[:, tf.newaxis] + tf.range(num_tokens)[tf.newaxis, :]
    added = tf.gather(token_ids, places, batch_dims=1)
    return added, tf.transpose(probabilities.stack())


def join_pieces(
    ids: tf.Tensor, is_real: tf.Tensor, vocabulary: Vocabulary
) -> tf.Tensor:
    """Joins pieces to a text: for WordPiece words joined by spaces, else exact.

    Args:
        ids: int32 (texts, pieces).
        is_real: bool (texts, pieces); pieces for which it is False are left out.
        vocabulary: the vocabulary of the ids.

    Returns:
        string (texts,).
    """
    if vocabulary.kind != "wordpiece":
        spelled = bytes_of if vocabulary.kind == "byte_bpe" else _with_spaces
        pieces = [spelled(piece) for piece in vocabulary.tokens]
        return tf.strings.reduce_join(tf.where(is_real, tf.gather(pieces, ids), ""), 1)
    words = tf.where(is_real, tf.gather(vocabulary.names, ids), "")
    joined = tf.strings.reduce_join(words, axis=1, separator=" ")
    return tf.strings.strip(tf.strings.regex_replace(joined, f" {CONTINUATION}", ""))


def _with_spaces(piece: str) -> bytes:
    return readable("sentencepiece", piece).encode()
