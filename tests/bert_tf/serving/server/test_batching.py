"""Requests that are answered together, by a model that is a function."""

import threading
import time

import numpy as np
import pytest

from bert_tf.serving.server.batching import Batcher
from bert_tf.serving.server.errors import RequestError, invalid


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


def submit(batcher, signature, *numbers, seconds=60):
    array = np.array(numbers, float)
    deadline = time.monotonic() + seconds
    return batcher.submit(signature, {"x": array}, len(array), deadline)


@pytest.fixture
def gate():
    return threading.Event()


def waiting_behind(batcher, signature, gate):
    """A request that keeps the only thread busy until the gate opens."""
    future = submit(batcher, signature, 0)
    while batcher.num_queued:
        time.sleep(0.001)
    return future


def test_those_that_wait_are_one_batch(gate):
    signature, batcher = Doubling(gate), Batcher(8, 0, 100, 1)
    first = waiting_behind(batcher, signature, gate)
    futures = [submit(batcher, signature, n, n + 0.5) for n in range(6)]
    gate.set()
    assert first.result()["y"].tolist() == [0]
    for number, future in enumerate(futures):
        assert future.result()["y"].tolist() == [2 * number, 2 * number + 1]
    assert signature.batches == [1, 8, 4]
    batcher.stop()


def test_without_batches_each_is_alone(gate):
    signature, batcher = Doubling(gate), Batcher(0, 0, 100, 1)
    waiting_behind(batcher, signature, gate)
    futures = [submit(batcher, signature, n) for n in range(3)]
    gate.set()
    assert [f.result()["y"].tolist() for f in futures] == [[0], [2], [4]]
    assert signature.batches == [1] * 4
    batcher.stop()


def test_other_signatures_and_shapes_are_not_mixed(gate):
    one, other = Doubling(gate), Doubling(gate)
    batcher = Batcher(8, 0, 100, 1)
    waiting_behind(batcher, one, gate)
    deadline = time.monotonic() + 60
    wide = batcher.submit(one, {"x": np.ones([1, 3])}, 1, deadline)
    futures = [submit(batcher, signature, 1) for signature in (one, other, one)]
    gate.set()
    assert wide.result()["y"].tolist() == [[2, 2, 2]]
    assert [f.result()["y"].tolist() for f in futures] == [[2]] * 3
    assert sorted(one.batches) == [1, 1, 2] and other.batches == [1]
    batcher.stop()


def test_the_first_waits_for_others():
    signature, batcher = Doubling(), Batcher(4, 0.3, 100, 2)
    begin = time.monotonic()
    futures = [submit(batcher, signature, n) for n in range(4)]
    for future in futures:
        future.result()
    assert signature.batches == [4] and time.monotonic() - begin < 0.25
    submit(batcher, signature, 1).result()
    assert time.monotonic() - begin > 0.3
    batcher.stop()


def test_a_wrong_one_does_not_spoil_the_others(gate):
    signature, batcher = Doubling(gate), Batcher(8, 0, 100, 1)
    waiting_behind(batcher, signature, gate)
    good, bad = submit(batcher, signature, 1), submit(batcher, signature, -1)
    gate.set()
    assert good.result()["y"].tolist() == [2]
    with pytest.raises(RequestError, match="negative"):
        bad.result()
    batcher.stop()


def test_too_many_and_too_late(gate):
    signature, batcher = Doubling(gate), Batcher(8, 0, 2, 1)
    waiting_behind(batcher, signature, gate)
    late = submit(batcher, signature, 1, seconds=0.01)
    gone = submit(batcher, signature, 2)
    with pytest.raises(RequestError, match="2 requests are waiting") as raised:
        submit(batcher, signature, 3)
    assert raised.value.code == "RESOURCE_EXHAUSTED"
    assert gone.cancel()
    time.sleep(0.02)
    gate.set()
    with pytest.raises(RequestError) as raised:
        late.result()
    assert raised.value.code == "DEADLINE_EXCEEDED"
    batcher.stop()
    assert signature.batches == [1]
    with pytest.raises(RequestError, match="shutting down"):
        submit(batcher, signature, 1)


def test_an_error_of_the_model_ends_no_thread():
    class Broken:
        def answer(self, inputs):
            raise KeyError("broken")

    batcher = Batcher(8, 0, 100, 1)
    for _ in range(3):
        with pytest.raises(KeyError):
            submit(batcher, Broken(), 1).result(timeout=10)
    batcher.stop()
