"""Answers a stream of examples, for evaluation and prediction."""

from collections.abc import Iterable, Iterator
from typing import Any

import tensorflow as tf

from bert_tf.checkpoints.model_dir import LoadedModel
from bert_tf.tasks.engine import Engine
from bert_tf.tasks.heads import EncoderWithHead
from bert_tf.tasks.kind import Tensors
from bert_tf.tasks.kinds import KINDS
from data_pipelines.finetuning import batches
from data_pipelines.finetuning.batches import Chunk
from data_pipelines.finetuning.encoding import Encoding, traced_once


class Predictor:
    """A fine-tuned model that answers examples.

    Args:
        kind: a name in `KINDS`.
        model, encoding: the model and the encoding of its examples.
        document_context: whether the sentences of a document are tagged together.
        batch_size: the number of examples that are run at once.
    """

    def __init__(
        self,
        kind: str,
        model: EncoderWithHead,
        encoding: Encoding,
        document_context: bool = False,
        batch_size: int = 64,
    ) -> None:
        self.kind = KINDS[kind]
        self.model = model
        self.encoding = encoding
        self.document_context = document_context
        self.batch_size = batch_size

        def decode(batch: dict[str, tf.Tensor]) -> tuple[Tensors, tf.Tensor]:
            outputs = model(batch, training=False)
            return self.kind.decode(outputs, batch), _are_finite(outputs)

        # One graph serves all numbers of rows, tokens and words.
        traced = traced_once(decode, any_width=True)

        def decode_finite(batch: dict[str, tf.Tensor]) -> Tensors:
            decoded, are_finite = traced(batch)
            if not are_finite:
                raise _NotFiniteError
            return decoded

        batches_of = batches.batch_maker(encoding, batch_size)
        self._engine = Engine(self.kind, encoding, batches_of, decode_finite)

    @classmethod
    def of(cls, loaded: LoadedModel, batch_size: int) -> "Predictor":
        """Makes the predictor of a model folder."""
        context = loaded.description.document_context
        kind = loaded.description.kind
        return cls(kind, loaded.model, loaded.encoding, context, batch_size)

    def answers(
        self, examples: Iterable[Any], threshold: float | None = None
    ) -> Iterator[tuple[Any, Any]]:
        """Yields each example with its answer, in order, as they are read.

        For the threshold, see `Kind.refine`.

        Raises:
            ValueError: an output of the model is NaN or infinite; the example is named.
        """
        for chunk in self.chunks(examples):
            yield from self.answer(chunk, threshold)

    def chunks(self, examples: Iterable[Any]) -> Iterator[Chunk]:
        """Encodes and packs the examples as they are read."""
        if self.document_context and self.kind.join_documents is not None:
            examples = self.kind.join_documents(examples)
        return self._chunks(examples)

    def _chunks(self, examples: Iterable[Any]) -> Iterator[Chunk]:
        batches_of = self._engine.batches_of
        return batches.evaluation_chunks(self.encoding, examples, batches_of)

    def answer(self, chunk: Chunk, threshold: float | None) -> list[tuple[Any, Any]]:
        """Each example of a chunk with its answer; raises the errors of `answers`."""
        try:
            tensors = self._engine.answer(chunk.batches, chunk.origin, threshold)
        except _NotFiniteError:
            raise ValueError(
                f"The outputs of the model for {self._named(chunk, threshold)} are NaN "
                "or infinite. Expected finite numbers: use a checkpoint from before "
                "training diverged; with float16 or bfloat16, try float32."
            ) from None
        answers = self.kind.read(tensors, chunk.examples)
        pairs = list(zip(chunk.examples, answers, strict=True))
        if not self.document_context or self.kind.split_document is None:
            return pairs
        return [part for pair in pairs for part in self.kind.split_document(*pair)]

    def _named(self, chunk: Chunk, threshold: float | None) -> str:
        """Names the first example of a chunk whose outputs are not finite.

        Each is run alone, since it affects the examples that share its row.
        """
        for example in chunk.examples:
            for alone in self._chunks([example]):
                try:
                    self._engine.answer(alone.batches, alone.origin, threshold)
                except _NotFiniteError:
                    return f"the example {getattr(example, 'id', '')!r}"
        return f"some of {len(chunk.examples)} examples"


class _NotFiniteError(Exception):
    """Outputs of a model that are NaN or infinite."""


def _are_finite(outputs: Any) -> tf.Tensor:
    """Checks that all floats in a model's outputs are finite, bool (); in graph."""
    found = [
        tf.reduce_all(tf.math.is_finite(values))
        for values in tf.nest.flatten(outputs)
        if values.dtype.is_floating
    ]
    return tf.reduce_all(found)
