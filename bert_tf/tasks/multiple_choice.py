"""Which of several continuations fits a text (paper, section 4.4)."""

from typing import Any

from keras import ops

from bert_tf.layers import elementwise
from bert_tf.models.config import BertConfig
from bert_tf.tasks.classification import BertClassifier


class BertMultipleChoice(BertClassifier):
    """One score for each choice, from its own `[CLS] text [SEP] choice [SEP]`.

    Args:
        num_choices: sequences that belong together.

    Output:
        float32 logits (texts, choices).
    """

    def __init__(self, config: BertConfig, num_choices: int, **kwargs: Any) -> None:
        super().__init__(config, 1, **kwargs)
        self.num_choices = num_choices

    def answer(
        self, encoded: dict[str, Any], inputs: dict[str, Any], training: bool
    ) -> Any:
        """See the class."""
        scores = super().answer(encoded, inputs, training)
        return ops.reshape(scores, (-1, self.num_choices))

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor."""
        config = super().get_config()
        del config["num_outputs"]
        return {**config, "num_choices": self.num_choices}


class MultipleChoiceObjective:
    """Mean cross-entropy over the choices.

    Args:
        num_choices: sequences that belong together.
    """

    losses = ("loss_per_example",)

    def __init__(self, num_choices: int) -> None:
        self.num_choices = num_choices

    def _labels(self, batch: Any) -> Any:
        return ops.reshape(batch["label"], (-1, self.num_choices))[:, 0]

    def weights(self, batch: Any) -> dict[str, Any]:
        """Number of examples, float32 scalars."""
        count = ops.sum(ops.ones_like(ops.cast(self._labels(batch), "float32")))
        return {"loss_per_example": count, "accuracy": count}

    def sums(self, logits: Any, batch: Any) -> dict[str, Any]:
        """Losses and right answers, summed; float32 scalars."""
        losses, right = elementwise.cross_entropy(logits, self._labels(batch))
        return {"loss_per_example": ops.sum(losses), "accuracy": ops.sum(right)}
