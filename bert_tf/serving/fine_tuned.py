"""The computation of a fine-tuned model's SavedModel: strings in, answers out.

It runs the `Engine` of `predict` in one graph.
"""

import functools
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from bert_tf.checkpoints.model_dir import LoadedModel
from bert_tf.serving.signatures import power_of_two, row_length, signatures
from bert_tf.serving.stored_weights import Precision, StoredWeights
from bert_tf.tasks.endpoints import Rows, Served
from bert_tf.tasks.engine import Batch, Engine
from bert_tf.tasks.kind import Tensors
from bert_tf.tasks.kinds import KINDS
from data_pipelines.finetuning.batches import pack_batch
from data_pipelines.finetuning.encoding import Encoding, traced_once
from data_pipelines.rows.features import Features


class FineTunedModel(tf.Module):
    """A fine-tuned model that takes plain strings."""

    def __init__(self, loaded: LoadedModel, precision: Precision = "float32") -> None:
        super().__init__(name="fine_tuned_model")
        self.description = loaded.description
        self.kind = KINDS[loaded.description.kind]
        self.encoding = loaded.encoding
        # Tracked: SentencePiece's op reads a resource.
        self._tokenizer = self.encoding.tokenizer
        # Traced once for all signatures, since tracing takes most of an export.
        self._encode = traced_once(self.encoding.encode)
        # Stored as functions: an attribute that is tracked becomes part of the
        # SavedModel, and Keras would add a signature.
        self._model = loaded.model.__call__
        self._engine_of = functools.cache(self._engine)
        self.weights = StoredWeights(loaded.model, precision)

    def signatures(self) -> dict[str, Callable]:
        """The served functions, by the name of their signature."""
        served = Served(self.description.task, self.encoding, self.answer)
        return signatures(self.kind.endpoints(served))

    def answer(self, columns: dict[str, Any], rows: Rows) -> Any:
        """Computes the answers for columns of strings, in graph."""
        engine = self._engine_of(rows)
        packed, origin = engine.batches_of(columns)
        return engine.answer(packed, origin, self.description.threshold)

    def _engine(self, rows: Rows) -> Engine:
        is_compiled = rows == "compiled"

        @traced_once
        def decode(batch: Batch) -> Tensors:
            run = self._run
            if is_compiled:
                run = tf.function(self._run, jit_compile=True, autograph=False)
            return self.kind.decode(run(batch), batch)

        def batches_of(columns: dict[str, Any]) -> tuple[list[Batch], Features]:
            features, origin = self._encode(columns)
            lengths = tf.cast(features["token_ids"].row_lengths(), tf.int32)
            if is_compiled:
                features = _filled_up(features, self.encoding)
            batch = pack_batch(
                features,
                self.encoding.tokenizer.vocabulary,
                row_length=row_length(lengths, self.encoding.max_length, rows),
                pad_to_bucket=is_compiled,
            )
            return [batch], origin

        return Engine(self.kind, self.encoding, batches_of, decode)

    def _run(self, batch: Batch) -> Any:
        looks_up_only = not self.kind.writes_pieces
        with self.weights.in_use(batch["token_ids"], looks_up_only) as token_ids:
            return self._model({**batch, "token_ids": token_ids}, training=False)


def _filled_up(features: Features, encoding: Encoding) -> Features:
    """Adds empty sequences up to the next power of two, as XLA compiles per shape."""
    vocabulary, group_size = encoding.tokenizer.vocabulary, encoding.group_size
    count = features["token_ids"].nrows(tf.int32)
    missing = power_of_two(count // group_size) * group_size - count
    empty = tf.constant([[vocabulary.cls_id, vocabulary.sep_id]])
    filled = {
        "token_ids": tf.RaggedTensor.from_tensor(tf.repeat(empty, missing, axis=0)),
        "second_starts": tf.fill([missing], 2),
    }
    return {
        name: tf.concat([values, filled.get(name, _nothing(values, missing))], axis=0)
        for name, values in features.items()
    }


def _nothing(values: Any, count: tf.Tensor) -> Any:
    if isinstance(values, tf.RaggedTensor):
        nothing = tf.zeros([0], values.dtype)
        return tf.RaggedTensor.from_row_lengths(nothing, tf.zeros([count], tf.int64))
    return tf.zeros([count], values.dtype)
