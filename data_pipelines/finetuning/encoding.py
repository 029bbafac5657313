"""Encodes examples as sequences: the protocol of all kinds, and functions to apply it.

    examples -> columns -> encode -> sequences

One file per kind in this folder implements the protocol.
"""

import functools
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Protocol

import tensorflow as tf

from data_pipelines.rows.features import Features
from data_pipelines.tokenizers.tokenizer import Tokenizer

# Large enough to amortize the fixed cost of the ops, small enough for memory.
_CHUNK_EXAMPLES = 512


class Encoding(Protocol):
    """Encodes the examples of one kind as sequences.

    A kind that splits long texts into windows also has a `stride`: the number of tokens
    from the start of one window to the start of the next.
    """

    @property
    def tokenizer(self) -> Tokenizer:
        """Tokenizer of the texts."""

    @property
    def max_length(self) -> int:
        """Maximum number of tokens of a sequence."""

    @property
    def group_size(self) -> int:
        """The number of consecutive sequences that belong together in a batch."""

    def columns(self, examples: Sequence[Any]) -> dict[str, Any]:
        """Converts examples to tensors."""

    def encode(self, columns: dict[str, Any]) -> tuple[Features, Features]:
        """Encodes columns in the graph; returns model inputs and their origin."""


def check_stride(stride: int, max_length: int, room: int, unit: str) -> None:
    """Raises ValueError if windows of `room` tokens would leave gaps between them.

    `unit` names the content of a window in the message.
    """
    if not 1 <= stride <= room:
        raise ValueError(
            f"Received stride={stride} with max_length={max_length}. Expected a "
            f"stride between 1 and {room}, the tokens available for a {unit}: change "
            "one of them."
        )


def encoder_of(encoding: Encoding) -> Callable[[Sequence[Any]], Any]:
    """Returns a function that encodes examples with `encoding`, traced once."""
    encode = traced_once(encoding.encode)
    return lambda examples: encode(encoding.columns(examples))


def traced_once(
    function: Callable[..., Any], any_width: bool = False
) -> Callable[..., Any]:
    """Converts a function to a graph that accepts any number of rows.

    Args:
        function: function of tensors, or of dicts of tensors.
        any_width: whether the sizes of all other axes may vary, too.
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
        # Single texts and pairs have different columns, so each has its own graph.
        key = str(signature)
        if key not in traced:
            # TensorFlow counts the traces of a function's code, in whatever object,
            # and would warn that they are many; a partial has no code of its own.
            traced[key] = tf.function(
                functools.partial(function),
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
    """Encodes all examples into memory.

    Args:
        encoding: the encoding of their kind.
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
            "Received no training examples. Expected at least one: the lines above say "
            "what was skipped."
        )
    return {name: tf.concat([c[name] for c in chunks], axis=0) for name in chunks[0]}


def chunks_of(
    examples: Iterable[Any], size: int = _CHUNK_EXAMPLES
) -> Iterator[list[Any]]:
    """Yields lists of `size` examples; the last may be shorter."""
    iterator = iter(examples)
    while chunk := list(itertools.islice(iterator, size)):
        yield chunk
