"""The pre-training model of ELECTRA, which detects replaced tokens."""

import dataclasses
from typing import Any

import keras
from keras import ops

from bert_tf.layers import elementwise
from bert_tf.layers.dense import dense
from bert_tf.layers.dropout import SavedSeed, draw_seed
from bert_tf.layers.ids import require_known_ids
from bert_tf.models.config import BertConfig
from bert_tf.models.configured import ConfiguredModel
from bert_tf.models.encoder import BertEncoder
from bert_tf.models.masked_lm import masked_lm_head, weighted_sums

# Weight of the discriminator's loss (Clark et al. 2020, section 3.2).
_DISCRIMINATOR_WEIGHT = 50.0
# The generator has a quarter of the discriminator's width, in heads of this width.
_GENERATOR_SHARE, _HEAD_WIDTH = 4, 64


@keras.saving.register_keras_serializable("bert_tf")
class ReplacedTokenDetector(SavedSeed, ConfiguredModel):
    """A small masked language model, and an encoder that detects its tokens.

    The encoder is the model that is fine-tuned. The generator has a quarter of its
    width, and shares its embeddings. At each masked place it writes a token that is
    drawn from its own distribution (Clark et al. 2020, sections 2 and 3.2).

    Args:
        config: that of the encoder.
        dtype: a Keras dtype policy.

    Call arguments:
        inputs: the encoder's, and `mlm_positions` int32 (batch, predictions); for the
            detection also `mlm_ids` int32 and `mlm_weights` float32 (batch,
            predictions), the original tokens, and 1 where they count.
        training: whether dropout is applied. Otherwise the generator draws with the
            same random numbers in every call.

    Output:
        dict of `mlm`, the generator's float32 logits (batch, predictions, vocabulary),
        and, with `mlm_ids`, `replaced`, float32 logits (batch, sequence), and
        `is_replaced`, float32 (batch, sequence), 1 where the token was replaced.
    """

    def __init__(self, config: BertConfig, dtype: Any = None, **kwargs: Any) -> None:
        super().__init__(dtype=dtype, **kwargs)
        policy = self.dtype_policy
        self.encoder = BertEncoder(config, name="encoder", dtype=policy)
        small = generator_config(config)
        self.generator = BertEncoder(
            small, embeddings=self.encoder.embeddings, name="generator", dtype=policy
        )
        # Its input is the generator's, and its output table the encoder's token table.
        head_config = dataclasses.replace(
            small,
            embedding_size=config.embedding_size or config.hidden_size,
            tie_word_embeddings=True,
        )
        self.mlm_head = masked_lm_head(head_config, None, None, policy)
        self.activation = self.mlm_head.activation
        spread = config.initializer_range
        self.transform = dense(config.hidden_size, spread, "transform", policy)
        self.detector = dense(1, spread, "detector", "float32")
        self.seed_generator = keras.random.SeedGenerator()
        self.build({"token_ids": (None, None)})

    def build(self, input_shape: Any = None) -> None:
        """Makes all weights."""
        hidden_dim = self.encoder.config.hidden_size
        self.mlm_head.build((None, None, self.generator.config.hidden_size))
        self.transform.build((None, None, hidden_dim))
        self.detector.build((None, None, hidden_dim))
        self.built = True

    def _head_inputs(self) -> dict[str, str]:
        return {"mlm_positions": "int32", "mlm_ids": "int32", "mlm_weights": "float32"}

    def call(self, inputs: dict[str, Any], training: bool = False) -> dict[str, Any]:
        """Computes the logits; the class describes the arguments."""
        positions = inputs["mlm_positions"]
        length = ops.shape(inputs["token_ids"])[1]
        require_known_ids("mlm_positions", positions, length)
        encoded = self.generator(inputs, training=training, read_positions=positions)
        logits = self.mlm_head(
            encoded["sequence_output"], self.encoder.embeddings.token_table
        )
        if "mlm_ids" not in inputs:
            return {"mlm": logits}
        token_ids, is_replaced = self._replaced(inputs, logits, training)
        vectors = self.encoder({**inputs, "token_ids": token_ids}, training=training)
        x = self.transform(vectors["sequence_output"])
        x = elementwise.activation(x, name=self.activation)
        replaced = self.detector(ops.cast(x, "float32"))[:, :, 0]
        return {"mlm": logits, "replaced": replaced, "is_replaced": is_replaced}

    def _replaced(
        self, inputs: dict[str, Any], logits: Any, training: bool
    ) -> tuple[Any, Any]:
        """Returns rows with tokens of the generator, and 1 where they are replaced."""
        seed = ops.zeros((2,), "int32")
        if training:
            seed = draw_seed(self.seed_generator, rate=1.0)
        drawn = elementwise.draw(logits, seed)
        is_asked = inputs["mlm_weights"] > 0
        token_ids, positions = inputs["token_ids"], inputs["mlm_positions"]
        # The places that pad a row are those of its first token, which is kept.
        there = ops.take_along_axis(token_ids, positions, axis=1)
        drawn = ops.where(is_asked, ops.cast(drawn, token_ids.dtype), there)
        differs = is_asked & (drawn != ops.cast(inputs["mlm_ids"], drawn.dtype))
        rows = ops.broadcast_to(
            ops.arange(ops.shape(positions)[0], dtype=positions.dtype)[:, None],
            ops.shape(positions),
        )
        places = ops.reshape(ops.stack([rows, positions], axis=-1), (-1, 2))

        def written(values: Any, updates: Any) -> Any:
            return ops.scatter_update(values, places, ops.reshape(updates, (-1,)))

        nowhere = ops.zeros(ops.shape(token_ids), "float32")
        is_replaced = written(nowhere, ops.cast(differs, "float32"))
        return written(token_ids, drawn), is_replaced


