"""Fine-tunes a causal model with an auxiliary language-model loss (GPT)."""

from collections.abc import Mapping
from typing import Any, Self

import keras
import numpy as np
from keras import ops

from bert_tf.models.masked_lm import masked_lm_head, weighted_sums
from bert_tf.models.objective import Objective
from bert_tf.tasks.heads import EncoderWithHead


@keras.saving.register_keras_serializable("bert_tf")
class WithLanguageModel(keras.Model):
    """A model of a task with the head of pre-training on the same vectors.

    It is used only in training: the model of the task is the one that is saved.

    Args:
        task: the model of the task, whose encoder is causal and trained.
        weights: the weights of the head, by name; missing ones are random.

    Call arguments:
        inputs: the inputs of the task's model, as packed rows.
        training: whether dropout is on.

    Output:
        dict of `task`, the output of its model, and `next`, float32 logits (rows, row
        length, vocabulary) of the next token at each position.
    """

    def __init__(
        self,
        task: EncoderWithHead,
        weights: Mapping[str, np.ndarray] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(dtype=task.dtype_policy, **kwargs)
        config = task.encoder.config
        self.task = task
        self.mlm_head = masked_lm_head(config, None, None, task.dtype_policy)
        self.mlm_head.build((None, None, config.hidden_size))
        for variable in self.mlm_head.weights:
            name = variable.path[variable.path.index("mlm_head/") :]
            if weights and name in weights:
                variable.assign(weights[name])
        self.built = True

    def call(self, inputs: dict[str, Any], training: bool = False) -> dict[str, Any]:
        """See the class."""
        encoded = self.task.token_vectors(inputs, training)
        table = self.task.encoder.embeddings.token_table
        return {
            "task": self.task.answer(encoded, inputs, training),
            "next": self.mlm_head(encoded["sequence_output"], table),
        }

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of the constructor but the weights, as plain values."""
        task = keras.saving.serialize_keras_object(self.task)
        return {"task": task, "name": self.name, "trainable": self.trainable}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Self:
        """Makes the model that `get_config` describes."""
        task = keras.saving.deserialize_keras_object(config["task"], custom_objects)
        return cls(**{**config, "task": task})


class AuxiliaryObjective:
    """The loss of the task plus a weighted next-token loss.

    L3 = L2 + lambda L1 (Radford et al. 2018, section 3.2).

    Args:
        task: the objective of the task.
        lm_weight: lambda; 0.5 in the paper.
    """

    def __init__(self, task: Objective, lm_weight: float) -> None:
        self.task = task
        self.lm_weight = lm_weight
        self.losses = (*task.losses, "weighted_lm_loss")

    def weights(self, batch: Any) -> dict[str, Any]:
        """The weights of the task and the number of tokens; float32 scalars."""
        count = ops.sum(_has_next(batch)) + 1e-5
        own = {"lm_loss": count, "weighted_lm_loss": count}
        return {**self.task.weights(batch), **own}

    def sums(self, outputs: dict[str, Any], batch: Any) -> dict[str, Any]:
        """The sums of the task and of the next-token losses; float32 scalars."""
        next_ids = ops.roll(batch["token_ids"], -1, axis=1)
        loss, _ = weighted_sums(outputs["next"], next_ids, _has_next(batch))
        own = {"lm_loss": loss, "weighted_lm_loss": self.lm_weight * loss}
        return {**self.task.sums(outputs["task"], batch), **own}


def _has_next(batch: Any) -> Any:
    """1 where the next token is in the same sequence, float32 (rows, row length)."""
    ids = batch["sequence_ids"]
    same = (ids[:, 1:] == ids[:, :-1]) & (ids[:, 1:] >= 0)
    return ops.cast(ops.pad(same, [[0, 0], [0, 1]]), "float32")
