"""The BERT encoder: embeddings, blocks, pooler."""

from typing import Any, Self

import keras
from keras import ops

from bert_tf.layers.attention import SelfAttention
from bert_tf.layers.dense import dense
from bert_tf.layers.embeddings import Embeddings
from bert_tf.layers.encoder_block import EncoderBlock
from bert_tf.layers.feed_forward import FeedForward
from bert_tf.layers.gather import gather_rows, gather_tokens
from bert_tf.layers.norm import LayerNorm
from bert_tf.models.config import BertConfig
from bert_tf.models.configured import ConfiguredModel, require_inputs


@keras.saving.register_keras_serializable("bert_tf")
class BertEncoder(ConfiguredModel):
    """A vector for each token, and one for the row (Devlin et al. 2018, section 3).

    Args:
        config: sizes and variants. The layers receive plain arguments.
        embeddings: those of another encoder, which this one shares; their output is
            projected where its width differs. None for its own.
        dtype: a Keras dtype policy, such as "float32" or "mixed_bfloat16".

    Call arguments:
        inputs: dict of `token_ids` int32 (batch, sequence), `padding_mask` bool
            (batch, sequence) with True for real tokens and, optionally,
            `segment_ids` int32 (batch, sequence). Rows that hold several sequences
            each (`data_pipelines.rows.row_packing`) have three more: `positions` and
            `sequence_ids` int32 (batch, sequence), and `first_tokens` int32
            (sequences,), the place where each sequence begins in all rows laid end to
            end; a causal encoder with a pooler also needs `lengths` int32 (sequences,).
        training: whether dropout is applied.
        return_hidden_states: whether the output has `hidden_states`.

    Output:
        dict of `sequence_output` (batch, sequence, hidden); where the config has a
        pooler, `pooled_output` (batch or sequences, hidden), tanh of a dense layer over
        the first token, in a causal encoder over the last; and, on request,
        `hidden_states`, a list of the outputs of the embeddings and of each block, of
        which the last is the `sequence_output`.

    Raises:
        ValueError: an input is missing, or a row is longer than the positions.
    """

    def __init__(
        self,
        config: BertConfig,
        embeddings: Embeddings | None = None,
        dtype: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(dtype=dtype, **kwargs)
        self.config = config
        policy, hidden_dim = self.dtype_policy, config.hidden_size
        spread, epsilon = config.initializer_range, config.layer_norm_eps
        self._shares_embeddings = embeddings is not None
        self.input_projection = None
        if embeddings is not None and embeddings.hidden_dim != hidden_dim:
            self.input_projection = keras.layers.Dense(
                hidden_dim, name="input_projection", dtype=policy
            )
        self.embeddings = embeddings or Embeddings(
            vocab_size=config.vocab_size,
            embedding_dim=config.embedding_size or hidden_dim,
            hidden_dim=hidden_dim,
            num_positions=config.max_position_embeddings,
            num_segments=config.type_vocab_size,
            position_embeddings=config.position_embeddings,
            position_offset=config.position_offset,
            dropout=config.hidden_dropout_prob,
            epsilon=epsilon if config.embedding_norm else None,
            initializer_range=spread,
            name="embeddings",
            dtype=policy,
        )
        indices = range(config.num_hidden_layers)
        if config.share_layers:
            indices = indices[:1]
        self.blocks = [self._block(index) for index in indices]
        self.final_norm = None
        if config.norm_position == "pre":
            self.final_norm = LayerNorm(epsilon, name="final_norm", dtype=policy)
        self.pooler = None
        if config.pooler:
            self.pooler = dense(hidden_dim, spread, "pooler", policy, activation="tanh")
        # Weights exist from the start: their shapes depend on the config alone.
        self.build({"token_ids": (None, None)})

    def _block(self, index: int) -> EncoderBlock:
        config, policy = self.config, self.dtype_policy
        return EncoderBlock(
            SelfAttention(
                hidden_dim=config.hidden_size,
                num_heads=config.num_attention_heads,
                dropout=config.attention_probs_dropout_prob,
                initializer_range=config.initializer_range,
                rotary=config.position_embeddings == "rotary",
                name="attention",
                dtype=policy,
            ),
            FeedForward(
                hidden_dim=config.hidden_size,
                intermediate_dim=config.intermediate_size,
                activation=config.hidden_act,
                initializer_range=config.initializer_range,
                name="feed_forward",
                dtype=policy,
            ),
            dropout=config.hidden_dropout_prob,
            epsilon=config.layer_norm_eps,
            norm_first=config.norm_position == "pre",
            name=f"block_{index}",
            dtype=policy,
        )

    def build(self, input_shape: Any = None) -> None:
        """Makes all weights."""
        hidden_shape = (None, None, self.config.hidden_size)
        if not self.embeddings.built:
            self.embeddings.build((None, None))
        if self.input_projection:
            self.input_projection.build((None, None, self.embeddings.hidden_dim))
        for block in self.blocks:
            block.build(hidden_shape)
        if self.final_norm:
            self.final_norm.build(hidden_shape)
        if self.pooler:
            self.pooler.build((None, self.config.hidden_size))
        self.built = True

    def call(
        self,
        inputs: dict[str, Any],
        training: bool = False,
        return_hidden_states: bool = False,
    ) -> dict[str, Any]:
        """Encodes the tokens; the class describes the arguments."""
        require_inputs(inputs)
        token_ids = inputs["token_ids"]
        length = token_ids.shape[1]
        # None on TensorFlow, and a symbol on JAX, where the length is not known yet.
        if isinstance(length, int) and length > self.config.max_sequence_length:
            raise ValueError(
                f"Received rows of {length} tokens. Expected at most "
                f"{self.config.max_sequence_length}, the positions of this model: "
                "shorten the rows or use a model with more positions."
            )
        attention_masks, positions = self._masks_and_positions(inputs)
        x = self.embeddings(
            token_ids, inputs.get("segment_ids"), positions, training=training
        )
        if self.input_projection:
            x = self.input_projection(x)
        hidden_states = [x]
        for index in range(self.config.num_hidden_layers):
            block = self.blocks[index % len(self.blocks)]
            x = block(x, attention_masks[index], positions, training=training)
            hidden_states.append(x)
        if self.final_norm:
            x = hidden_states[-1] = self.final_norm(x)
        outputs = {"sequence_output": x}
        if self.pooler:
            outputs["pooled_output"] = self.pooler(self._token_of_row(x, inputs))
        if return_hidden_states:
            outputs["hidden_states"] = hidden_states
        return outputs

    def _token_of_row(self, x: Any, inputs: dict[str, Any]) -> Any:
        """Returns the vectors of first or last tokens, (batch or sequences, hidden)."""
        if "first_tokens" in inputs:
            tokens = inputs["first_tokens"]
            if self.config.causal:
                tokens = tokens + inputs["lengths"] - 1
            return gather_tokens(x, tokens)
        if not self.config.causal:
            return x[:, 0]
        lengths = ops.sum(ops.cast(inputs["padding_mask"], "int32"), axis=1)
        return gather_rows(x, lengths[:, None] - 1)[:, 0]

    def _masks_and_positions(self, inputs: dict[str, Any]) -> tuple[list[Any], Any]:
        """Makes the attention mask of each layer, and the positions of the tokens.

        Returns:
            bool (batch, 1 or query, key) for each layer, and int32 (batch or 1,
            sequence).
        """
        config = self.config
        positions = inputs.get("positions")
        if positions is None:
            length = ops.shape(inputs["token_ids"])[1]
            positions = ops.arange(length, dtype="int32")[None, :]
        everywhere = ops.cast(inputs["padding_mask"], "bool")[:, None, :]
        if "sequence_ids" in inputs:
            ids = inputs["sequence_ids"]
            everywhere &= ids[:, :, None] == ids[:, None, :]
        if config.causal or config.local_attention:
            distance = positions[:, :, None] - positions[:, None, :]  # query - key
        if config.causal:
            everywhere &= distance >= 0
        layers = range(config.num_hidden_layers)
        if config.local_attention is None:
            return [everywhere for _ in layers], positions
        near = everywhere & (ops.abs(distance) <= config.local_attention)
        every = config.global_attention_every
        return [near if n % every else everywhere for n in layers], positions

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of the constructor, as plain values."""
        shared = None
        if self._shares_embeddings:
            shared = keras.saving.serialize_keras_object(self.embeddings)
        return {**super().get_config(), "embeddings": shared}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Self:
        """Makes the encoder that `get_config` describes, with embeddings of its own."""
        shared = config.get("embeddings")
        embeddings = shared and keras.saving.deserialize_keras_object(shared)
        return super().from_config({**config, "embeddings": embeddings}, custom_objects)

    def attention_probabilities(self, inputs: dict[str, Any]) -> list[Any]:
        """Computes each block's probabilities, float (batch, heads, query, key)."""
        attention_masks, positions = self._masks_and_positions(inputs)
        states = self(inputs, return_hidden_states=True)["hidden_states"]
        return [
            self.blocks[index % len(self.blocks)].attention_probabilities(
                states[index], attention_masks[index], positions
            )
            for index in range(self.config.num_hidden_layers)
        ]
