"""Computes answers to columns of strings, for `predict` and for exported models."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from bert_tf.tasks.kind import Kind, Tensors
from data_pipelines.finetuning.encoding import Encoding, traced_once
from data_pipelines.rows.features import Features

Batch = dict[str, tf.Tensor]


class Engine:
    """Computes answers from packed batches.

    Args:
        kind, encoding: the kind of task and the encoding of its examples.
        batches_of: encodes and packs columns of strings; returns the batches and the
            origin of their sequences.
        decode: runs the model on a batch; returns its decoded outputs.
    """

    def __init__(
        self,
        kind: Kind,
        encoding: Encoding,
        batches_of: Callable[[dict[str, Any]], tuple[list[Batch], Features]],
        decode: Callable[[Batch], Tensors],
    ) -> None:
        self.kind = kind
        self.batches_of = batches_of
        self._decode = decode

        @traced_once
        def answers(decoded: Tensors, origin: Features) -> Any:
            # A compiled model is also run on empty sequences, which are dropped here.
            count = tf.size(origin["example"]) // encoding.group_size
            real = {name: values[:count] for name, values in decoded.items()}
            return kind.answers(real, origin, encoding)

        self._answers = answers

    def answer(
        self, batches: list[Batch], origin: Features, threshold: float | None
    ) -> Any:
        """Computes the answers to the result of `batches_of`; see `Kind.refine`."""
        answers = self._once(batches, origin)
        if self.kind.refine is None:
            return answers
        return self.kind.refine(
            answers, lambda columns: self._once(*self.batches_of(columns)), threshold
        )

    def _once(self, batches: list[Batch], origin: Features) -> Any:
        parts = [self._decode(batch) for batch in batches]
        names = parts[0].keys()
        joined = {n: tf.concat([part[n] for part in parts], axis=0) for n in names}
        return self._answers(joined, origin)