def generator_config(config: BertConfig) -> BertConfig:
    """Makes the config of the generator: as deep, and a quarter as wide."""
    heads = max(1, config.hidden_size // _GENERATOR_SHARE // _HEAD_WIDTH)
    width = min(heads * _HEAD_WIDTH, config.hidden_size)
    return dataclasses.replace(
        config,
        hidden_size=width,
        num_attention_heads=heads,
        intermediate_size=max(1, config.intermediate_size // _GENERATOR_SHARE),
        pooler=False,
    )


class ReplacedTokenObjective:
    """Mean loss over the masked tokens plus 50 times that over all tokens."""

    losses = ("mlm_loss", "weighted_replaced_loss")

    def weights(self, batch: Any) -> dict[str, Any]:
        """Returns the numbers of masked and of real tokens, float32 scalars."""
        masked = ops.sum(batch["mlm_weights"]) + 1e-5
        tokens = ops.sum(ops.cast(batch["padding_mask"], "float32")) + 1e-5
        return {
            "mlm_loss": masked,
            "mlm_accuracy": masked,
            "weighted_replaced_loss": tokens,
            "replaced_loss": tokens,
            "replaced_accuracy": tokens,
        }

    def sums(self, outputs: dict[str, Any], batch: Any) -> dict[str, Any]:
        """Sums the losses and the right predictions; float32 scalars."""
        sums = {}
        sums["mlm_loss"], sums["mlm_accuracy"] = weighted_sums(
            outputs["mlm"], batch["mlm_ids"], batch["mlm_weights"]
        )
        logits, is_replaced = outputs["replaced"], outputs["is_replaced"]
        real = ops.cast(batch["padding_mask"], "float32")
        # -log sigmoid of the logit or of its negative, which cannot overflow.
        loss = ops.sum(real * ops.softplus(ops.where(is_replaced > 0, -logits, logits)))
        right = ops.cast((logits > 0) == (is_replaced > 0), "float32")
        return {
            **sums,
            "weighted_replaced_loss": _DISCRIMINATOR_WEIGHT * loss,
            "replaced_loss": loss,
            "replaced_accuracy": ops.sum(real * right),
        }
