"""The pre-training model of ELMo, which predicts each token from both sides."""

from typing import Any

import keras
from keras import ops

from bert_tf.layers.gather import gather_rows
from bert_tf.layers.ids import require_known_ids
from bert_tf.layers.vocabulary_logits import vocabulary_logits
from bert_tf.models.config import BertConfig
from bert_tf.models.configured import ConfiguredModel
from bert_tf.models.elmo import ElmoEncoder
from bert_tf.models.masked_lm import weighted_sums


@keras.saving.register_keras_serializable("bert_tf")
class BidirectionalLanguageModel(ConfiguredModel):
    """A forward and a backward language model with one softmax (Peters et al. 2018).

    Args:
        config: that of the encoder, with the architecture "elmo".
        dtype: a Keras dtype policy.

    Call arguments:
        inputs: the encoder's, and `mlm_positions` int32 (batch, predictions). The token
            at a position is not read for its own prediction, so it may be masked or
            not. The first and the last token of a row are no valid positions.
        training: whether dropout is applied.

    Output:
        dict of float32 logits (batch, predictions, vocabulary): `forward`, from the
        tokens before each position; `backward`, from those behind it; and, outside of
        training, `mlm`, the logarithm of the product of both distributions, which is
        not trained itself.
    """

    def __init__(self, config: BertConfig, dtype: Any = None, **kwargs: Any) -> None:
        super().__init__(dtype=dtype, **kwargs)
        self.encoder = ElmoEncoder(config, name="encoder", dtype=self.dtype_policy)
        self.mlm_head = _SharedSoftmax(
            config.vocab_size, name="mlm_head", dtype=self.dtype_policy
        )
        self.build({"token_ids": (None, None)})

    def build(self, input_shape: Any = None) -> None:
        """Makes all weights."""
        self.mlm_head.build((None, None, self.encoder.config.hidden_size // 2))
        self.built = True

    def _head_inputs(self) -> dict[str, str]:
        return {"mlm_positions": "int32"}

    def call(self, inputs: dict[str, Any], training: bool = False) -> dict[str, Any]:
        """Predicts the tokens; the class describes the arguments."""
        vectors = self.encoder(inputs, training=training)["sequence_output"]
        positions = inputs["mlm_positions"]
        last = ops.shape(vectors)[1] - 1
        require_known_ids("mlm_positions", positions, last + 1)
        half = self.encoder.config.hidden_size // 2
        logits = {}
        for name, shift, part in (
            ("forward", -1, vectors[..., :half]),
            ("backward", 1, vectors[..., half:]),
        ):
            places = ops.clip(positions + shift, 0, last)
            logits[name] = self.mlm_head(gather_rows(part, places))
        if not training:
            # The losses do not need it.
            forward, backward = map(ops.log_softmax, logits.values())
            logits["mlm"] = forward + backward
        return logits


class _SharedSoftmax(keras.layers.Layer):
    """Float32 logits (batch, predictions, vocabulary), products with a table."""

    def __init__(self, vocab_size: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.vocab_size = vocab_size

    def build(self, input_shape: tuple) -> None:
        self.output_table = self.add_weight(
            name="output_table",
            shape=(self.vocab_size, input_shape[-1]),
            initializer="glorot_uniform",
            autocast=False,
        )
        self.output_bias = self.add_weight(
            name="output_bias",
            shape=(self.vocab_size,),
            initializer="zeros",
            autocast=False,
        )

    def call(self, x: Any) -> Any:
        return vocabulary_logits(x, self.output_table, self.output_bias)


class BidirectionalObjective:
    """Mean loss of the forward model plus that of the backward one."""

    losses = ("forward_loss", "backward_loss")

    def weights(self, batch: Any) -> dict[str, Any]:
        """Returns the number of predictions for each sum, float32 scalars."""
        count = ops.sum(batch["mlm_weights"]) + 1e-5
        return dict.fromkeys((*self.losses, "forward_accuracy", "mlm_accuracy"), count)

    def sums(self, outputs: dict[str, Any], batch: Any) -> dict[str, Any]:
        """Sums the losses and the right predictions; float32 scalars.

        `mlm_accuracy`, of both directions together, is computed in evaluation alone.
        """
        ids, weights = batch["mlm_ids"], batch["mlm_weights"]
        sums = {}
        sums["forward_loss"], sums["forward_accuracy"] = weighted_sums(
            outputs["forward"], ids, weights
        )
        sums["backward_loss"], _ = weighted_sums(outputs["backward"], ids, weights)
        if "mlm" in outputs:
            _, sums["mlm_accuracy"] = weighted_sums(outputs["mlm"], ids, weights)
        return sums
