"""Vectors of tokens from several layers of a frozen encoder, and a BiLSTM over them.

Section 5.3 and table 7 of the paper (Devlin et al. 2018).
"""

from typing import Any, Literal, get_args

import keras
from keras import ops

# Those of table 7 in its order, then ELMo's sum.
Features = Literal[
    "embeddings",
    "second_to_last",
    "last",
    "weighted_last_4",
    "concat_last_4",
    "weighted_all",
    "weighted_states",
]
FEATURES = get_args(Features)


@keras.saving.register_keras_serializable("bert_tf")
class ScalarMix(keras.layers.Layer):
    """Selects, sums or concatenates hidden states.

    Args:
        features: one of `FEATURES`. The weights of a sum are learned: their softmax,
            times a learned factor, as in ELMo. "weighted_all" sums the outputs of all
            blocks; "weighted_states", which is ELMo's, the embeddings as well.

    Call arguments:
        hidden_states: list of float (rows, row length, hidden): the embeddings and
            the output of each block.

    Output:
        float (rows, row length, hidden), or up to 4 times as wide for a concatenation.

    Raises:
        ValueError: the name is unknown, or the encoder has no such layer.
    """

    def __init__(self, features: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if features not in FEATURES:
            raise ValueError(
                f"Received features={features!r}. Expected one of {list(FEATURES)}."
            )
        self.features = features

    def build(self, input_shape: Any) -> None:
        """Makes the weights of a sum; `input_shape` is a list, one for each state."""
        count = len(self._chosen(input_shape))
        if not count:
            raise ValueError(
                f"Received features={self.features!r} for an encoder of "
                f"{len(input_shape) - 1} layers. Expected embeddings, or last."
            )
        if self.features.startswith("weighted"):
            # autocast=False: a narrow dtype would round the weights of the layers.
            self.mix = self.add_weight(
                name="mix", shape=(count,), initializer="zeros", autocast=False
            )
            self.factor = self.add_weight(
                name="factor", shape=(), initializer="ones", autocast=False
            )

    def call(self, hidden_states: list[Any]) -> Any:
        """Mixes the states; the class describes the arguments."""
        chosen = self._chosen(hidden_states)
        if self.features.startswith("concat"):
            return ops.concatenate(chosen, axis=-1)
        if self.features.startswith("weighted"):
            weights = ops.softmax(ops.convert_to_tensor(self.mix)) * self.factor
            wide = [ops.cast(state, "float32") for state in chosen]
            mixed = sum(weights[i] * state for i, state in enumerate(wide))
            return ops.cast(mixed, chosen[0].dtype)
        return chosen[0]

    def width(self, hidden_dim: int, num_states: int) -> int:
        """Returns the number of features of each token in the output."""
        if self.features.startswith("concat"):
            return hidden_dim * len(self._chosen([None] * num_states))
        return hidden_dim

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of the constructor, as plain values."""
        return {
            **super().get_config(),
            "features": self.features,
        }

    def _chosen(self, states: list[Any]) -> list[Any]:
        return {
            "embeddings": states[:1],
            "second_to_last": states[-2:-1],
            "last": states[-1:],
            "weighted_last_4": states[1:][-4:],
            "concat_last_4": states[1:][-4:],
            "weighted_all": states[1:],
            "weighted_states": states,
        }[self.features]


@keras.saving.register_keras_serializable("bert_tf")
class BiLSTM(keras.layers.Layer):
    """Two layers of bidirectional LSTMs, as the paper has on top of features.

    Args:
        units: width of each direction.

    Call arguments:
        x: float (sequences, length, features).
        mask: bool (sequences, length).

    Output:
        float (sequences, length, 2 units).
    """

    def __init__(self, units: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.units = units
        # The weights are saved under these names. Keras' own contain the number of
        # layers that the process has made before.
        policy = self.dtype_policy
        self.directions = []
        for name in ("layer_0", "layer_1"):
            lstm = keras.layers.LSTM(
                units, return_sequences=True, name="lstm", dtype=policy
            )
            self.directions.append(
                keras.layers.Bidirectional(lstm, name=name, dtype=policy)
            )

    def build(self, input_shape: tuple) -> None:
        """Makes the weights of both layers."""
        for layer in self.directions:
            layer.build(input_shape)
            input_shape = (*input_shape[:-1], 2 * self.units)

    def call(self, x: Any, mask: Any) -> Any:
        """Applies the LSTMs; the class describes the arguments."""
        for layer in self.directions:
            x = layer(x, mask=mask)
        return x

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of the constructor, as plain values."""
        return {
            **super().get_config(),
            "units": self.units,
        }
