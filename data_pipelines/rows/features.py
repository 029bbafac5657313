"""Features of pre-training rows, and the format of records.

A record contains a *part* of a document: whole sentences as ids, one after another. The
model is trained on *rows*.
"""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

# Tensors of sequences, of any shape, by name.
Features = dict[str, tf.Tensor | tf.RaggedTensor]

# Inputs of the encoder.
MODEL_INPUTS = ("token_ids", "segment_ids", "padding_mask")


def row_features(
    sequence_length: int, max_predictions: int
) -> dict[str, tf.TensorSpec]:
    """Returns the features of one pre-training row, without the batch dimension."""
    sequence, predictions = [sequence_length], [max_predictions]
    return {
        "token_ids": tf.TensorSpec(sequence, tf.int32),
        # 0 up to the first [SEP] and in the padding, 1 in the second segment.
        "segment_ids": tf.TensorSpec(sequence, tf.int32),
        # True = real token.
        "padding_mask": tf.TensorSpec(sequence, tf.bool),
        # Ascending; unused entries are 0 and have the weight 0.
        "mlm_positions": tf.TensorSpec(predictions, tf.int32),
        # The original ids at these positions.
        "mlm_ids": tf.TensorSpec(predictions, tf.int32),
        "mlm_weights": tf.TensorSpec(predictions, tf.float32),
        # 0 = follows (or in order), 1 = random (or swapped).
        "sentence_label": tf.TensorSpec([], tf.int32),
        # 1; 0 in the padding rows of the last batch of an evaluation.
        "row_weight": tf.TensorSpec([], tf.float32),
    }


def part_to_example(
    token_ids: Sequence[int] | np.ndarray,
    sentence_lengths: Sequence[int] | np.ndarray,
    document_id: int,
) -> bytes:
    """Serializes a part of a document as a `tf.train.Example`, deterministically.

    `[7, 8, 9], [2, 1], 5` becomes the record that `parse_part` reads as
    `{"token_ids": [7, 8, 9], "sentence_lengths": [2, 1], "document_id": 5}`.

    Raises:
        ValueError: the lengths do not sum up to the number of ids, or one is 0.
    """
    token_ids, sentence_lengths = np.asarray(token_ids), np.asarray(sentence_lengths)
    if sentence_lengths.sum() != len(token_ids) or (sentence_lengths < 1).any():
        raise ValueError(
            f"Received {len(token_ids)} token ids in sentences of the lengths "
            f"{sentence_lengths}. Expected positive lengths that sum up to the number "
            "of ids: leave out empty sentences."
        )
    example = tf.train.Example()
    features = example.features.feature
    features["token_ids"].int64_list.value.extend(token_ids.tolist())
    features["sentence_lengths"].int64_list.value.extend(sentence_lengths.tolist())
    features["document_id"].int64_list.value.append(int(document_id))
    # With this option, the features are written in the order of their names.
    return example.SerializeToString(deterministic=True)


def parse_part(serialized: tf.Tensor) -> dict[str, tf.Tensor]:
    """Parses a record of `part_to_example`, in the TensorFlow graph.

    Args:
        serialized: string scalar.

    Returns:
        `token_ids` int32 `(tokens,)` of all sentences, without special tokens;
        `sentence_lengths` int32 `(sentences,)`, all positive; and `document_id` int64
        `()`, which identifies the document of the part.

    Raises:
        tf.errors.InvalidArgumentError: the record has another format or is damaged.
    """
    parsed = tf.io.parse_single_example(
        serialized,
        {
            "token_ids": tf.io.RaggedFeature(tf.int64),
            "sentence_lengths": tf.io.RaggedFeature(tf.int64),
            "document_id": tf.io.FixedLenFeature([], tf.int64),
        },
    )
    complete = tf.debugging.assert_equal(
        tf.reduce_sum(parsed["sentence_lengths"]),
        tf.size(parsed["token_ids"], tf.int64),
        message="The sentence lengths of a record do not sum up to its number of token "
        "ids. Expected a file from create_pretraining_data: write it again.",
    )
    with tf.control_dependencies([complete]):
        token_ids = tf.cast(parsed["token_ids"], tf.int32)
    sentence_lengths = tf.cast(parsed["sentence_lengths"], tf.int32)
    return {**parsed, "token_ids": token_ids, "sentence_lengths": sentence_lengths}
