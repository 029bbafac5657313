"""Examples in, answers out, in a stream: what evaluation and prediction share."""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from bert_tf.kinds import KINDS
from bert_tf.tasks.heads import EncoderWithHead
from data_pipelines import finetuning
from data_pipelines.finetuning import Chunk, Encoding

# Of a batch for the decoding of spans.
_DECODED_INPUTS = ("second_starts",)


class Answerer:
    """A fine-tuned model that answers examples.

    Args:
        kind: a name of `KINDS`.
        model: of that kind.
        encoding: of that kind.
        batch_size: examples that are run at once.
    """

    def __init__(
        self,
        kind: str,
        model: EncoderWithHead,
        encoding: Encoding,
        batch_size: int = 64,
    ) -> None:
        self.kind = KINDS[kind]
        self.model = model
        self.encoding = encoding
        self.batch_size = batch_size
        self._decoded = tf.function(self._decoded_in_graph, reduce_retracing=True)

    def chunks(self, examples: Iterable[Any]) -> Iterator[Chunk]:
        """The examples ready for the model, as they are read."""
        return finetuning.evaluation_chunks(self.encoding, examples, self.batch_size)

    def answers(self, examples: Iterable[Any]) -> Iterator[tuple[Any, Any]]:
        """Each example with its answer, in order, as they are read."""
        for chunk in self.chunks(examples):
            yield from zip(chunk.examples, self.answer_chunk(chunk), strict=True)

    def answer_chunk(self, chunk: Chunk) -> list[Any]:
        """The answers to the examples of a chunk."""
        decoded: dict[str, list[np.ndarray]] = {}
        for batch in chunk.batches:
            for name, values in self._decoded(batch).items():
                decoded.setdefault(name, []).extend(values.numpy())
            for name in _DECODED_INPUTS:
                decoded.setdefault(name, []).extend(batch[name].numpy())
        origin = {name: _rows(values) for name, values in chunk.origin.items()}
        return self.kind.answers(chunk.examples, decoded, origin, self.encoding)

    def _decoded_in_graph(self, batch: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        return self.kind.decode(self.model(batch, training=False), batch)


def _rows(values: tf.Tensor | tf.RaggedTensor) -> Any:
    if isinstance(values, tf.RaggedTensor):
        return np.split(values.values.numpy(), values.row_splits.numpy()[1:-1])
    return values.numpy()
