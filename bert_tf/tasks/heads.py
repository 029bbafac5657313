"""The base class of the models of all kinds: a fine-tuned or frozen encoder."""

from typing import Any

from keras import ops

from bert_tf.layers.dense import dense
from bert_tf.layers.dropout import Dropout
from bert_tf.layers.gather import gather_tokens, sequence_layout
from bert_tf.layers.head_transform import HeadTransform
from bert_tf.layers.scalar_mix import BiLSTM, ScalarMix
from bert_tf.models.config import BertConfig
from bert_tf.models.configured import ConfiguredModel
from bert_tf.models.families import make_encoder


class EncoderWithHead(ConfiguredModel):
    """An encoder with one dense layer on its vectors (paper, section 3.2).

    Where the config has a `head_transform`, the vectors of a trained encoder pass
    through a `HeadTransform` before.

    Args:
        config: the configuration of the encoder.
        num_outputs: the width of the dense layer.
        features: None: the encoder is trained, and its last layer is used. A name in
            `scalar_mix.FEATURES`: it is frozen, and the head reads these features.
        lstm_units: the width of each direction of a two-layer BiLSTM before the dense
            layer; 0 for none. Requires features.
        dropout: the rate before the dense layer; None: that of the encoder.
        dtype: a Keras dtype policy.

    Raises:
        ValueError: there is a BiLSTM without features.
    """

    # Arguments of the constructor that are specific to the subclass.
    own_arguments: tuple[str, ...] = ("num_outputs",)

    def __init__(
        self,
        config: BertConfig,
        num_outputs: int,
        features: str | None = None,
        lstm_units: int = 0,
        dropout: float | None = None,
        dtype: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(dtype=dtype, **kwargs)
        if lstm_units and features is None:
            raise ValueError(
                f"Received lstm_units={lstm_units} without features. Expected features "
                "of a frozen encoder as input of the BiLSTM: choose features, or leave "
                "lstm_units out."
            )
        policy = self.dtype_policy
        self.num_outputs = num_outputs
        self.features = features
        self.lstm_units = lstm_units
        self.dropout_rate = config.hidden_dropout_prob if dropout is None else dropout
        self.encoder = make_encoder(config, policy)
        self.encoder.trainable = features is None
        self.mix = self.bilstm = self.transform = None
        if config.head_transform and features is None:
            self.transform = HeadTransform(
                config.hidden_size,
                config.layer_norm_eps,
                config.initializer_range,
                use_bias=config.biases,
                name="transform",
                dtype=policy,
            )
        if features is not None:
            self.mix = ScalarMix(features, name="mix", dtype=policy)
        if lstm_units:
            self.bilstm = BiLSTM(lstm_units, name="bilstm", dtype="float32")
        self.dropout = Dropout(self.dropout_rate, dtype=policy)
        # A narrow dtype would gain nothing for a few outputs, and cause ties.
        self.head = dense(num_outputs, config.initializer_range, "head", "float32")
        self.build({"token_ids": (None, None)})

    def build(self, input_shape: Any = None) -> None:
        """Creates all weights."""
        config = self.encoder.config
        num_states = config.num_hidden_layers + 1
        width = config.hidden_size
        if self.mix is not None:
            self.mix.build([(None, None, width)] * num_states)
            width = self.mix.width(width, num_states)
        if self.bilstm is not None:
            self.bilstm.build((None, None, width))
            width = 2 * self.lstm_units
        if self.transform is not None:
            self.transform.build((None, width))
        self.head.build((None, width))
        self.built = True

    def call(self, inputs: dict[str, Any], training: bool = False) -> Any:
        """See the class."""
        return self.answer(self.token_vectors(inputs, training), inputs, training)

    def answer(
        self, encoded: dict[str, Any], inputs: dict[str, Any], training: bool
    ) -> Any:
        """Applies the head to the outputs of `token_vectors`."""
        raise NotImplementedError

    def token_vectors(self, inputs: dict[str, Any], training: bool) -> dict[str, Any]:
        """The encoder's outputs; `sequence_output` is the features, if any."""
        if self.mix is None:
            return self.encoder(inputs, training=training)
        # The frozen encoder computes features without dropout.
        encoded = self.encoder(inputs, training=False, return_hidden_states=True)
        states = [ops.stop_gradient(state) for state in encoded["hidden_states"]]
        return {**encoded, "sequence_output": self.mix(states)}

    def scores(self, vectors: Any, training: bool) -> Any:
        """The logits of the dense layer, float32, for vectors of any leading shape."""
        if self.transform is not None:
            vectors = self.transform(vectors)
        vectors = self.dropout(vectors, training=training)
        return self.head(ops.cast(vectors, "float32"))

    def through_lstm(self, vectors: Any, mask: Any) -> Any:
        """Applies the BiLSTM, if there is one, to the vectors of sequences."""
        if self.bilstm is None:
            return vectors
        return self.bilstm(ops.cast(vectors, "float32"), mask)

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor, as plain values."""
        return {
            **super().get_config(),
            "features": self.features,
            "lstm_units": self.lstm_units,
            "dropout": self.dropout_rate,
            **{name: getattr(self, name) for name in self.own_arguments},
        }


def sequence_vectors(x: Any, inputs: dict[str, Any]) -> tuple[Any, Any]:
    """Unpacks rows to one row for each sequence, and returns the mask, too."""
    tokens, mask = sequence_layout(inputs)
    return gather_tokens(x, tokens), mask
