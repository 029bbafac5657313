"""Requests that are answered together, by a model that is a function."""

import asyncio
import functools
import threading
import time

import numpy as np
import pytest

from bert_tf.serving.server.batching import Batcher
from bert_tf.serving.server.errors import RequestError, invalid


def in_a_loop(test):
    """Runs a coroutine as a test."""

    @functools.wraps(test)
    def run(**fixtures):
        asyncio.run(asyncio.wait_for(test(**fixtures), 30))

    return run


class Doubling:
    """Doubles numbers, refuses negative ones, and notes its batches."""

    def __init__(self, gate=None):
        self.batches = []
        self.gate = gate

    def answer(self, inputs):
        if self.gate:
            self.gate.wait()
        self.batches.append(len(inputs["x"]))
        if (inputs["x"] < 0).any():
            raise invalid("Received a negative number.")
        return {"y": 2 * inputs["x"]}


async def submit(batcher, signature, *numbers):
    """A request on its way."""
    array = np.array(numbers, float)
    answer = batcher.answer(signature, {"x": array}, len(array))
    task = asyncio.create_task(answer)
    await asyncio.sleep(0)
    return task


async def doubled(task):
    return (await task)["y"].tolist()


@pytest.fixture
def gate():
    """Opened, it lets the models answer."""
    event = threading.Event()
    yield event
    event.set()


async def waiting_behind(batcher, signature):
    """A request that keeps the only thread busy until the gate opens."""
    task = await submit(batcher, signature, 0)
    assert batcher.num_queued == 0
    return task


@in_a_loop
async def test_those_that_wait_are_one_batch(gate):
    signature, batcher = Doubling(gate), Batcher(8, 0, 100, 1)
    first = await waiting_behind(batcher, signature)
    tasks = [await submit(batcher, signature, n, n + 0.5) for n in range(6)]
    assert batcher.num_queued == 6
    gate.set()
    assert await doubled(first) == [0]
    for number, task in enumerate(tasks):
        assert await doubled(task) == [2 * number, 2 * number + 1]
    assert signature.batches == [1, 8, 4]


@in_a_loop
async def test_without_batches_each_is_alone(gate):
    signature, batcher = Doubling(gate), Batcher(0, 0, 100, 1)
    await waiting_behind(batcher, signature)
    tasks = [await submit(batcher, signature, n) for n in range(3)]
    gate.set()
    assert [await doubled(task) for task in tasks] == [[0], [2], [4]]
    assert signature.batches == [1] * 4


@in_a_loop
async def test_other_signatures_and_shapes_are_not_mixed(gate):
    one, other = Doubling(gate), Doubling(gate)
    batcher = Batcher(8, 0, 100, 1)
    await waiting_behind(batcher, one)
    wide = asyncio.create_task(batcher.answer(one, {"x": np.ones([1, 3])}, 1))
    tasks = [await submit(batcher, signature, 1) for signature in (one, other, one)]
    gate.set()
    assert await doubled(wide) == [[2, 2, 2]]
    assert [await doubled(task) for task in tasks] == [[2]] * 3
    assert sorted(one.batches) == [1, 1, 2] and other.batches == [1]


@in_a_loop
async def test_the_first_waits_for_others():
    signature, batcher = Doubling(), Batcher(4, 0.3, 100, 2)
    begin = time.monotonic()
    tasks = [await submit(batcher, signature, n) for n in range(4)]
    await asyncio.gather(*tasks)
    assert signature.batches == [4] and time.monotonic() - begin < 0.25
    await (await submit(batcher, signature, 1))
    assert time.monotonic() - begin > 0.3


@in_a_loop
async def test_a_wrong_one_does_not_spoil_the_others(gate):
    signature, batcher = Doubling(gate), Batcher(8, 0, 100, 1)
    await waiting_behind(batcher, signature)
    good = await submit(batcher, signature, 1)
    bad = await submit(batcher, signature, -1)
    gate.set()
    assert await doubled(good) == [2]
    with pytest.raises(RequestError, match="negative"):
        await bad


@in_a_loop
async def test_too_many_and_too_late(gate):
    signature, batcher = Doubling(gate), Batcher(8, 0, 2, 1)
    first = await waiting_behind(batcher, signature)
    late = await submit(batcher, signature, 1)
    gone = await submit(batcher, signature, 2)
    with pytest.raises(RequestError, match="2 requests are waiting") as raised:
        await (await submit(batcher, signature, 3))
    assert raised.value.code == "RESOURCE_EXHAUSTED"
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(late, 0.01)
    assert batcher.num_queued == 1
    gone.cancel()
    await asyncio.sleep(0)
    # There is room at once, while the batch still runs.
    assert batcher.num_queued == 0
    gate.set()
    assert await doubled(first) == [0]
    # Neither was run.
    assert await doubled(await submit(batcher, signature, 4)) == [8]
    assert signature.batches == [1, 1] and batcher.num_queued == 0


@in_a_loop
async def test_long_requests_leave_a_thread_to_short_ones(gate):
    signature, batcher = Doubling(gate), Batcher(8, 0, 100, 2)
    long = np.zeros(2000)
    first, second, third = [await submit(batcher, signature, *long) for _ in range(3)]
    assert batcher.num_queued == 2
    short = await submit(batcher, signature, 1)
    assert batcher.num_queued == 2
    gate.set()
    assert await doubled(short) == [2]
    for task in (first, second, third):
        assert len(await doubled(task)) == 2000
    assert sorted(signature.batches) == [1, 2000, 2000, 2000]


@in_a_loop
async def test_an_error_of_the_model_ends_no_thread(gate, caplog):
    class Broken:
        def answer(self, inputs):
            gate.wait()
            if (inputs["x"] < 0).any():
                raise KeyError("broken")
            return {"y": inputs["x"]}

    signature, batcher = Broken(), Batcher(8, 0, 100, 1)
    await waiting_behind(batcher, signature)
    tasks = [await submit(batcher, signature, n) for n in (1, -1, 2)]
    gate.set()
    # The others of the batch have their answers.
    assert [await doubled(tasks[n]) for n in (0, 2)] == [[1], [2]]
    with pytest.raises(RequestError, match="Internal error") as raised:
        await tasks[1]
    assert raised.value.code == "INTERNAL"
    (record,) = caplog.records
    assert "KeyError: 'broken'" in record.exc_text
