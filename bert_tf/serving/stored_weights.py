"""The weights of a model in a SavedModel, in the precision of the export."""

import contextlib
from collections.abc import Iterator
from typing import Any, Literal

import keras
import numpy as np
import tensorflow as tf

from data_pipelines.files.finite import require_finite

Precision = Literal["float32", "bfloat16", "int8"]

# The Keras dtype policy for each precision; int8 is only a storage format.
COMPUTE_POLICIES: dict[str, str] = {
    "float32": "float32",
    "bfloat16": "mixed_bfloat16",
    "int8": "float32",
}


class StoredWeights(tf.Module):
    """The values that a Keras model uses for its variables when it is called.

    float32 is stored unchanged. bfloat16 takes half the space. int8 takes a quarter:
    matrices are quantized to 255 levels, with a scale for each output (for each row, in
    embedding tables), and dequantized to float32 when they are used; biases and norms
    stay float32.

    Args:
        model: the model that has the variables.
        precision: see above.
    """

    def __init__(self, model: keras.Model, precision: Precision) -> None:
        super().__init__(name="stored_weights")
        variables = [v for v in model.weights if keras.backend.is_float_dtype(v.dtype)]
        # ELMo has no token table.
        table = getattr(model.encoder.embeddings, "token_table", None)
        # In a closure: as attributes, all of these would be in the SavedModel, too.
        self._of_model = lambda: (variables, table)
        self._is_narrow = precision != "float32"
        self._stored = [_store(variable, precision) for variable in variables]

    @contextlib.contextmanager
    def in_use(
        self, token_ids: tf.Tensor, looks_up_only: bool = True
    ) -> Iterator[tf.Tensor]:
        """Makes the model compute with these weights inside the `with`.

        Args:
            token_ids: int32 (batch, sequence).
            looks_up_only: whether only the rows of these tokens are read from the token
                table; the masked-LM head reads all of it.

        Yields:
            The token ids to call the model with. With `looks_up_only`, they index a
            table of only the rows that are needed, which avoids dequantizing the whole
            table.
        """
        if not self._is_narrow:
            yield token_ids
            return
        variables, table = self._of_model()
        with keras.StatelessScope(initialize_variables=False) as scope:
            for variable, stored in zip(variables, self._stored, strict=True):
                if variable is table and looks_up_only:
                    rows = tf.reshape(token_ids, [-1])
                    scope.add_update((variable, _rows(stored, rows)))
                    token_ids = tf.reshape(tf.range(tf.size(rows)), tf.shape(token_ids))
                else:
                    scope.add_update((variable, _whole(stored)))
            yield token_ids


def _store(variable: Any, precision: Precision) -> tuple[Any, Any]:
    """The stored values and, for int8, the scales that dequantize them."""
    # The table of characters contains codes: none may change.
    if precision == "float32" or variable.path.endswith("/characters"):
        return variable.value, None
    name = variable.path.replace("/", "_")
    values = keras.ops.convert_to_numpy(variable.value)
    if precision == "bfloat16":
        narrow = tf.cast(values, tf.bfloat16)
        require_finite(
            tf.cast(narrow, tf.float32).numpy(),
            f"In bfloat16 the weight {variable.path}",
            "export with --precision=float32",
        )
        return tf.Variable(narrow, trainable=False, name=name), None
    if values.ndim < 2:
        return tf.Variable(values, trainable=False, name=name), None
    # Kernels have outputs last; embedding tables have a row for each token.
    axis = 1 if variable.path.endswith("_table") else 0
    scale = np.abs(values).max(axis, keepdims=True) / 127
    steps = np.rint(values / np.maximum(scale, 1e-30)).astype(np.int8)
    return (
        tf.Variable(steps, trainable=False, name=name),
        tf.Variable(scale, trainable=False, name=f"{name}_scale"),
    )


def _whole(stored: tuple[Any, Any]) -> tf.Tensor:
    values, scale = stored
    values = tf.cast(values, tf.float32)
    return values if scale is None else values * scale


def _rows(stored: tuple[Any, Any], rows: tf.Tensor) -> tf.Tensor:
    values, scale = stored
    values = tf.cast(tf.gather(values, rows), tf.float32)
    return values if scale is None else values * tf.gather(scale, rows)
