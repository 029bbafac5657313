"""Examples in, answers out, in a stream: evaluation and prediction share it."""

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
        kind: a name of `KINDS`.
        document_context: whether the sentences of a document are tagged together.
        batch_size: examples that are run at once.
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

        def decode(batch: dict[str, tf.Tensor]) -> Tensors:
            return self.kind.decode(model(batch, training=False), batch)

        self._engine = Engine(
            self.kind,
            encoding,
            batches.batch_maker(encoding, batch_size),
            # One graph for all numbers of rows, tokens and words.
            traced_once(decode, any_width=True),
        )

    @classmethod
    def of(cls, loaded: LoadedModel, batch_size: int) -> "Predictor":
        """The predictor of a model folder."""
        context = loaded.description.document_context
        kind = loaded.description.kind
        return cls(kind, loaded.model, loaded.encoding, context, batch_size)

    def answers(
        self, examples: Iterable[Any], threshold: float | None = None
    ) -> Iterator[tuple[Any, Any]]:
        """Each example with its answer, in order, as they are read.

        For the threshold see `Kind.refine`.
        """
        for chunk in self.chunks(examples):
            yield from self.answer(chunk, threshold)

    def chunks(self, examples: Iterable[Any]) -> Iterator[Chunk]:
        """The examples ready for the model, as they are read."""
        if self.document_context and self.kind.join_documents is not None:
            examples = self.kind.join_documents(examples)
        batches_of = self._engine.batches_of
        return batches.evaluation_chunks(self.encoding, examples, batches_of)

    def answer(self, chunk: Chunk, threshold: float | None) -> list[tuple[Any, Any]]:
        """Each example of a chunk with its answer."""
        tensors = self._engine.answer(chunk.batches, chunk.origin, threshold)
        answers = self.kind.read(tensors, chunk.examples)
        pairs = list(zip(chunk.examples, answers, strict=True))
        if not self.document_context or self.kind.split_document is None:
            return pairs
        return [part for pair in pairs for part in self.kind.split_document(*pair)]
