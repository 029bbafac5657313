"""The pre-training model of BERT, for masked tokens and pairs of sentences."""

from typing import Any

import keras
from keras import ops

from bert_tf.layers import elementwise
from bert_tf.layers.dense import dense
from bert_tf.layers.ids import require_known_ids
from bert_tf.layers.norm import LayerNorm
from bert_tf.layers.vocabulary_logits import vocabulary_logits
from bert_tf.models.config import BertConfig
from bert_tf.models.configured import ConfiguredModel
from bert_tf.models.encoder import BertEncoder


@keras.saving.register_keras_serializable("bert_tf")
class BertPretrainer(ConfiguredModel):
    """An encoder with the heads of section 3.1 of the paper.

    Args:
        config: that of the encoder.
        sentence_head: whether there is a head for the sentence task (NSP or SOP).
        mlm_head: whether there is a head for masked tokens; many published encoders
            have none.
        mlm_activation: the activation of that head; None for that of the encoder.
        mlm_epsilon: added to the variance in its normalization; None for that of the
            encoder.
        dtype: a Keras dtype policy.

    Call arguments:
        inputs: the encoder's, and `mlm_positions` int32 (batch, predictions).
        training: whether dropout is applied.

    Output:
        dict of `mlm`, float32 logits (batch, predictions, vocabulary) at the given
        positions alone, and `sentence`, float32 logits (batch, 2); each if there is
        such a head.

    Raises:
        ValueError: a sentence head without a pooler below it.
    """

    def __init__(
        self,
        config: BertConfig,
        sentence_head: bool = True,
        mlm_head: bool = True,
        mlm_activation: str | None = None,
        mlm_epsilon: float | None = None,
        dtype: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(dtype=dtype, **kwargs)
        if sentence_head and not config.pooler:
            raise ValueError(
                "Received sentence_head=True and a config with pooler=False. Expected "
                "a pooler below the head: set pooler=True or sentence_head=False."
            )
        policy = self.dtype_policy
        self.encoder = BertEncoder(config, name="encoder", dtype=policy)
        self.mlm_activation, self.mlm_epsilon = mlm_activation, mlm_epsilon
        self.mlm_head, self.sentence_head = None, None
        if mlm_head:
            self.mlm_head = masked_lm_head(config, mlm_activation, mlm_epsilon, policy)
        if sentence_head:
            spread = config.initializer_range
            self.sentence_head = dense(2, spread, "sentence_head", policy)
        self.build({"token_ids": (None, None)})

    def build(self, input_shape: Any = None) -> None:
        """Makes all weights."""
        hidden_dim = self.encoder.config.hidden_size
        if self.mlm_head:
            self.mlm_head.build((None, None, hidden_dim))
        if self.sentence_head:
            self.sentence_head.build((None, hidden_dim))
        self.built = True

    def call(self, inputs: dict[str, Any], training: bool = False) -> dict[str, Any]:
        """Computes the logits; the class describes the arguments."""
        positions = None
        if self.mlm_head:
            positions = inputs["mlm_positions"]
            length = ops.shape(inputs["token_ids"])[1]
            require_known_ids("mlm_positions", positions, length)
        encoded = self.encoder(inputs, training=training, read_positions=positions)
        logits = {}
        if self.mlm_head:
            logits["mlm"] = self.mlm_head(
                encoded["sequence_output"], self.encoder.embeddings.token_table
            )
        if self.sentence_head:
            sentence = self.sentence_head(encoded["pooled_output"])
            logits["sentence"] = ops.cast(sentence, "float32")
        return logits

    def _head_inputs(self) -> dict[str, str]:
        return {"mlm_positions": "int32"} if self.mlm_head else {}

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of the constructor, as plain values."""
        return {
            **super().get_config(),
            "sentence_head": self.sentence_head is not None,
            "mlm_head": self.mlm_head is not None,
            "mlm_activation": self.mlm_activation,
            "mlm_epsilon": self.mlm_epsilon,
        }


def masked_lm_head(
    config: BertConfig, activation: str | None, epsilon: float | None, dtype: Any
) -> "MaskedLMHead":
    """Makes the head of an encoder; None stands for its activation and epsilon."""
    # The head has no gate: its input is as wide as its output.
    own = "gelu" if config.hidden_act == "geglu" else config.hidden_act
    return MaskedLMHead(
        vocab_size=config.vocab_size,
        embedding_dim=config.embedding_size or config.hidden_size,
        activation=activation or own,
        epsilon=config.layer_norm_eps if epsilon is None else epsilon,
        initializer_range=config.initializer_range,
        tied=config.tie_word_embeddings,
        use_bias=config.biases,
        name="mlm_head",
        dtype=dtype,
    )


@keras.saving.register_keras_serializable("bert_tf")
class MaskedLMHead(keras.layers.Layer):
    """A dense layer, activation, normalization, and a product with a token table.

    Args:
        vocab_size: number of pieces.
        embedding_dim: width of the token table.
        activation: one of `HIDDEN_ACTS` without a gate.
        epsilon: added to the variance in the normalization.
        initializer_range: standard deviation of the initial kernel.
        tied: whether that table is the encoder's, and not one of the head.
        use_bias: whether the dense layer has a bias, and the normalization an offset.

    Call arguments:
        x: float (batch, predictions, hidden).
        token_table: float32 (vocabulary, embedding), that of the encoder.

    Output:
        float32 logits (batch, predictions, vocabulary).
    """

    def __init__(
        self,
        vocab_size: int,
        embedding_dim: int,
        activation: str,
        epsilon: float,
        initializer_range: float,
        tied: bool = True,
        use_bias: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.tied = tied
        self.vocab_size = vocab_size
        self.embedding_dim = embedding_dim
        self.activation = activation
        self.initializer_range = initializer_range
        self.use_bias = use_bias
        policy = self.dtype_policy
        self.transform = dense(
            embedding_dim, initializer_range, "transform", policy, use_bias=use_bias
        )
        self.norm = LayerNorm(epsilon, use_offset=use_bias, name="norm", dtype=policy)

    def build(self, input_shape: tuple) -> None:
        """Makes the dense layer, the norm and the output bias."""
        self.transform.build(input_shape)
        self.norm.build((*input_shape[:-1], self.embedding_dim))
        self.output_bias = self.add_weight(
            name="output_bias",
            shape=(self.vocab_size,),
            initializer="zeros",
            autocast=False,
        )
        if not self.tied:
            self.output_table = self.add_weight(
                name="output_table",
                shape=(self.vocab_size, self.embedding_dim),
                initializer=self.transform.kernel_initializer.clone(),
                autocast=False,
            )

    def call(self, x: Any, token_table: Any) -> Any:
        """Computes the logits; the class describes the arguments."""
        x = elementwise.activation(self.transform(x), name=self.activation)
        x = self.norm(x)
        table = token_table if self.tied else self.output_table
        return vocabulary_logits(x, table, self.output_bias)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of the constructor, as plain values."""
        return {
            **super().get_config(),
            "vocab_size": self.vocab_size,
            "embedding_dim": self.embedding_dim,
            "activation": self.activation,
            "epsilon": self.norm.epsilon,
            "initializer_range": self.initializer_range,
            "tied": self.tied,
            "use_bias": self.use_bias,
        }


class PretrainingObjective:
    """Mean loss over the masked tokens plus mean loss of the sentence task.

    Args:
        sentence_task: whether rows carry a `sentence_label`.
    """

    def __init__(self, sentence_task: bool = True) -> None:
        self.sentence_task = sentence_task
        self.losses = ["mlm_loss", "sentence_loss"] if sentence_task else ["mlm_loss"]

    def weights(self, batch: Any) -> dict[str, Any]:
        """Returns the numbers of masked tokens and of rows, float32 scalars."""
        # The original adds the same constant to its denominator. It matters for a batch
        # without any masked token.
        masked = ops.sum(batch["mlm_weights"]) + 1e-5
        weights = {"mlm_loss": masked, "mlm_accuracy": masked}
        if self.sentence_task:
            rows = ops.sum(batch["row_weight"])
            weights |= {"sentence_loss": rows, "sentence_accuracy": rows}
        return weights

    def sums(self, outputs: dict[str, Any], batch: Any) -> dict[str, Any]:
        """Sums the losses and the right predictions; float32 scalars."""
        sums = {}
        sums["mlm_loss"], sums["mlm_accuracy"] = weighted_sums(
            outputs["mlm"], batch["mlm_ids"], batch["mlm_weights"]
        )
        if self.sentence_task:
            sums["sentence_loss"], sums["sentence_accuracy"] = weighted_sums(
                outputs["sentence"], batch["sentence_label"], batch["row_weight"]
            )
        return sums


def weighted_sums(logits: Any, labels: Any, weights: Any) -> tuple[Any, Any]:
    """Sums cross-entropies and right predictions with weights; float32 scalars.

    Args:
        logits: float32 (..., classes).
        labels: int (...).
        weights: float32 (...).
    """
    losses, right = elementwise.cross_entropy(logits, ops.cast(labels, "int32"))
    return ops.sum(losses * weights), ops.sum(right * weights)
