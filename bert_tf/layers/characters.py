"""Embeddings of pieces that are computed from their characters."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from bert_tf.layers.ids import require_known_ids

# 0 for no character, 1 to 256 for a byte, and a mark for the beginning of a word.
_NOTHING, _BEGINNING, _NUM_CHARACTERS = 0, 257, 258
_CONTINUATION = "##"
_CHARACTER_DIM = 16
# The number of filters of each width.
_FILTERS = {1: 32, 2: 32, 3: 64, 4: 128, 5: 256}


@keras.saving.register_keras_serializable("bert_tf")
class CharacterEmbeddings(keras.layers.Layer):
    """Computes the vector of a piece from its characters.

    Filters of several widths run over the bytes of the piece. Their maxima pass through
    a highway layer and a projection. The characters of all pieces are a table that is
    saved with the weights and not trained, as the model receives ids alone. Until
    `set_vocabulary` is called, pieces have no characters.

    Args:
        vocab_size: number of pieces.
        hidden_dim: width of the output.
        num_bytes: maximum number of UTF-8 bytes of a piece that are read.

    Call arguments:
        token_ids: int32 (batch, sequence).

    Output:
        float32 (batch, sequence, hidden).

    Reference:
        Peters et al. 2018, section 3.4; Kim et al. 2016.
    """

    def __init__(
        self, vocab_size: int, hidden_dim: int, num_bytes: int = 16, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.vocab_size = vocab_size
        self.hidden_dim = hidden_dim
        self.num_bytes = num_bytes
        policy = self.dtype_policy
        self.filters = [
            keras.layers.Conv1D(
                count, width, activation="relu", name=f"width_{width}", dtype=policy
            )
            for width, count in _FILTERS.items()
        ]
        # A highway layer (Srivastava et al. 2015) mixes its input and a function of it.
        width = sum(_FILTERS.values())
        self.gate = keras.layers.Dense(
            width,
            activation="sigmoid",
            # Initially the layer passes most of its input through.
            bias_initializer=keras.initializers.Constant(-2.0),
            name="gate",
            dtype=policy,
        )
        self.transform = keras.layers.Dense(
            width, activation="relu", name="transform", dtype=policy
        )
        self.projection = keras.layers.Dense(
            hidden_dim, name="projection", dtype=policy
        )

    def build(self, input_shape: tuple) -> None:
        """Makes the table of characters, and the weights."""
        self.characters = self.add_weight(
            name="characters",
            shape=(self.vocab_size, self.num_bytes),
            initializer="zeros",
            trainable=False,
            autocast=False,
        )
        self.character_table = self.add_weight(
            name="character_table",
            shape=(_NUM_CHARACTERS, _CHARACTER_DIM),
            initializer=keras.initializers.RandomNormal(stddev=0.1),
        )
        for layer in self.filters:
            layer.build((None, self.num_bytes, _CHARACTER_DIM))
        shape = (None, sum(_FILTERS.values()))
        for layer in (self.gate, self.transform, self.projection):
            layer.build(shape)

    def set_vocabulary(self, pieces: Sequence[str]) -> None:
        """Sets the characters of the pieces, which are in the order of their ids."""
        table = np.zeros(self.characters.shape, np.float32)
        table[: len(pieces)] = characters_of(pieces, self.num_bytes)
        self.characters.assign(table)

    def call(self, token_ids: Any) -> Any:
        """Computes the vectors; the class describes the arguments."""
        require_known_ids("token_ids", token_ids, self.vocab_size)
        characters = ops.take(self.characters, token_ids, axis=0)
        shape = ops.shape(characters)
        characters = ops.cast(ops.reshape(characters, (-1, self.num_bytes)), "int32")
        # The gradient of a product is one product; a lookup adds it up row by row.
        one_hot = ops.one_hot(characters, _NUM_CHARACTERS, dtype=self.compute_dtype)
        vectors = ops.matmul(one_hot, self.character_table)
        found = [ops.max(layer(vectors), axis=1) for layer in self.filters]
        x = ops.concatenate(found, axis=-1)  # (tokens, filters)
        gate = self.gate(x)
        x = self.projection(gate * self.transform(x) + (1 - gate) * x)
        return ops.reshape(x, (*shape[:2], self.hidden_dim))

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of the constructor, as plain values."""
        return {
            **super().get_config(),
            "vocab_size": self.vocab_size,
            "hidden_dim": self.hidden_dim,
            "num_bytes": self.num_bytes,
        }


def characters_of(pieces: Sequence[str], num_bytes: int) -> np.ndarray:
    """Returns the numbers of the characters of each piece.

    `["a", "##b"]` gives `[[257, 98, 0], [99, 0, 0]]` for 3 bytes: a mark where a word
    begins, then each byte plus 1.

    Returns:
        int32 (pieces, num_bytes), truncated at the end, or padded with 0.
    """
    rows = np.full((len(pieces), num_bytes), _NOTHING, np.int32)
    for row, piece in zip(rows, pieces, strict=True):
        goes_on = piece.startswith(_CONTINUATION) and piece != _CONTINUATION
        text = piece.removeprefix(_CONTINUATION) if goes_on else piece
        numbers = [byte + 1 for byte in text.encode("utf-8", "surrogatepass")]
        if not goes_on:
            numbers = [_BEGINNING, *numbers]
        row[: len(numbers)] = numbers[:num_bytes]
    return rows
