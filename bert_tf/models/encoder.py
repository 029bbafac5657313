"""The BERT encoder: embeddings, blocks, pooler."""

import dataclasses
from collections.abc import Callable
from typing import Any, Self

import keras
from keras import ops

from bert_tf.layers.attention import SelfAttention
from bert_tf.layers.convolution import ConvolutionBranch
from bert_tf.layers.dense import dense
from bert_tf.layers.embeddings import Embeddings
from bert_tf.layers.encoder_block import EncoderBlock
from bert_tf.layers.feed_forward import FeedForward
from bert_tf.layers.gather import gather_rows, gather_tokens, sequence_layout
from bert_tf.layers.long_rows import LONG_ROW, LongRowMask
from bert_tf.layers.norm import LayerNorm
from bert_tf.layers.relative_positions import RelativeBias, RelativePositions
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
        read_positions: int32 (batch, read), the positions whose vectors are read; None
            for all. The last block computes nothing else for the other tokens than
            their keys and values.
        first_only: whether the first token of each sequence alone is read, likewise; in
            a causal encoder the last.

    Output:
        dict of `sequence_output` (batch, sequence or read, hidden); where the config
        has a pooler, `pooled_output` (batch or sequences, hidden), a dense layer with
        an activation over the first token, in a causal encoder over the last; on
        request, `hidden_states`, a list of the outputs of the embeddings and of each
        block, of which the last is the `sequence_output`. With `first_only`, instead of
        the `sequence_output`: `first_output` (batch or sequences, hidden).

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
            use_bias=config.biases,
            name="embeddings",
            dtype=policy,
        )
        indices = range(config.num_hidden_layers)
        if config.share_layers:
            indices = indices[:1]
        self.blocks = [self._block(index) for index in indices]
        self.final_norm = None
        if config.norm_position == "pre":
            self.final_norm = LayerNorm(
                epsilon, use_offset=config.biases, name="final_norm", dtype=policy
            )
        self.relative = self._relative_positions()
        self.convolution = None
        if config.convolution_width:
            self.convolution = ConvolutionBranch(
                hidden_dim,
                config.convolution_width,
                config.convolution_activation,
                epsilon,
                spread,
                name="convolution",
                dtype=policy,
            )
        self.pooler = None
        if config.pooler:
            activation = config.pooler_activation
            self.pooler = dense(
                hidden_dim, spread, "pooler", policy, activation=activation
            )
        # Weights exist from the start: their shapes depend on the config alone.
        self.build({"token_ids": (None, None)})

    def _block(self, index: int) -> EncoderBlock:
        config, policy = self.config, self.dtype_policy
        rotary_base = config.rotary_base
        if config.is_local(index) and config.local_rotary_base is not None:
            rotary_base = config.local_rotary_base
        return EncoderBlock(
            SelfAttention(
                hidden_dim=config.hidden_size,
                num_heads=config.num_attention_heads,
                dropout=config.attention_probs_dropout_prob,
                initializer_range=config.initializer_range,
                rotary=config.position_embeddings == "rotary",
                rotary_base=rotary_base,
                disentangled=config.position_embeddings == "relative",
                use_bias=config.biases,
                name="attention",
                dtype=policy,
            ),
            FeedForward(
                hidden_dim=config.hidden_size,
                intermediate_dim=config.intermediate_size,
                activation=config.hidden_act,
                initializer_range=config.initializer_range,
                use_bias=config.biases,
                name="feed_forward",
                dtype=policy,
            ),
            dropout=config.hidden_dropout_prob,
            epsilon=config.layer_norm_eps,
            norm_first=config.norm_position == "pre",
            use_bias=config.biases,
            normalizes_input=index > 0 or config.first_norm,
            name=f"block_{index}",
            dtype=policy,
        )

    def _relative_positions(self) -> RelativePositions | RelativeBias | None:
        config, policy = self.config, self.dtype_policy
        if config.position_embeddings == "relative":
            return RelativePositions(
                hidden_dim=config.hidden_size,
                num_buckets=config.relative_buckets,
                max_distance=config.max_relative_distance,
                num_positions=config.max_sequence_length,
                epsilon=config.layer_norm_eps,
                initializer_range=config.initializer_range,
                name="relative_positions",
                dtype=policy,
            )
        if config.bias_buckets:
            return RelativeBias(
                num_heads=config.num_attention_heads,
                num_buckets=config.bias_buckets,
                num_positions=config.max_sequence_length,
                initializer_range=config.initializer_range,
                name="relative_bias",
                dtype=policy,
            )
        return None

    def build(self, input_shape: Any = None) -> None:
        """Makes all weights."""
        hidden_shape = (None, None, self.config.hidden_size)
        if not self.embeddings.built:
            self.embeddings.build((None, None))
        if self.input_projection:
            self.input_projection.build((None, None, self.embeddings.hidden_dim))
        for block in self.blocks:
            block.build(hidden_shape)
        for layer in (self.final_norm, self.relative, self.convolution):
            if layer is not None:
                layer.build(hidden_shape)
        if self.pooler:
            self.pooler.build((None, self.config.hidden_size))
        self.built = True

    def call(
        self,
        inputs: dict[str, Any],
        training: bool = False,
        return_hidden_states: bool = False,
        read_positions: Any = None,
        first_only: bool = False,
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
        positions = _positions(inputs)
        x = self.embeddings(
            token_ids, inputs.get("segment_ids"), positions, training=training
        )
        if self.input_projection:
            x = self.input_projection(x)

        is_packed = "first_tokens" in inputs
        reads_some = read_positions is not None and self._can_read_some()
        if self.pooler is not None and is_packed:
            # The pooler reads the first token of each sequence.
            reads_some = False
        reads = self._with_first(read_positions) if reads_some else None
        reads_first = first_only and self._can_read_some()
        if reads_first and not is_packed:
            reads = ops.zeros((ops.shape(token_ids)[0], 1), "int32")
        of_sequences = reads_first and is_packed

        def states(masks: list[Any]) -> list[Any]:
            found = self._states(
                x, masks, positions, inputs, training, reads, of_sequences
            )
            return found if return_hidden_states else found[-1:]

        hidden_states = self._by_length(inputs, positions, states)
        x = hidden_states[-1]
        if first_only:
            first = x[:, 0] if reads_first else self._token_of_row(x, inputs)
            outputs = {"first_output": first}
            if self.pooler:
                outputs["pooled_output"] = self.pooler(first)
            return outputs
        outputs = {"sequence_output": x}
        if self.pooler:
            pooled = x[:, 0] if reads_some else self._token_of_row(x, inputs)
            outputs["pooled_output"] = self.pooler(pooled)
        if reads_some:
            outputs["sequence_output"] = x[:, 1:] if self.pooler else x
        elif read_positions is not None:
            outputs["sequence_output"] = gather_rows(x, read_positions)
        if return_hidden_states:
            outputs["hidden_states"] = hidden_states
        return outputs

    def _states(
        self,
        x: Any,
        attention_masks: list[Any],
        positions: Any,
        inputs: dict[str, Any],
        training: bool,
        read_positions: Any,
        reads_first: bool,
    ) -> list[Any]:
        """Applies the blocks to embeddings; returns their input and their outputs.

        With `read_positions` the last output has the vectors of these tokens alone, and
        with `reads_first` those of the first token of each packed sequence, (sequences,
        1, hidden).
        """
        relative = self.relative(x) if self.relative is not None else None
        states = [x]
        last = self.config.num_hidden_layers - 1
        for index in range(last + 1):
            block = self.blocks[index % len(self.blocks)]
            is_long = isinstance(attention_masks[index], LongRowMask)
            if index == last and reads_first and not is_long:
                states.append(self._first_of_last_block(block, x, inputs, training))
                continue
            x = block(
                x,
                attention_mask=attention_masks[index],
                positions=positions,
                relative=relative,
                read_positions=None if index < last or is_long else read_positions,
                training=training,
            )
            if index == last and is_long and read_positions is not None:
                x = gather_rows(x, read_positions)
            if index == last and is_long and reads_first:
                x = self._token_of_row(x, inputs)[:, None]
            if index == 0 and self.convolution is not None:
                x = self.convolution(x, states[0], _sequence_ids(inputs))
            states.append(x)
        if self.final_norm:
            states[-1] = self.final_norm(states[-1])
        return states

    def _first_of_last_block(
        self, block: EncoderBlock, x: Any, inputs: dict[str, Any], training: bool
    ) -> Any:
        """Applies the last block to the first tokens, (sequences, 1, hidden)."""
        tokens, mask = sequence_layout(inputs)
        places = ops.arange(ops.shape(mask)[1], dtype="int32")[None]
        if self.config.is_local(self.config.num_hidden_layers - 1):
            mask &= places <= (self.config.local_attention or 0)
        return block(
            x,
            attention_mask=mask[:, None],
            positions=places,
            sequence_tokens=tokens,
            training=training,
        )

    def _by_length(
        self, inputs: dict[str, Any], positions: Any, states: Callable[..., list[Any]]
    ) -> list[Any]:
        """Calls `states` with the masks for the length of the rows.

        Where a graph is made for rows of any length, it has a branch for long ones.
        """

        def of_short_rows() -> list[Any]:
            return states(self._attention_masks(inputs, positions))

        def of_long_rows() -> list[Any]:
            return states(self._long_masks(inputs))

        length = ops.shape(inputs["token_ids"])[1]
        if self.config.max_sequence_length <= LONG_ROW or self.relative is not None:
            return of_short_rows()
        if isinstance(length, int):
            return of_long_rows() if length > LONG_ROW else of_short_rows()
        return ops.cond(length > LONG_ROW, of_long_rows, of_short_rows)

    def _can_read_some(self) -> bool:
        """Returns whether the last block can be computed for some tokens alone."""
        # A causal model predicts the next token of all.
        return (
            bool(self.blocks)
            and not self.config.causal
            and self.relative is None
            and self.convolution is None
        )

    def _with_first(self, read_positions: Any) -> Any:
        """Adds the first token, if the pooler reads it."""
        if self.pooler is None:
            return read_positions
        return ops.pad(read_positions, [[0, 0], [1, 0]])

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

    def _attention_masks(self, inputs: dict[str, Any], positions: Any) -> list[Any]:
        """Makes the attention mask of each layer, bool (batch, 1 or query, key)."""
        config = self.config
        everywhere = ops.cast(inputs["padding_mask"], "bool")[:, None, :]
        if "sequence_ids" in inputs:
            ids = inputs["sequence_ids"]
            everywhere &= ids[:, :, None] == ids[:, None, :]
        if config.causal or config.local_attention:
            distance = positions[:, :, None] - positions[:, None, :]  # query - key
        if config.causal:
            everywhere &= distance >= 0
        near = everywhere
        if config.local_attention:
            near = everywhere & (ops.abs(distance) <= config.local_attention)
        layers = range(config.num_hidden_layers)
        return [near if config.is_local(index) else everywhere for index in layers]

    def _long_masks(self, inputs: dict[str, Any]) -> list[Any]:
        """Makes the `LongRowMask` of each layer."""
        everywhere = LongRowMask(
            ops.cast(inputs["padding_mask"], "bool"),
            inputs.get("sequence_ids"),
            causal=self.config.causal,
        )
        window = self.config.local_attention
        near = dataclasses.replace(everywhere, window=window)
        layers = range(self.config.num_hidden_layers)
        return [near if self.config.is_local(index) else everywhere for index in layers]

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
        positions = _positions(inputs)
        attention_masks = self._attention_masks(inputs, positions)
        states = self(inputs, return_hidden_states=True)["hidden_states"]
        relative = self.relative(states[0]) if self.relative is not None else None
        return [
            self.blocks[index % len(self.blocks)].attention_probabilities(
                states[index], attention_masks[index], positions, relative
            )
            for index in range(self.config.num_hidden_layers)
        ]


def _positions(inputs: dict[str, Any]) -> Any:
    """Returns the positions of the tokens, int32 (batch or 1, sequence)."""
    positions = inputs.get("positions")
    if positions is None:
        length = ops.shape(inputs["token_ids"])[1]
        positions = ops.arange(length, dtype="int32")[None, :]
    return positions


def _sequence_ids(inputs: dict[str, Any]) -> Any:
    """Returns a number for each sequence of a row, -1 for padding."""
    if "sequence_ids" in inputs:
        return inputs["sequence_ids"]
    return ops.cast(inputs["padding_mask"], "int32") - 1
