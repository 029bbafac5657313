"""A tag for each word (paper, section 5.3)."""

from typing import Any

import tensorflow as tf
from keras import ops

from bert_tf.layers import elementwise
from bert_tf.layers.gather import gather_tokens
from bert_tf.tasks.heads import EncoderWithHead


class BertTagger(EncoderWithHead):
    """Logits from the first piece of each word.

    A BiLSTM, over features of a frozen encoder, goes from word to word.

    Call arguments:
        inputs: the encoder's, as packed rows, and `word_positions` int32 (sequences,
            words): where in its sequence each word begins, -1 where there is none.
        training: whether dropout is on.

    Output:
        float32 logits (sequences, words, tags).
    """

    def answer(
        self, encoded: dict[str, Any], inputs: dict[str, Any], training: bool
    ) -> Any:
        """See the class."""
        positions = inputs["word_positions"]
        tokens = inputs["first_tokens"][:, None] + ops.maximum(positions, 0)
        vectors = gather_tokens(encoded["sequence_output"], tokens)
        vectors = self.through_lstm(vectors, positions >= 0)
        return self.scores(vectors, training)


class TokenTaggingObjective:
    """Mean cross-entropy over the words."""

    losses = ("loss_per_word",)

    def weights(self, batch: Any) -> dict[str, Any]:
        """Number of words, float32 scalars."""
        words = ops.sum(ops.cast(batch["tags"] >= 0, "float32")) + 1e-5
        return {"loss_per_word": words, "accuracy": words}

    def sums(self, logits: Any, batch: Any) -> dict[str, Any]:
        """Losses and right tags, summed; float32 scalars."""
        tags = batch["tags"]
        is_word = ops.cast(tags >= 0, "float32")
        losses, right = elementwise.cross_entropy(logits, tags)
        return {
            "loss_per_word": ops.sum(losses * is_word),
            "accuracy": ops.sum(right * is_word),
        }


def decode_tags(logits: Any, batch: Any) -> dict[str, Any]:
    """`tags` int32 and `probabilities` float32, ragged (sequences, (words)); in graph.

    Args:
        logits: of `BertTagger`.
        batch: `word_positions`, which tells words from padding.
    """
    is_word = batch["word_positions"] >= 0
    probabilities = tf.nn.softmax(logits, axis=-1)
    decoded = {
        "tags": tf.argmax(logits, axis=-1, output_type=tf.int32),
        "probabilities": tf.reduce_max(probabilities, axis=-1),
    }
    return {k: tf.ragged.boolean_mask(v, is_word) for k, v in decoded.items()}
