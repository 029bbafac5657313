"""Requests that arrive together are answered together."""

import collections
import concurrent.futures
import dataclasses
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from bert_tf.serving.server.errors import RequestError
from bert_tf.serving.server.saved_model import Arrays, Signature


@dataclasses.dataclass(frozen=True)
class _Waiting:
    signature: Signature
    inputs: Arrays
    rows: int
    deadline: float
    future: concurrent.futures.Future
    since: float


class Batcher:
    """Answers requests by threads of its own, several requests at once.

    Requests of the same signature whose inputs are of the same shape but for the
    number of rows become one batch. A thread that is free takes what is there.

    Args:
        max_batch_size: rows of a batch; 0: every request is answered alone.
        timeout_seconds: how long the first request of a batch waits for others.
        max_queued: requests that may wait; more are refused.
        num_threads: batches that run at once.
        on_batch: receives the number of rows of each batch.
    """

    def __init__(
        self,
        max_batch_size: int,
        timeout_seconds: float,
        max_queued: int,
        num_threads: int,
        on_batch: Callable[[int], None] = lambda rows: None,
    ) -> None:
        self.num_queued = 0
        self._max_batch_size = max_batch_size
        self._timeout_seconds = timeout_seconds
        self._max_queued = max_queued
        self._on_batch = on_batch
        self._queues: dict[Any, collections.deque[_Waiting]] = {}
        self._changed = threading.Condition()
        self._stopped = False
        self._threads = [
            threading.Thread(target=self._work, name=f"batch_{n}", daemon=True)
            for n in range(num_threads)
        ]
        for thread in self._threads:
            thread.start()

    def submit(
        self, signature: Signature, inputs: Arrays, rows: int, deadline: float
    ) -> concurrent.futures.Future:
        """Queues a request.

        Args:
            signature: that answers.
            inputs: that it takes.
            rows: of the inputs.
            deadline: of `time.monotonic`: no answer is wanted later.

        Returns:
            The answer, as a future of `Arrays`.

        Raises:
            RequestError: too many requests wait already.
        """
        future: concurrent.futures.Future = concurrent.futures.Future()
        now = time.monotonic()
        waiting = _Waiting(signature, inputs, rows, deadline, future, now)
        shapes = tuple((name, inputs[name].shape[1:]) for name in sorted(inputs))
        with self._changed:
            if self._stopped:
                raise RequestError("UNAVAILABLE", "The server is shutting down.")
            if self.num_queued >= self._max_queued:
                raise RequestError(
                    "RESOURCE_EXHAUSTED",
                    f"{self.num_queued} requests are waiting already. Expected the "
                    "client to send fewer at once: try again later.",
                )
            key = (id(signature), shapes)
            self._queues.setdefault(key, collections.deque()).append(waiting)
            self.num_queued += 1
            self._changed.notify()
        return future

    def stop(self) -> None:
        """Answers what waits, and ends the threads."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        while batch := self._take():
            # A client that has gone waits no longer.
            batch = [w for w in batch if w.future.set_running_or_notify_cancel()]
            now = time.monotonic()
            for waiting in batch:
                if waiting.deadline < now:
                    message = "The request timed out in the queue."
                    error = RequestError("DEADLINE_EXCEEDED", message)
                    waiting.future.set_exception(error)
            batch = [waiting for waiting in batch if waiting.deadline >= now]
            if batch:
                self._on_batch(sum(waiting.rows for waiting in batch))
                _answer(batch)

    def _take(self) -> list[_Waiting]:
        """The next batch; empty at the end."""
        with self._changed:
            while True:
                if self._queues:
                    # The request that has waited longest is first.
                    key = min(self._queues, key=lambda k: self._queues[k][0].since)
                    queue = self._queues[key]
                    left = queue[0].since + self._timeout_seconds - time.monotonic()
                    is_full = sum(w.rows for w in queue) >= self._max_batch_size
                    if is_full or left <= 0 or self._stopped:
                        return self._pop(key)
                    self._changed.wait(left)
                elif self._stopped:
                    return []
                else:
                    self._changed.wait()

    def _pop(self, key: Any) -> list[_Waiting]:
        queue = self._queues[key]
        batch = [queue.popleft()]
        rows = batch[0].rows
        while queue and rows + queue[0].rows <= self._max_batch_size:
            rows += queue[0].rows
            batch.append(queue.popleft())
        if not queue:
            del self._queues[key]
        self.num_queued -= len(batch)
        return batch


def _answer(batch: list[_Waiting]) -> None:
    try:
        answers = _answers(batch)
    except Exception as error:  # a thread must live on
        if isinstance(error, RequestError) and len(batch) > 1:
            # One of them is wrong: the others must not suffer for it.
            for waiting in batch:
                _answer([waiting])
            return
        for waiting in batch:
            waiting.future.set_exception(error)
    else:
        for waiting, answer in zip(batch, answers, strict=True):
            waiting.future.set_result(answer)


def _answers(batch: list[_Waiting]) -> list[Arrays]:
    names = batch[0].inputs
    found = batch[0].signature.answer(
        {name: np.concatenate([w.inputs[name] for w in batch]) for name in names}
    )
    borders = np.cumsum([waiting.rows for waiting in batch])[:-1]
    parts = {name: np.split(values, borders) for name, values in found.items()}
    return [
        {name: values[index] for name, values in parts.items()}
        for index in range(len(batch))
    ]
