"""The encoder of ELMo: characters, and separate LSTMs forward and backward."""

from typing import Any

import keras
from keras import ops

from bert_tf.layers.characters import CharacterEmbeddings
from bert_tf.layers.dropout import Dropout
from bert_tf.layers.gather import gather_tokens, sequence_layout
from bert_tf.models.config import BertConfig
from bert_tf.models.configured import ConfiguredModel, require_inputs


@keras.saving.register_keras_serializable("bert_tf")
class ElmoEncoder(ConfiguredModel):
    """Vectors for each token (Peters et al. 2018, section 3).

    The first half of a vector depends on the row up to the token, the second half on
    the row from the token to the end. Each layer but the first adds its output to its
    input. Unlike in the original, the cells of the LSTMs are as wide as their outputs,
    and the tokens are pieces of words, as in all members of the family.

    Args:
        config: the sizes: `num_hidden_layers` LSTMs in each direction, each half as
            wide as `hidden_size`.
        dtype: a Keras dtype policy. The recurrence is computed in float32 under any
            policy: its products are small, and its sums long.

    Call arguments:
        inputs: those of `BertEncoder`; segments and positions are ignored.
        training: whether dropout is applied.
        return_hidden_states: whether the output has `hidden_states`.

    Output:
        dict of `sequence_output` (batch, sequence, hidden); where the config has a
        pooler, `pooled_output` (batch or sequences, hidden), tanh of a dense layer over
        the mean of the tokens, as no single token has read all of them; and, on
        request, `hidden_states`, a list of the vectors of the characters, twice side by
        side, and of the output of each layer, of which the last is the
        `sequence_output`.

    Raises:
        ValueError: the hidden size is odd.
    """

    def __init__(self, config: BertConfig, dtype: Any = None, **kwargs: Any) -> None:
        super().__init__(dtype=dtype, **kwargs)
        self.config = config
        units = config.hidden_size // 2
        self.embeddings = CharacterEmbeddings(
            config.vocab_size, units, name="embeddings", dtype="float32"
        )
        self.blocks = [
            _Block(units, name=f"block_{index}", dtype="float32")
            for index in range(config.num_hidden_layers)
        ]
        self.dropout = Dropout(
            config.hidden_dropout_prob, name="dropout", dtype="float32"
        )
        self.pooler = None
        if config.pooler:
            self.pooler = keras.layers.Dense(
                config.hidden_size, activation="tanh", name="pooler", dtype="float32"
            )
        self.build({"token_ids": (None, None)})

    def build(self, input_shape: Any = None) -> None:
        """Makes all weights."""
        self.embeddings.build((None, None))
        for block in self.blocks:
            block.build((None, None, self.config.hidden_size // 2))
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
        embedded = self.embeddings(inputs["token_ids"])
        is_packed = "first_tokens" in inputs
        mask = ops.cast(inputs["padding_mask"], "bool")
        if is_packed:
            # A row for each sequence, so that no LSTM reads on into the next one.
            width = ops.max(inputs["lengths"], initial=0)
            tokens, mask = sequence_layout(inputs, width)
            embedded = gather_tokens(embedded, tokens)
        forward = backward = embedded
        states = [ops.concatenate([forward, backward], axis=-1)]
        for index, block in enumerate(self.blocks):
            read = block(
                self.dropout(forward, training=training),
                self.dropout(backward, training=training),
                mask,
            )
            forward, backward = (
                (forward + read[0], backward + read[1]) if index else read
            )
            states.append(ops.concatenate([forward, backward], axis=-1))
        outputs = {}
        if self.pooler:
            outputs["pooled_output"] = self.pooler(_mean(states[-1], mask))
        if is_packed:
            places = inputs["sequence_ids"] * width + inputs["positions"]
            places = ops.maximum(places, 0)
            states = [gather_tokens(state, places) for state in states]
        states = [ops.cast(state, self.compute_dtype) for state in states]
        outputs["sequence_output"] = states[-1]
        if return_hidden_states:
            outputs["hidden_states"] = states
        return outputs


def _mean(vectors: Any, mask: Any) -> Any:
    """Returns the mean of the real tokens, float32 (sequences, hidden)."""
    weights = ops.cast(mask, "float32")[:, :, None]
    # A row of padding, which fills up a batch, has no token.
    count = ops.maximum(ops.sum(weights, axis=1), 1.0)
    return ops.sum(vectors * weights, axis=1) / count


class _Block(keras.layers.Layer):
    """An LSTM in each direction, independent of the other."""

    def __init__(self, units: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        # Keras warns where a layer does not pass on the mask that an LSTM attaches.
        self.supports_masking = True
        self.forward, self.backward = (
            keras.layers.LSTM(
                units,
                return_sequences=True,
                go_backwards=name == "backward",
                name=name,
                dtype=self.dtype_policy,
            )
            for name in ("forward", "backward")
        )

    def build(self, input_shape: tuple) -> None:
        self.forward.build(input_shape)
        self.backward.build(input_shape)

    def call(self, forward: Any, backward: Any, mask: Any) -> tuple[Any, Any]:
        """Returns both directions' outputs, float (sequences, length, units) each."""
        read = self.backward(backward, mask=mask)
        return self.forward(forward, mask=mask), ops.flip(read, axis=1)
