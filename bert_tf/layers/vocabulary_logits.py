"""The product of vectors with the table of the vocabulary."""

from typing import Any

from keras import ops


def vocabulary_logits(x: Any, table: Any, bias: Any) -> Any:
    """Computes a logit for each piece of the vocabulary.

    Args:
        x: float (batch, predictions, width).
        table: float32 (vocabulary, width), a tensor or a variable.
        bias: float32 (vocabulary,), likewise.

    Returns:
        float32 (batch, predictions, vocabulary).
    """
    batch, predictions, width = ops.shape(x)
    rows = ops.reshape(x, (-1, width))
    # The copies are tensors: TensorFlow accepts no variable in a custom gradient.
    logits = _logits(rows, ops.copy(table), ops.copy(bias))
    return ops.reshape(logits, (batch, predictions, table.shape[0]))


@ops.custom_gradient
def _logits(rows: Any, table: Any, bias: Any) -> tuple[Any, Any]:
    """Computes float32 `rows @ table.T + bias`, with gradients for a large table.

    The automatic gradient of the table is computed transposed, and transposing tens of
    megabytes takes as long as the product. The sum over rows is a product, too.
    """
    narrow = ops.cast(table, rows.dtype)

    def gradient(*arguments: Any, upstream: Any = None) -> tuple[Any, Any, Any]:
        # Keras passes it by position on TensorFlow and JAX, by name on PyTorch.
        upstream = arguments[0] if upstream is None else upstream
        ones = ops.ones((1, ops.shape(upstream)[0]), upstream.dtype)
        of_bias = ops.matmul(ones, upstream)[0]
        upstream = ops.cast(upstream, rows.dtype)
        of_table = ops.matmul(ops.transpose(upstream), rows)
        return ops.matmul(upstream, narrow), ops.cast(of_table, "float32"), of_bias

    return ops.cast(ops.matmul(rows, ops.transpose(narrow)), "float32") + bias, gradient
