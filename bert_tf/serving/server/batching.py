"""Batches requests that arrive together."""

import asyncio
import collections
import concurrent.futures
import dataclasses
import functools
import itertools
import logging
from collections.abc import Callable
from typing import Any

import numpy as np

from bert_tf.serving.server.errors import INTERNAL, RequestError
from bert_tf.serving.server.saved_model import Arrays, Signature

_LOGGER = logging.getLogger(__name__)
# A request above this size, about a thousand words, is long.
_LONG_BYTES = 2**13


@dataclasses.dataclass(frozen=True, eq=False)
class _Waiting:
    signature: Signature
    inputs: Arrays
    rows: int
    answer: asyncio.Future
    since: float


@dataclasses.dataclass(frozen=True)
class _Key:
    """The key of a request: requests with the same key may share a batch."""

    signature: int
    shapes: tuple[tuple[str, tuple[int, ...]], ...]
    is_long: bool


class Batcher:
    """Answers requests in batches, on several threads.

    Requests of the same signature whose inputs have the same shape, apart from the
    number of rows, form a batch. A free thread takes the requests that are waiting.

    A running batch cannot be stopped. Long requests are therefore batched separately,
    and always leave one thread free, so that a short request does not wait for them.

    Args:
        max_batch_size: the maximum number of rows of a batch; 0 for one request each.
        timeout_seconds: how long the first request of a batch waits for others.
        max_queued: the maximum number of waiting requests; more are refused.
        num_threads: the number of batches that run at once.
        on_batch: is called with the number of rows of each batch.
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
        self._queues: dict[_Key, collections.deque[_Waiting]] = {}
        self._threads = concurrent.futures.ThreadPoolExecutor(num_threads, "batch")
        self._num_free = num_threads
        self._num_free_for_long = max(1, num_threads - 1)
        self._running: set[asyncio.Task] = set()

    async def answer(self, signature: Signature, inputs: Arrays, rows: int) -> Arrays:
        """Answers a request; one that is cancelled before its batch begins is not run.

        Raises:
            RequestError: too many requests are waiting, or the model raised an error.
        """
        if self.num_queued >= self._max_queued:
            raise RequestError(
                "RESOURCE_EXHAUSTED",
                f"{self.num_queued} requests are waiting already. Expected fewer "
                "requests at once: try again later.",
            )
        loop = asyncio.get_running_loop()
        waiting = _Waiting(signature, inputs, rows, loop.create_future(), loop.time())
        key = _Key(
            id(signature),
            tuple((name, inputs[name].shape[1:]) for name in sorted(inputs)),
            _num_bytes(inputs) > _LONG_BYTES,
        )
        self._queues.setdefault(key, collections.deque()).append(waiting)
        self.num_queued += 1
        self._start_batches()
        try:
            return await waiting.answer
        except asyncio.CancelledError:
            # The client has disconnected, or the request has timed out.
            self._remove(key, waiting)
            raise

    def _start_batches(self) -> None:
        loop = asyncio.get_running_loop()
        while self._num_free:
            keys = [k for k in self._queues if self._num_free_for_long or not k.is_long]
            if not keys:
                return
            # The request that has waited longest comes first.
            key = min(keys, key=lambda k: self._queues[k][0].since)
            queue = self._queues[key]
            left = queue[0].since + self._timeout_seconds - loop.time()
            is_full = sum(w.rows for w in queue) >= self._max_batch_size
            if left > 0 and not is_full:
                loop.call_later(left, self._start_batches)
                return
            self._num_free -= 1
            self._num_free_for_long -= key.is_long
            task = asyncio.create_task(self._answer(self._pop(key)))
            # The loop holds only weak references to tasks.
            self._running.add(task)
            task.add_done_callback(functools.partial(self._ended, key))

    def _pop(self, key: _Key) -> list[_Waiting]:
        queue = self._queues[key]
        batch = [queue[0]]
        rows = batch[0].rows
        for waiting in itertools.islice(queue, 1, None):
            rows += waiting.rows
            if rows > self._max_batch_size:
                break
            batch.append(waiting)
        for waiting in batch:
            self._remove(key, waiting)
        return batch

    def _remove(self, key: _Key, waiting: _Waiting) -> None:
        queue = self._queues.get(key)
        if queue and waiting in queue:
            queue.remove(waiting)
            self.num_queued -= 1
            if not queue:
                del self._queues[key]

    def _ended(self, key: _Key, task: asyncio.Task) -> None:
        self._running.discard(task)
        self._num_free += 1
        self._num_free_for_long += key.is_long
        self._start_batches()

    async def _answer(self, batch: list[_Waiting]) -> None:
        # Requests of clients that have disconnected are done.
        batch = [waiting for waiting in batch if not waiting.answer.done()]
        if not batch:
            return
        self._on_batch(sum(waiting.rows for waiting in batch))
        loop = asyncio.get_running_loop()
        found: list[Any]
        try:
            found = await loop.run_in_executor(self._threads, _answers, batch)
        except Exception as error:  # whatever a model may raise
            if len(batch) > 1:
                # One request is at fault: the others must not fail with it.
                for waiting in batch:
                    await self._answer([waiting])
                return
            if not isinstance(error, RequestError):
                _LOGGER.exception("The model failed.")
                error = RequestError("INTERNAL", INTERNAL)
            found = [error]
        for waiting, answer in zip(batch, found, strict=True):
            if waiting.answer.done():
                continue
            if isinstance(answer, Exception):
                waiting.answer.set_exception(answer)
            else:
                waiting.answer.set_result(answer)


def _num_bytes(inputs: Arrays) -> int:
    return sum(
        sum(map(len, array.flat)) if array.dtype == object else array.nbytes
        for array in inputs.values()
    )


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
