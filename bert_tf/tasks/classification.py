"""A class, or a score, for a text or a pair of texts."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from keras import ops

from bert_tf.layers import elementwise
from bert_tf.tasks.heads import EncoderWithHead, sequence_vectors


class BertClassifier(EncoderWithHead):
    """Logits from the pooled output (paper, section 4.1), or from features.

    Features of a frozen encoder are averaged over the tokens, after the BiLSTM if there
    is one. So is the output of an encoder without a pooler.

    Call arguments:
        inputs: the encoder's; packed rows with `lengths`, too, for an average.
        training: whether dropout is on.

    Output:
        float32 logits (sequences, outputs).
    """

    def answer(
        self, encoded: dict[str, Any], inputs: dict[str, Any], training: bool
    ) -> Any:
        """See the class."""
        if self.mix is None and self.encoder.pooler is not None:
            return self.scores(encoded["pooled_output"], training)
        vectors, mask = sequence_vectors(encoded["sequence_output"], inputs)
        # A narrow dtype could not count the tokens of a long sequence.
        vectors = ops.cast(self.through_lstm(vectors, mask), "float32")
        weights = ops.cast(mask, "float32")[:, :, None]
        total = ops.sum(vectors * weights, axis=1)
        return self.scores(total / ops.sum(weights, axis=1), training)


class ClassificationObjective:
    """Mean cross-entropy, each example weighted by its class.

    Args:
        class_weights: one for each class; None: all 1.
    """

    losses = ("loss_per_example",)

    def __init__(self, class_weights: Sequence[float] | None = None) -> None:
        self.class_weights = class_weights

    def _weights(self, batch: Any) -> Any:
        if self.class_weights is None:
            return ops.ones_like(ops.cast(batch["label"], "float32"))
        weights = ops.convert_to_tensor(np.asarray(self.class_weights, "float32"))
        return ops.take(weights, batch["label"])

    def weights(self, batch: Any) -> dict[str, Any]:
        """Total weight of the examples, and their number; float32 scalars."""
        count = ops.sum(ops.ones_like(ops.cast(batch["label"], "float32")))
        total = ops.sum(self._weights(batch))
        return {"loss_per_example": total, "accuracy": count}

    def sums(self, logits: Any, batch: Any) -> dict[str, Any]:
        """Losses and right answers, summed; float32 scalars."""
        losses, right = elementwise.cross_entropy(logits, batch["label"])
        total = ops.sum(losses * self._weights(batch))
        return {"loss_per_example": total, "accuracy": ops.sum(right)}


class RegressionObjective:
    """Mean squared error."""

    losses = ("squared_error",)

    def weights(self, batch: Any) -> dict[str, Any]:
        """Number of examples, float32 scalar."""
        return {"squared_error": ops.sum(ops.ones_like(batch["label"]))}

    def sums(self, scores: Any, batch: Any) -> dict[str, Any]:
        """Squared errors, summed; float32 scalar."""
        errors = scores[:, 0] - batch["label"]
        return {"squared_error": ops.sum(ops.square(errors))}


def decode_classes(logits: Any, batch: Any) -> dict[str, Any]:
    """`probabilities` float32 (sequences, classes); in graph."""
    return {"probabilities": ops.softmax(logits, axis=-1)}


def decode_scores(scores: Any, batch: Any) -> dict[str, Any]:
    """`score` float32 (sequences,); in graph."""
    return {"score": scores[:, 0]}
