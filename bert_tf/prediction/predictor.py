"""Examples in, answers out, in a stream: what evaluation and prediction share."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import tensorflow as tf

from bert_tf.checkpoints.model_dir import LoadedModel
from bert_tf.tasks.answers import TagsAnswer
from bert_tf.tasks.edits import Edits
from bert_tf.tasks.heads import EncoderWithHead
from bert_tf.tasks.kinds import KINDS
from data_pipelines.datasets.examples import CorrectionExample
from data_pipelines.finetuning import batches
from data_pipelines.finetuning.batches import Chunk, Encoding
from data_pipelines.finetuning.token_tagging import documents, merged


class Answerer:
    """A fine-tuned model that answers examples.

    Args:
        kind: a name of `KINDS`.
        model: of that kind.
        encoding: of that kind.
        document_context: whether the sentences of a document are tagged together.
        batch_size: examples that are run at once.
        threshold: of corrections, see `edits.in_passes`; may be changed.
    """

    def __init__(
        self,
        kind: str,
        model: EncoderWithHead,
        encoding: Encoding,
        document_context: bool = False,
        batch_size: int = 64,
        threshold: float | None = None,
    ) -> None:
        self.kind = KINDS[kind]
        self.model = model
        self.encoding = encoding
        self.document_context = document_context
        self.threshold = threshold
        self._chunk_of = batches.chunk_maker(encoding, batch_size, _merged)
        self._graph: Any = None

    @classmethod
    def of(cls, loaded: LoadedModel, batch_size: int) -> "Answerer":
        """That of a model folder."""
        description = loaded.description
        return cls(
            description.kind,
            loaded.model,
            loaded.encoding,
            description.document_context,
            batch_size,
            description.threshold,
        )

    def answers(self, examples: Iterable[Any]) -> Iterator[tuple[Any, Any]]:
        """Each example with its answer, in order, as they are read."""
        for chunk in self.chunks(examples):
            yield from zip(self.examples_of(chunk), self.answer(chunk), strict=True)

    def chunks(self, examples: Iterable[Any]) -> Iterator[Chunk]:
        """The examples ready for the model, as they are read."""
        if self.document_context:
            # Each document is an example of the model, and knows its sentences.
            examples = documents(examples)
        return map(self._chunk_of, batches.chunks_of(examples))

    def examples_of(self, chunk: Chunk) -> list[Any]:
        """The user's examples in a chunk."""
        if self.document_context:
            return [sentence for document in chunk.examples for sentence in document]
        return chunk.examples

    def answer(self, chunk: Chunk) -> list[Any]:
        """The answers to the user's examples in a chunk."""
        tensors = self._tensors(chunk)
        if self.kind.passes is not None:
            tensors = self.kind.passes(tensors, self._corrected, self.threshold)
        examples = [_merged(example) for example in chunk.examples]
        answers = self.kind.read(tensors, examples)
        if not self.document_context:
            return answers
        return [
            part
            for document, answer in zip(chunk.examples, answers, strict=True)
            for part in _by_sentence(document, answer)
        ]

    def _tensors(self, chunk: Chunk) -> Any:
        decoded = [self._decode(batch) for batch in chunk.batches]
        joined = {
            name: tf.concat([part[name] for part in decoded], axis=0)
            for name in decoded[0]
        }
        return self.kind.answers(joined, chunk.origin, self.encoding)

    def _corrected(self, texts: tf.Tensor) -> Edits:
        """The edits of texts that are corrected once more, no more than in a chunk."""
        examples = [
            CorrectionExample("", text.decode("utf-8", "replace"), ())
            for text in texts.numpy()
        ]
        return (
            self._tensors(self._chunk_of(examples)) if examples else Edits.none(texts)
        )

    def _decode(self, batch: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        if self._graph is None:
            # One graph for all numbers of rows, tokens and words.
            signature = {
                name: tf.TensorSpec([None] * values.shape.rank, values.dtype)
                for name, values in batch.items()
            }
            self._graph = tf.function(
                lambda batch: self.kind.decode(
                    self.model(batch, training=False), batch
                ),
                input_signature=[signature],
            )
        return self._graph(batch)


def _merged(example: Any) -> Any:
    return merged(example) if isinstance(example, list) else example


def _by_sentence(document: Sequence[Any], answer: TagsAnswer) -> Iterator[TagsAnswer]:
    first = 0
    for sentence in document:
        last = first + len(sentence.words)
        yield TagsAnswer(answer.tags[first:last], answer.probabilities[first:last])
        first = last
