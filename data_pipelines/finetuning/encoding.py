"""Examples to sequences: the protocol of all kinds, and its application.

    examples -> columns -> encode -> sequences

One file a kind beside this one implements the protocol.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Protocol

import tensorflow as tf

from data_pipelines.rows.features import Features
from data_pipelines.tokenizers.tokenizer import Tokenizer

# Enough for the ops' fixed cost to vanish, little enough to hold.
_CHUNK_EXAMPLES = 512


class Encoding(Protocol):
    """Makes sequences of the examples of one kind.

    A kind that cuts long texts into windows has a `stride`, too: the number of tokens
    from the start of one window to that of the next.
    """

    @property
    def tokenizer(self) -> Tokenizer:
        """Cuts the texts."""

    @property
    def max_length(self) -> int:
        """Tokens of the longest sequence."""

    @property
    def group_size(self) -> int:
        """The number of consecutive sequences that belong together in a batch."""

    def columns(self, examples: Sequence[Any]) -> dict[str, Any]:
        """Examples as tensors."""

    def encode(self, columns: dict[str, Any]) -> tuple[Features, Features]:
        """Columns to what the model takes, and where it comes from; in graph."""


def check_stride(stride: int, max_length: int, room: int, unit: str) -> None:
    """Raises ValueError where windows of `room` tokens would leave gaps between them.

    The message names what is in a window, the `unit`.
    """
    if not 1 <= stride <= room:
        raise ValueError(
            f"Received stride={stride} with max_length={max_length}. Expected a "
            f"stride between 1 and {room}, the tokens of a {unit}."
        )


def encoder_of(encoding: Encoding) -> Callable[[Sequence[Any]], Any]:
    """A function from examples to `encoding.encode` of their columns, traced once."""
    encode = traced_once(encoding.encode)
    return lambda examples: encode(encoding.columns(examples))


def traced_once(
    function: Callable[..., Any], any_width: bool = False
) -> Callable[..., Any]:
    """The function as a graph that takes any number of rows.

    Args:
        function: of tensors, or of dicts of tensors.
        any_width: whether the sizes of all other axes may change, too.
    """
    traced: dict[str, Callable[..., Any]] = {}

    def spec(values: tf.Tensor | tf.RaggedTensor) -> tf.TypeSpec:
        if isinstance(values, tf.RaggedTensor):
            return tf.RaggedTensorSpec([None, None], values.dtype, values.ragged_rank)
        rank = values.shape.rank
        sizes = [None] * rank if any_width else [None, *values.shape[1:]][:rank]
        return tf.TensorSpec(sizes, values.dtype)

    def run(*arguments: Any) -> Any:
        signature = tf.nest.map_structure(spec, arguments)
        # Single texts and pairs have other columns, and so graphs of their own.
        key = str(signature)
        if key not in traced:
            # A function of its own: TensorFlow counts the traces of a method for all
            # objects together, and would warn that they are many.
            traced[key] = tf.function(
                lambda *values: function(*values),
                input_signature=signature,
                autograph=False,
            )
        return traced[key](*arguments)

    return run


def encode_all(
    encoding: Encoding,
    examples: Iterable[Any],
    weights: Sequence[float] | None = None,
) -> Features:
    """The sequences of all examples, in memory, as `encoding.encode` makes them.

    Args:
        encoding: of the kind of the examples.
        examples: with their labels.
        weights: one for each example; the feature `weight`, float32 (sequences,), then
            has that of each sequence's example.

    Raises:
        ValueError: there are no examples.
    """
    encode, chunks, first = encoder_of(encoding), [], 0
    for chunk in chunks_of(examples):
        features, origin = encode(chunk)
        if weights is not None:
            own = tf.constant(weights[first : first + len(chunk)], tf.float32)
            features["weight"] = tf.gather(own, origin["example"])
        chunks.append(features)
        first += len(chunk)
    if not chunks:
        raise ValueError(
            "Received no examples to train on. Expected some: look at the lines above "
            "for what was skipped."
        )
    return {name: tf.concat([c[name] for c in chunks], axis=0) for name in chunks[0]}


def chunks_of(
    examples: Iterable[Any], size: int = _CHUNK_EXAMPLES
) -> Iterator[list[Any]]:
    """Lists of `size` examples; the last may be shorter."""
    iterator = iter(examples)
    while chunk := list(itertools.islice(iterator, size)):
        yield chunk
